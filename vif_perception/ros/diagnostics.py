"""One Health as diagnostics: the whole, and each camera."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_updater import Updater
from rclpy.lifecycle import LifecycleNode

from vif_perception.types import Camera, Health, Mode

_LEVELS = {
    Mode.FUSED: DiagnosticStatus.OK, Mode.RGB_ONLY: DiagnosticStatus.WARN,
    Mode.THERMAL_ONLY: DiagnosticStatus.WARN, Mode.STALE: DiagnosticStatus.STALE,
    Mode.ERROR: DiagnosticStatus.ERROR,
}


class Diagnostics:
    """Publishes on /diagnostics once a second, whatever the state of the node.

    Args:
        node: owner of the updater.
        health: returns a snapshot; None while the node is not active.
        trouble: returns why the node could not be configured, '' when nothing is wrong.
    """

    def __init__(
        self, node: LifecycleNode, health: Callable[[], Health | None],
        trouble: Callable[[], str],
    ) -> None:
        self._take, self._trouble = health, trouble
        self._health: Health | None = None
        self._updater = Updater(node)
        self._updater.setHardwareID('none')
        # In this order: the first one takes the snapshot that all of them tell of.
        self._updater.add('fusion', self._fusion)
        self._updater.add('rgb camera', lambda status: self._camera(status, 'rgb'))
        self._updater.add('thermal camera', lambda status: self._camera(status, 'thermal'))

    def _fusion(self, status: Any) -> Any:
        self._health = health = self._take()
        if health is None:
            return self._inactive(status)
        drift = health.registration_shift_px
        status.summary(_LEVELS[health.mode], f'{health.mode.value} {health.reason}'.strip())
        if drift is not None:
            status.mergeSummary(DiagnosticStatus.WARN, _drifted(*drift))
        status.add('outputs', str(health.processed))
        status.add('pairs', str(health.pairs))
        status.add('partials', str(health.partials))
        for cause, count in health.drops.items():
            status.add(f'dropped {cause}', str(count))
        if health.skew_ms:
            status.add('skew p95 ms', f'{health.skew_ms.p95:.1f}')
        for stage, ms in health.latency_ms.items():
            status.add(f'{stage} p50 p95 p99 ms', f'{ms.p50:.1f} {ms.p95:.1f} {ms.p99:.1f}')
        score = health.registration_score
        status.add('registration score', '-' if score is None else f'{score:.2f}')
        status.add('recalibrations', str(health.recalibrations))
        status.add('errors', str(health.errors))
        status.add('last error', health.last_error or '-')
        return status

    def _camera(self, status: Any, camera: Camera) -> Any:
        if self._health is None:
            return self._inactive(status)
        condition = self._health.conditions[camera]
        level = DiagnosticStatus.WARN if condition else DiagnosticStatus.OK
        status.summary(level, condition or 'usable')
        status.add('rate Hz', f'{self._health.rate_hz[camera]:.1f}')
        status.add('frames', str(self._health.received[camera]))
        return status

    def _inactive(self, status: Any) -> Any:
        trouble = self._trouble()
        level = DiagnosticStatus.ERROR if trouble else DiagnosticStatus.OK
        status.summary(level, trouble or 'not active')
        return status


def _drifted(right_px: float, down_px: float) -> str:
    return (
        f'registration drifted: thermal edges lie {right_px:+.0f} px right and {down_px:+.0f} px '
        'down of the RGB ones; a knocked mount? calibrate again'
    )
