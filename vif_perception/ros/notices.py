"""What the node has to say: not thirty times a second, and the core's log with it."""

from __future__ import annotations

import logging
import time
from typing import Any

#: The same words are said again after this time.
AGAIN_S = 10.0
_REMEMBERED = 64


class Notices:
    """Writes to a node's log, the same words at most every ``AGAIN_S``. Thread-safe enough.

    Args:
        logger: of the node.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._said: dict[str, float] = {}

    def warn(self, text: str) -> None:
        """Say it as a warning; nothing for an empty text."""
        now = time.monotonic()
        if text and now - self._said.get(text, -AGAIN_S) >= AGAIN_S:
            self._said.pop(text, None)
            self._said[text] = now
            while len(self._said) > _REMEMBERED:
                self._said.pop(next(iter(self._said)), None)
            self._logger.warning(text)


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
