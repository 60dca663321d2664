"""Says once why no pair has come for a while."""

from vif_perception.sync.stream import Stream


class Drought:
    """The time since the last pair and the smallest skew seen in it.

    Args:
        report_ns: after this long without a pair there is something to say.
        limit_ns: largest skew of a pair, for the sentence.
    """

    def __init__(self, report_ns: int, limit_ns: int) -> None:
        self._report_ns = report_ns
        self._limit_ns = limit_ns
        self._since_ns: int | None = None
        self._nearest_ns: int | None = None
        self._said = False

    def begin(self, now_ns: int) -> None:
        """Start counting, unless that has happened; never from a time in the future."""
        self._since_ns = now_ns if self._since_ns is None else min(self._since_ns, now_ns)

    def end(self, now_ns: int) -> None:
        """A pair went out."""
        self._since_ns = now_ns
        self._nearest_ns = None
        self._said = False

    def compare(self, stream: Stream, other: Stream, stamp_ns: int) -> None:
        """Keep the smallest thermal - rgb difference of a new stamp to the other camera's."""
        stamps = [waiting.stamp_ns for waiting in other.queue]
        if other.newest_ns is not None:
            stamps.append(other.newest_ns)
        sign = 1 if stream.camera == 'thermal' else -1
        skews = [sign * (stamp_ns - theirs) for theirs in stamps]
        if self._nearest_ns is not None:
            skews.append(self._nearest_ns)
        self._nearest_ns = min(skews, key=abs, default=None)

    def explain(self, rgb: Stream, thermal: Stream, now_ns: int) -> str:
        """Return the sentence when it is time for it and it was not said before; else ''."""
        self.begin(now_ns)
        assert self._since_ns is not None
        if self._said or now_ns - self._since_ns < self._report_ns:
            return ''
        self._said = True
        rates = ', '.join(f'{s.camera} {s.rate.hz(now_ns):.1f} Hz' for s in (rgb, thermal))
        skew = '-' if self._nearest_ns is None else f'{self._nearest_ns / 1e6:.1f} ms'
        return (
            f'no pair for {(now_ns - self._since_ns) / 1e9:.1f} s: {rates},'
            f' nearest skew {skew}, limit {self._limit_ns / 1e6:g} ms'
        )
