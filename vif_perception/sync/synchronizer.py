"""Pairs thermal and RGB frames by their stamps: integers only, no clock of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from vif_perception.config import SyncConfig
from vif_perception.sync.drought import Drought
from vif_perception.sync.matching import Verdict, is_surplus, judge
from vif_perception.sync.stream import Stream, Waiting
from vif_perception.types import Camera, Frame, FramePair

_SILENT_DEADLINES = 10
#: Every key of ``Synchronizer.drops``; explained there.
DROP_CAUSES = (
    'no_partner', 'too_old', 'duplicate_stamp', 'out_of_order', 'queue_overflow', 'clock_jump',
    'reset',
)


class Synchronizer:
    """Pairs the frames of two cameras, each of which sends in the order of its stamps.

    Time: stamps (thermal ones after ``thermal_offset_ms``) say what belongs together; ``now_ns``,
    the receive time, only runs the timers. Both are ints of nanoseconds.

    **Pairs.** Two frames become a pair when they are at most ``max_skew_ms`` apart (policy
    ``exact``: equal) and each is the nearest left for the other; a tie goes to the older. A pair
    goes out as soon as no nearer frame can come from either side: a camera's next stamp is
    later than its newest by at least the shortest of its last 16 intervals. So regular streams
    wait for nothing while the skew is below half a period; otherwise the next frame is awaited,
    at most until the deadline of one of the two. Pairs never cross and no frame is used twice.

    **Lone frames.** A frame is lone when its partner cannot come any more, or when it has waited
    ``deadline_ms`` since it was received (later arrivals do not restart that timer). It goes out
    as a partial, unless nothing was owed: a frame between two regular frames of a slower camera,
    and a frame of the other camera while the reference camera delivers, are dropped as
    ``no_partner``; otherwise a 30 Hz RGB beside a 9 Hz thermal would flicker between modes.
    Nobody waits for a camera that has been silent for ten deadlines.

    **Order.** Every frame of an output is newer than every frame of the outputs before it. A
    stamp further back than ``jump_back_ms`` (clock jump, bag loop) starts everything afresh.

    **Drops.** Every frame received ends in a pair, a partial, the queue, or ``drops``:
    ``no_partner``; ``too_old``, not newer than what already went out; ``duplicate_stamp``;
    ``out_of_order`` within its stream; ``queue_overflow``, the oldest of more than
    ``queue_size``; ``clock_jump`` and ``reset``, waiting when everything started afresh.

    Not thread-safe: the pipeline guards it.

    Args:
        config: limits and times.
        reference: the camera whose lone frames always count as owed an output.
    """

    def __init__(self, config: SyncConfig, *, reference: Camera = 'rgb') -> None:
        self._reference = reference
        self._rgb = Stream('rgb', 0)
        self._thermal = Stream('thermal', 0)
        self._drops: Counter[str] = Counter()
        self._floor_ns: int | None = None
        self._first_ns: int | None = None
        self._now_ns = 0
        self.pairs = 0
        self.partials = 0
        self._limit(config)

    @property
    def drops(self) -> Mapping[str, int]:
        """Frames that reached no output, by cause."""
        return dict(self._drops)

    @property
    def received(self) -> Mapping[Camera, int]:
        """Frames that came, whatever became of them."""
        return {'rgb': self._rgb.count, 'thermal': self._thermal.count}

    @property
    def queued(self) -> int:
        """Frames that wait."""
        return len(self._rgb.queue) + len(self._thermal.queue)

    def add(self, camera: Camera, frame: Frame, now_ns: int) -> list[FramePair]:
        """Take a frame; return what is decided by it or by the time that has passed."""
        out = self.due(now_ns)
        stream, other = self._streams(camera)
        stamp_ns = frame.stamp_ns + stream.offset_ns
        stream.arrived(now_ns)
        self._first_ns = now_ns if self._first_ns is None else self._first_ns
        if self._jumped(stream, other, stamp_ns):
            self._start_afresh('clock_jump')
        if stream.newest_ns is not None and stamp_ns <= stream.newest_ns:
            same = stamp_ns == stream.newest_ns
            self._drops['duplicate_stamp' if same else 'out_of_order'] += 1
            return out
        previous_ns = stream.see(stamp_ns)
        self._drought.compare(stream, other, stamp_ns)
        if self._floor_ns is not None and stamp_ns <= self._floor_ns:
            self._drops['too_old'] += 1
            return out
        stream.queue.append(Waiting(frame, stamp_ns, previous_ns, now_ns))
        out += self._advance(flush=False)
        if len(stream.queue) > self._queue_size:
            stream.queue.popleft()
            self._drops['queue_overflow'] += 1
            out += self._advance(flush=False)
        return out

    def due(self, now_ns: int) -> list[FramePair]:
        """Return what the time that has passed decides."""
        if now_ns < self._now_ns:
            self._rgb.rewind(now_ns)
            self._thermal.rewind(now_ns)
            if self._first_ns is not None:
                self._first_ns = min(self._first_ns, now_ns)
        self._drought.begin(now_ns)
        self._now_ns = now_ns
        return self._advance(flush=False)

    def next_deadline_ns(self) -> int | None:
        """Return the receive time at which ``due`` next has something to decide, or None."""
        heads = [s.head for s in (self._rgb, self._thermal) if s.head is not None]
        if not heads:
            return None
        return min(head.received_ns for head in heads) + self._deadline_ns

    def flush(self) -> list[FramePair]:
        """Decide everything that waits, as at the end of a bag."""
        return self._advance(flush=True)

    def reset(self) -> None:
        """Forget what waits and both clocks; the counts go on."""
        self._start_afresh('reset')

    def configure(self, config: SyncConfig) -> None:
        """Take other limits and times; otherwise as reset."""
        self.reset()
        self._limit(config)

    def explain(self, now_ns: int) -> str:
        """Return, once for each time without a pair, why there is none; '' otherwise."""
        return self._drought.explain(self._rgb, self._thermal, now_ns)

    def _limit(self, config: SyncConfig) -> None:
        exact = config.policy == 'exact'
        self._limit_ns = 0 if exact else _nanoseconds(config.max_skew_ms)
        self._deadline_ns = _nanoseconds(config.deadline_ms)
        self._jump_ns = _nanoseconds(config.jump_back_ms)
        self._queue_size = config.queue_size
        self._thermal.offset_ns = _nanoseconds(config.thermal_offset_ms)
        self._drought = Drought(_nanoseconds(config.report_after_s * 1000), self._limit_ns)

    def _streams(self, camera: Camera) -> tuple[Stream, Stream]:
        both = (self._rgb, self._thermal)
        return both if camera == 'rgb' else both[::-1]

    def _advance(self, *, flush: bool) -> list[FramePair]:
        out: list[FramePair] = []
        while self._rgb.queue or self._thermal.queue:
            older, other = self._by_age()
            final = flush or self._expired(older) or self._expired(other)
            if other.head is None:
                if not final and not self._silent(other):
                    break
                verdict = Verdict.LONE
            else:
                verdict = judge(older, other, self._limit_ns, final=final)
            if verdict is Verdict.WAIT:
                break
            if verdict is Verdict.PAIR:
                out.append(self._pair())
            else:
                out += self._lone(older, other)
        return out

    def _by_age(self) -> tuple[Stream, Stream]:
        rgb, thermal = self._rgb, self._thermal
        if rgb.head is None or thermal.head is None:
            return (thermal, rgb) if rgb.head is None else (rgb, thermal)
        return (rgb, thermal) if rgb.head.stamp_ns <= thermal.head.stamp_ns else (thermal, rgb)

    def _expired(self, stream: Stream) -> bool:
        head = stream.head
        return head is not None and self._now_ns - head.received_ns >= self._deadline_ns

    def _silent(self, stream: Stream) -> bool:
        since_ns = self._first_ns if stream.received_ns is None else stream.received_ns
        return since_ns is not None and (
            self._now_ns - since_ns >= _SILENT_DEADLINES * self._deadline_ns
        )

    def _pair(self) -> FramePair:
        rgb, thermal = self._rgb.queue.popleft(), self._thermal.queue.popleft()
        self._rgb.paired_ns, self._thermal.paired_ns = rgb.stamp_ns, thermal.stamp_ns
        self._floor_ns = max(rgb.stamp_ns, thermal.stamp_ns)
        self._drought.end(self._now_ns)
        self.pairs += 1
        return FramePair(thermal.frame, rgb.frame, thermal.stamp_ns - rgb.stamp_ns)

    def _lone(self, stream: Stream, other: Stream) -> list[FramePair]:
        waiting = stream.queue.popleft()
        reference = stream.camera == self._reference
        if is_surplus(waiting, stream, other, reference=reference):
            self._drops['no_partner'] += 1
            return []
        self._floor_ns = waiting.stamp_ns
        self.partials += 1
        if stream.camera == 'rgb':
            return [FramePair(None, waiting.frame)]
        return [FramePair(waiting.frame, None)]

    def _jumped(self, stream: Stream, other: Stream, stamp_ns: int) -> bool:
        if stream.newest_ns is not None and stamp_ns < stream.newest_ns - self._jump_ns:
            return True
        # The other camera ran far ahead and stopped: this one must not be too old for ever.
        stranded = self._floor_ns is not None and stamp_ns < self._floor_ns - self._jump_ns
        return stranded and self._silent(other)

    def _start_afresh(self, cause: str) -> None:
        if self.queued:
            self._drops[cause] += self.queued
        self._rgb.forget()
        self._thermal.forget()
        self._floor_ns = None


def _nanoseconds(milliseconds: float) -> int:
    return round(milliseconds * 1_000_000)
