"""How long each stage took, by a clock that is handed in."""

from __future__ import annotations

from collections.abc import Callable


class StageTimes:
    """Durations of consecutive stages and their total.

    Args:
        timer: gives ns from any fixed origin; None measures nothing.
    """

    def __init__(self, timer: Callable[[], int] | None) -> None:
        self._timer = timer
        self._begin_ns = self._last_ns = timer() if timer else 0
        self._stages: dict[str, int] = {}

    def end(self, stage: str) -> None:
        """Close ``stage``; the next one begins."""
        if self._timer:
            now_ns = self._timer()
            self._stages[stage] = now_ns - self._last_ns
            self._last_ns = now_ns

    def all(self) -> dict[str, int]:
        """Return stage -> ns with ``total``; empty without a timer."""
        if not self._stages:
            return {}
        return {**self._stages, 'total': self._last_ns - self._begin_ns}
