"""What the node has to say: not thirty times a second, and the core's log with it."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

#: The same words are said again after this time.
AGAIN_S = 10.0
_REMEMBERED = 64


class Notices:
    """Writes to a node's log, the same words at most every ``AGAIN_S``, from any thread.

    Args:
        logger: of the node.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._said: dict[str, float] = {}
        self._lock = threading.Lock()

    def inform(self, text: str) -> None:
        """Say it."""
        if self._news(text):
            self._logger.info(text)

    def warn(self, text: str) -> None:
        """Say it as a warning; nothing for an empty text."""
        if text and self._news(text):
            self._logger.warning(text)

    def _news(self, text: str) -> bool:
        now = time.monotonic()
        with self._lock:
            return self._remember(text, now)

    def _remember(self, text: str, now: float) -> bool:
        if now - self._said.get(text, now - AGAIN_S) < AGAIN_S:
            return False
        self._said.pop(text, None)
        self._said[text] = now
        while len(self._said) > _REMEMBERED:
            self._said.pop(next(iter(self._said)), None)
        return True


class RosLog(logging.Handler):
    """Passes what the core logs through ``logging`` on to a node's log.

    Args:
        logger: of the node.
    """

    def __init__(self, logger: Any) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record with its traceback."""
        # rclpy keeps the level of each calling line: one line for each level.
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)
