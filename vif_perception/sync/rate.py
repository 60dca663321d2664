"""How often something happens, from receive times."""

from collections import deque

WINDOW_NS = 2_000_000_000


class RateMeter:
    """Events per second over the last two seconds, in bounded memory."""

    def __init__(self) -> None:
        self._times: deque[int] = deque(maxlen=256)

    def tick(self, now_ns: int) -> None:
        """Count one event; a clock that went back starts the window afresh."""
        if self._times and now_ns < self._times[-1]:
            self._times.clear()
        self._times.append(now_ns)

    def hz(self, now_ns: int) -> float:
        """Return the rate at ``now_ns``, Hz; it falls as soon as an event is overdue."""
        recent = [time for time in self._times if now_ns - time < WINDOW_NS]
        if len(recent) < 2 or recent[-1] == recent[0]:
            return len(recent) * 1e9 / WINDOW_NS
        intervals = len(recent) - 1
        span = recent[-1] - recent[0]
        overdue = now_ns - recent[-1] > 2 * span / intervals
        return intervals * 1e9 / (now_ns - recent[0] if overdue else span)
