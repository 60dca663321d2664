"""Nodes, lifecycle, timers, services and executors."""

from __future__ import annotations

import enum
import logging
import time
from types import SimpleNamespace
from typing import Any, NamedTuple

from ros_double import messages
from ros_double.graph import GRAPH, Endpoint, Profile
from ros_double.parameters import Parameters
from ros_double.signatures import check, golden


class ExternalShutdownException(Exception):  # noqa: N818
    pass


class ClockType(enum.Enum):
    ROS_TIME, SYSTEM_TIME, STEADY_TIME = 1, 2, 3


class Clock:
    def __init__(self, *, clock_type: ClockType = ClockType.SYSTEM_TIME) -> None:
        self.simulated = False  # and nobody publishes /clock here

    def now(self) -> SimpleNamespace:
        nanoseconds = 0 if self.simulated else time.time_ns()
        stamp = messages.of('builtin_interfaces/msg/Time')
        return SimpleNamespace(nanoseconds=nanoseconds, to_msg=lambda: stamp(
            sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9
        ))


class Node(Parameters):
    @golden('rclpy.node.Node.__init__')
    def __init__(
        self, node_name: str, *, namespace: str | None = None, parameter_overrides: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(parameter_overrides or [])
        self._name, self._namespace = node_name, '/' + (namespace or '').strip('/')
        self._clock = Clock()
        self.context = SimpleNamespace(ok=lambda: GRAPH.alive)
        self.timers: list[Any] = []
        self.services: list[Any] = []
        given = self._parameter_overrides.get('use_sim_time')
        self._clock.simulated = bool(given and given.value)
        assert GRAPH.alive, 'rclpy.init was not called'
        GRAPH.nodes.append(self)

    def get_name(self) -> str:
        return self._name

    def get_namespace(self) -> str:
        return self._namespace

    def get_logger(self) -> logging.Logger:
        return logging.getLogger(f'ros.{self._name}')

    def get_clock(self) -> Clock:
        return self._clock

    @golden('rclpy.node.Node.resolve_topic_name')
    def resolve_topic_name(self, topic: str) -> str:
        space = self._namespace.rstrip('/')
        if topic.startswith('~/'):
            return f'{space}/{self._name}/{topic[2:]}'
        return topic if topic.startswith('/') else f'{space}/{topic}'

    @golden('rclpy.node.Node.create_publisher')
    def create_publisher(self, msg_type: type, topic: str, qos_profile: Any, **kw: Any) -> Any:
        return GRAPH.join(self._endpoint(msg_type, topic, qos_profile), publishes=True)

    @golden('rclpy.node.Node.create_subscription')
    def create_subscription(
        self, msg_type: type, topic: str, callback: Any, qos_profile: Any, **kw: Any
    ) -> Any:
        made = self._endpoint(msg_type, topic, qos_profile)
        made.callback, made.events = callback, kw.get('event_callbacks')
        made.raw = kw.get('raw', False)
        return GRAPH.join(made, publishes=False)

    def _endpoint(self, msg_type: type, topic: str, qos_profile: Any) -> Endpoint:
        qos = Profile(qos_profile) if isinstance(qos_profile, int) else qos_profile
        return Endpoint(self, msg_type, self.resolve_topic_name(topic), qos)

    @golden('rclpy.node.Node.destroy_subscription')
    def destroy_subscription(self, subscription: Endpoint) -> bool:
        GRAPH.subscriptions[subscription.topic].remove(subscription)
        return True

    @golden('rclpy.node.Node.create_timer')
    def create_timer(self, timer_period_sec: float, callback: Any, **kw: Any) -> Any:
        timer = SimpleNamespace(period=timer_period_sec, callback=callback,
                                due=time.monotonic() + timer_period_sec)
        self.timers.append(timer)
        return timer

    @golden('rclpy.node.Node.create_service')
    def create_service(self, srv_type: type, srv_name: str, callback: Any, **kw: Any) -> Any:
        self.services.append(SimpleNamespace(
            srv_name=self.resolve_topic_name(srv_name), srv_type=srv_type, callback=callback
        ))

    @golden('rclpy.node.Node.get_publishers_info_by_topic')
    def get_publishers_info_by_topic(self, topic_name: str) -> list[Any]:
        return [endpoint.info for endpoint in GRAPH.publishers[topic_name]]

    def get_subscriptions_info_by_topic(self, topic_name: str) -> list[Any]:
        return [endpoint.info for endpoint in GRAPH.subscriptions[topic_name]]

    def count_publishers(self, topic_name: str) -> int:
        return len(GRAPH.publishers[topic_name])

    @golden('rclpy.node.Node.destroy_node')
    def destroy_node(self) -> None:
        for table in (GRAPH.publishers, GRAPH.subscriptions):
            for endpoints in table.values():
                endpoints[:] = [other for other in endpoints if other.node is not self]
        if self in GRAPH.nodes:
            GRAPH.nodes.remove(self)


class LifecycleState(NamedTuple):
    label: str
    state_id: int


class TransitionCallbackReturn(enum.Enum):
    SUCCESS, FAILURE, ERROR = range(3)


_SUCCESS = TransitionCallbackReturn.SUCCESS
_STEPS = {
    'configure': ('unconfigured', 'inactive'), 'activate': ('inactive', 'active'),
    'deactivate': ('active', 'inactive'), 'cleanup': ('inactive', 'unconfigured'),
}


class LifecycleNode(Node):
    @golden('rclpy.lifecycle.LifecycleNode.__init__')
    def __init__(self, node_name: str, **kwargs: Any) -> None:
        super().__init__(node_name, **kwargs)
        self.state = 'unconfigured'
        self._managed: list[Endpoint] = []

    def create_lifecycle_publisher(self, *args: Any, **kwargs: Any) -> Endpoint:
        made: Endpoint = self.create_publisher(*args, **kwargs)
        made.enabled = False
        self._managed.append(made)
        return made

    def _enable(self, on: bool) -> TransitionCallbackReturn:
        for publisher in self._managed:
            publisher.enabled = on
        return _SUCCESS

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        return _SUCCESS

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        return self._enable(True)

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        return self._enable(False)

    on_cleanup = on_shutdown = on_error = on_configure

    def trigger_configure(self) -> TransitionCallbackReturn:
        return self._change('configure')

    def trigger_activate(self) -> TransitionCallbackReturn:
        return self._change('activate')

    def trigger_deactivate(self) -> TransitionCallbackReturn:
        return self._change('deactivate')

    def trigger_cleanup(self) -> TransitionCallbackReturn:
        return self._change('cleanup')

    def trigger_shutdown(self) -> TransitionCallbackReturn:
        return self._change('shutdown')

    def _change(self, step: str) -> TransitionCallbackReturn:
        check(f'rclpy.lifecycle.LifecycleNode.trigger_{step}', (), {})
        start, goal = _STEPS.get(step, (self.state, 'finalized'))
        assert self.state == start, f'{step} while {self.state}'
        before = LifecycleState(self.state, 0)
        try:
            result = getattr(self, f'on_{step}')(before)
        except Exception:  # as rclpy does, without a word
            result = TransitionCallbackReturn.ERROR
        assert isinstance(result, TransitionCallbackReturn), f'on_{step} returned {result!r}'
        if result is _SUCCESS:
            self.state = goal
        elif result is TransitionCallbackReturn.ERROR:
            self.state = 'unconfigured' if self.on_error(before) is _SUCCESS else 'finalized'
        return result


class SingleThreadedExecutor:
    @golden('rclpy.executors.SingleThreadedExecutor')
    def __init__(self) -> None:
        pass

    def add_node(self, node: Node) -> bool:
        return True

    def spin_once(self, timeout_sec: float | None = None) -> None:
        GRAPH.spin_once(timeout_sec)

    def spin(self) -> None:
        end = time.monotonic() + 60
        while GRAPH.alive:
            assert time.monotonic() < end, 'nobody has called shutdown'
            self.spin_once(0.1)

    def shutdown(self) -> bool:
        return True
