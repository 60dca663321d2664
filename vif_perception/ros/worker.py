"""The one thread that owns the engine; a newer pair takes the place of one that still waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from vif_perception.types import FramePair

#: How often time that passes is looked at while nothing waits; bounds how late a partial is.
TICK_S = 0.02


class Worker:
    """Works on the newest pair; an exception is told and survived.

    Args:
        work: takes a pair.
        due: returns the pairs that the passing of time has made ready.
        displaced: told of a pair that is not worked on.
        failed: told of what any of these raised; must not raise.
    """

    def __init__(
        self, *, work: Callable[[FramePair], None], due: Callable[[], Iterable[FramePair]],
        displaced: Callable[[FramePair], None], failed: Callable[[Exception], None],
    ) -> None:
        self._work, self._due, self._displaced, self._failed = work, due, displaced, failed
        self._newest: FramePair | None = None
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name='fusion-worker', daemon=True)

    def start(self) -> None:
        """Begin; only once."""
        self._thread.start()

    def offer(self, pairs: Iterable[FramePair]) -> None:
        """Take pairs in their order; never waits for work."""
        for pair in pairs:
            with self._changed:
                older, self._newest = self._newest, pair
                self._changed.notify()
            if older is not None:
                self._displaced(older)

    def stop(self, timeout_s: float) -> bool:
        """End after the pair at work; False when that takes longer than ``timeout_s``."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._newest is None and not self._stopping:
                    self._changed.wait(TICK_S)
                if self._stopping:
                    return
                pair, self._newest = self._newest, None
            try:
                if pair is None:
                    self.offer(self._due())
                else:
                    self._work(pair)
            except Exception as error:
                self._failed(error)
