"""One camera's side of the synchroniser: what waits, and how regularly it comes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from vif_perception.sync.rate import RateMeter
from vif_perception.types import Camera, Frame

_HISTORY = 16
_KNOWN_AFTER = 4


@dataclass
class Waiting:
    """A frame that has no output yet.

    Attributes:
        frame: the frame as it came.
        stamp_ns: its stamp after the stream's offset.
        previous_ns: the same of the stream's frame before it, None for the first.
        received_ns: when its timer started.
    """

    frame: Frame
    stamp_ns: int
    previous_ns: int | None
    received_ns: int


class Stream:
    """The queue of one camera and the intervals between its stamps."""

    def __init__(self, camera: Camera, offset_ns: int) -> None:
        self.camera = camera
        self.offset_ns = offset_ns
        self.count = 0
        self.rate = RateMeter()
        self.received_ns: int | None = None
        self.forget()

    def forget(self) -> None:
        """Drop everything that depends on the camera's clock."""
        self.queue: deque[Waiting] = deque()
        self.newest_ns: int | None = None
        self.paired_ns: int | None = None
        self._intervals: deque[int] = deque(maxlen=_HISTORY)

    def arrived(self, now_ns: int) -> None:
        """Note that a frame came, whatever becomes of it."""
        self.count += 1
        self.received_ns = now_ns
        self.rate.tick(now_ns)

    def see(self, stamp_ns: int) -> int | None:
        """Note a stamp that is in order; return the one before it."""
        previous, self.newest_ns = self.newest_ns, stamp_ns
        if previous is not None:
            self._intervals.append(stamp_ns - previous)
        return previous

    def rewind(self, now_ns: int) -> None:
        """Let no timer lie in the future after the receive clock went back."""
        if self.received_ns is not None:
            self.received_ns = min(self.received_ns, now_ns)
        for waiting in self.queue:
            waiting.received_ns = min(waiting.received_ns, now_ns)

    @property
    def head(self) -> Waiting | None:
        """The oldest frame that waits."""
        return self.queue[0] if self.queue else None

    @property
    def typical_ns(self) -> int | None:
        """Median of the recent intervals; None while too few are known."""
        if len(self._intervals) < _KNOWN_AFTER:
            return None
        return sorted(self._intervals)[len(self._intervals) // 2]

    def earliest_next_ns(self) -> int:
        """Return the first stamp the next frame can have, by the shortest recent interval."""
        assert self.newest_ns is not None
        known = len(self._intervals) >= _KNOWN_AFTER
        return self.newest_ns + (min(self._intervals) if known else 1)
