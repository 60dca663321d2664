"""Parameters set while the node lives: taken where that is safe, else refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from vif_perception.errors import InputError
from vif_perception.ros import parameters
from vif_perception.ros.parameters import FusionConfig
from vif_perception.sensing import read_camchain


class Changes:
    """Watches the parameters of a node from now on.

    Args:
        node: has declared FusionConfig.
        closed: returns group of parameters -> why it cannot be changed now.
        apply: takes the settings when some were changed.
    """

    def __init__(
        self, node: Node, closed: Callable[[], Mapping[str, str]],
        apply: Callable[[FusionConfig], None],
    ) -> None:
        self._node, self._closed, self._apply = node, closed, apply
        node.add_on_set_parameters_callback(self._check)
        self._told_afterwards = hasattr(node, 'add_post_set_parameters_callback')  # not on Humble
        if self._told_afterwards:
            node.add_post_set_parameters_callback(self._changed)

    def _check(self, changed: Sequence[Parameter]) -> SetParametersResult:
        changes = {p.name: p.value for p in changed if _ours(p)}
        closed = self._closed()
        for name, value in changes.items():
            reason = 'cannot be deleted' if value is None else closed.get(name.partition('.')[0])
            if reason:
                return SetParametersResult(successful=False, reason=f'{name}: {reason}')
        try:
            config = parameters.read(self._node, FusionConfig, changes)
            read_camchain(config.registration.camchain)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if changes and not self._told_afterwards:
            self._apply(config)
        return SetParametersResult(successful=True)

    def _changed(self, changed: Sequence[Parameter]) -> None:
        if any(map(_ours, changed)):
            self._apply(parameters.read(self._node, FusionConfig))


def _ours(parameter: Parameter) -> bool:
    return parameter.name.partition('.')[0] in FusionConfig.model_fields
