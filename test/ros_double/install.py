"""Modules with the names of ROS."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

from ros_double import extras, graph, messages, node, parameters
from ros_double.graph import GRAPH
from ros_double.signatures import check

_MESSAGES = (
    'builtin_interfaces', 'diagnostic_msgs', 'lifecycle_msgs', 'rcl_interfaces', 'sensor_msgs',
    'std_msgs', 'vision_msgs', 'vif_perception',
)


def _init(**kwargs: Any) -> None:
    check('rclpy.init', (), kwargs)
    assert not GRAPH.alive, 'rclpy.init was called twice'
    GRAPH.clear()
    GRAPH.alive = True


def _try_shutdown(**kwargs: Any) -> None:
    check('rclpy.try_shutdown', (), kwargs)
    GRAPH.alive = False
    GRAPH.soon(lambda: None)


def _modules() -> dict[str, dict[str, Any]]:
    return {
        'rclpy': {
            'init': _init, 'try_shutdown': _try_shutdown, 'shutdown': _try_shutdown,
            'ok': lambda **kwargs: GRAPH.alive,
        },
        'rclpy.node': {'Node': node.Node},
        'rclpy.lifecycle': {name: getattr(node, name) for name in (
            'LifecycleNode', 'LifecycleState', 'TransitionCallbackReturn'
        )},
        'rclpy.clock': {'Clock': node.Clock, 'ClockType': node.ClockType},
        'rclpy.executors': {name: getattr(node, name) for name in (
            'SingleThreadedExecutor', 'ExternalShutdownException'
        )},
        'rclpy.serialization': {'deserialize_message': messages.deserialize_message},
        'rclpy.parameter': {'Parameter': parameters.Parameter},
        'rclpy.exceptions': {name: getattr(parameters, name) for name in (
            'InvalidParameterTypeException', 'InvalidParameterValueException'
        )},
        'rclpy.qos': {name: getattr(graph, name) for name in (
            'QoSProfile', 'ReliabilityPolicy', 'DurabilityPolicy', 'QoSPolicyKind'
        )},
        'rclpy.qos_overriding_options': {'QoSOverridingOptions': graph.QoSOverridingOptions},
        'rclpy.event_handler': {name: getattr(graph, name) for name in (
            'SubscriptionEventCallbacks', 'PublisherEventCallbacks'
        )},
        'message_filters': {'Subscriber': extras.Subscriber},
        'diagnostic_updater': {'Updater': extras.Updater},
        'std_srvs': {}, 'std_srvs.srv': {'Trigger': messages.trigger()},
    }


def install() -> Callable[[], None]:
    """Put the stand-ins into sys.modules; return a function that takes them out again."""
    made: dict[str, ModuleType] = {}
    for name, content in _modules().items():
        made[name] = ModuleType(name)
        vars(made[name]).update(content)
    for package in _MESSAGES:
        if package != 'vif_perception':  # that one is there
            made.setdefault(package, ModuleType(package))
        made[f'{package}.msg'] = ModuleType(f'{package}.msg')
        made[f'{package}.msg'].__getattr__ = (  # type: ignore[method-assign]
            lambda short, package=package: _class(package, short)
        )
    before = SimpleNamespace(nodes=[n for n in sys.modules if n.startswith('vif_perception.ros')])
    sys.modules.update(made)

    def remove() -> None:
        GRAPH.clear()
        for name in made:
            sys.modules.pop(name, None)
        for name in [n for n in sys.modules if n.startswith('vif_perception.ros.')]:
            if name not in before.nodes:  # they hold classes of the stand-ins
                del sys.modules[name]
                parent, _, short = name.rpartition('.')
                vars(sys.modules[parent]).pop(short, None)  # or `from parent import` finds it

    return remove


def _class(package: str, short: str) -> type:
    if short.startswith('__'):
        raise AttributeError(short)
    return messages.of(f'{package}/msg/{short}')
