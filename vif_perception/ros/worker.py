"""The one thread that owns the engine; newer pairs take the place of those that still wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from vif_perception.types import FramePair

#: How often time that passes is looked at while nothing waits; bounds how late a partial is.
TICK_S = 0.02


class Worker:
    """Works on the newest pairs; an exception is told and survived.

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
        self._waiting: deque[FramePair] = deque()
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name='fusion-worker', daemon=True)

    def start(self) -> None:
        """Begin; only once."""
        self._thread.start()

    def offer(self, pairs: Iterable[FramePair]) -> None:
        """Take pairs that became ready together, in their order; never waits for work.

        They displace those of earlier calls, not each other: a lone frame that gave up waiting
        comes with the pair after it, and both have results.
        """
        newer = deque(pairs)
        if not newer:
            return
        with self._changed:
            older, self._waiting = self._waiting, newer
            self._changed.notify()
        for pair in older:
            self._displaced(pair)

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
                if not self._waiting and not self._stopping:
                    self._changed.wait(TICK_S)
                if self._stopping:
                    return
                pair = self._waiting.popleft() if self._waiting else None
            try:
                if pair is None:
                    self._put_first(self._due())
                else:
                    self._work(pair)
            except Exception as error:
                self._failed(error)

    def _put_first(self, pairs: Iterable[FramePair]) -> None:
        """What a deadline made ready is older than what was offered in the meantime."""
        with self._changed:
            self._waiting.extendleft(reversed([*pairs]))
