"""message_filters.Subscriber and diagnostic_updater.Updater."""

from __future__ import annotations

from typing import Any

from ros_double import messages
from ros_double.signatures import check, golden


class Subscriber:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._callbacks: list[tuple[Any, tuple[Any, ...]]] = []
        self.node, self.topic = args[0], args[2]
        self.sub = self.node.create_subscription(*args[1:], self.callback, **kwargs)

    @golden('message_filters.SimpleFilter.registerCallback')
    def registerCallback(self, cb: Any, *args: Any) -> int:  # noqa: N802
        self._callbacks.append((cb, args))
        return len(self._callbacks) - 1

    def callback(self, message: Any) -> None:
        for callback, args in self._callbacks:
            callback(message, *args)


class Status:
    """DiagnosticStatusWrapper, as far as tasks use it."""

    def __init__(self, name: str) -> None:
        self.name, self.level, self.message = name, b'\2', ''
        self.values: list[Any] = []

    def summary(self, level: bytes, text: str) -> None:
        self.level, self.message = level, text

    def mergeSummary(self, level: bytes, text: str) -> None:  # noqa: N802
        if (level > b'\0') == (self.level > b'\0') and self.message:
            self.message += '; ' + text
        elif level > self.level:
            self.message = text
        self.level = max(level, self.level)

    def add(self, key: str, value: str) -> None:
        assert isinstance(value, str)
        self.values.append(messages.of('diagnostic_msgs/msg/KeyValue')(key=key, value=value))


class Updater:
    @golden('diagnostic_updater.Updater')
    def __init__(self, node: Any, period: float = 1.0) -> None:
        self._node, self._tasks = node, []
        self._publisher = node.create_publisher(
            messages.of('diagnostic_msgs/msg/DiagnosticArray'), '/diagnostics', 1
        )
        node.create_timer(period, self.force_update)

    def setHardwareID(self, hwid: str) -> None:  # noqa: N802
        check('diagnostic_updater.Updater.setHardwareID', (hwid,), {})

    @golden('diagnostic_updater.Updater.add')
    def add(self, name: str, task: Any) -> None:
        self._tasks.append((name, task))

    def force_update(self) -> None:
        array = messages.of('diagnostic_msgs/msg/DiagnosticArray')()
        array.header.stamp = self._node.get_clock().now().to_msg()
        for name, task in self._tasks:
            status = task(Status(f'{self._node.get_name()}: {name}'))
            array.status.append(messages.of('diagnostic_msgs/msg/DiagnosticStatus')(
                name=status.name, level=status.level, message=status.message,
                values=status.values,
            ))
        self._publisher.publish(array)
