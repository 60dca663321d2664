"""Publishers and subscriptions of one process, and the callbacks that are ready."""

from __future__ import annotations

import copy
import enum
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from ros_double.messages import serialised
from ros_double.signatures import check, golden


class ReliabilityPolicy(enum.Enum):
    SYSTEM_DEFAULT, RELIABLE, BEST_EFFORT = 0, 1, 2


class DurabilityPolicy(enum.Enum):
    SYSTEM_DEFAULT, TRANSIENT_LOCAL, VOLATILE = 0, 1, 2


class QoSPolicyKind(enum.Enum):
    DURABILITY, RELIABILITY, HISTORY, DEPTH = 1, 2, 3, 4


@dataclass
class Profile:
    depth: int = 10
    reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE
    durability: DurabilityPolicy = DurabilityPolicy.VOLATILE


def QoSProfile(**kwargs: Any) -> Profile:  # noqa: N802 - the name that is imported
    check('rclpy.qos.QoSProfile', (), kwargs)
    assert 'depth' in kwargs, 'QoSProfile needs depth'
    return Profile(**kwargs)


class QoSOverridingOptions:
    @golden('rclpy.qos_overriding_options.QoSOverridingOptions')
    def __init__(self, policy_kinds: Any, **kwargs: Any) -> None:
        self.policy_kinds = policy_kinds


class SubscriptionEventCallbacks:
    @golden('rclpy.event_handler.SubscriptionEventCallbacks')
    def __init__(self, incompatible_qos: Any = None, **kwargs: Any) -> None:
        self.incompatible_qos = incompatible_qos


class PublisherEventCallbacks:
    @golden('rclpy.event_handler.PublisherEventCallbacks')
    def __init__(self, **kwargs: Any) -> None:
        pass


def meet(offered: Profile, requested: Profile) -> bool:
    reliable = requested.reliability is ReliabilityPolicy.RELIABLE
    latched = requested.durability is DurabilityPolicy.TRANSIENT_LOCAL
    return not (
        (reliable and offered.reliability is ReliabilityPolicy.BEST_EFFORT)
        or (latched and offered.durability is DurabilityPolicy.VOLATILE)
    )


@dataclass(eq=False)
class Endpoint:
    """A publisher or a subscription."""

    node: Any
    kind: type
    topic: str
    qos: Profile
    callback: Callable[[Any], None] | None = None
    events: Any = None
    enabled: bool | None = None  # of lifecycle publishers
    raw: bool = False
    kept: deque[Any] = field(default_factory=deque)

    @property
    def info(self) -> SimpleNamespace:
        package = self.kind.__module__.partition('.')[0]
        return SimpleNamespace(
            node_name=self.node.get_name(), node_namespace=self.node.get_namespace(),
            topic_type=f'{package}/msg/{self.kind.__name__}', qos_profile=replace(self.qos),
        )

    @property
    def topic_name(self) -> str:
        return self.topic

    def publish(self, message: Any) -> None:
        check('rclpy.publisher.Publisher.publish', (message,), {})
        assert type(message) is self.kind, f'{self.topic}: {type(message)}'
        assert GRAPH.alive, 'publisher used after shutdown'
        if self.enabled is False:
            return
        if self.qos.durability is DurabilityPolicy.TRANSIENT_LOCAL:
            self.kept.append(copy.deepcopy(message))
            while len(self.kept) > self.qos.depth:
                self.kept.popleft()
        for other in GRAPH.subscriptions[self.topic]:
            GRAPH.deliver(self, other, message)

    def get_subscription_count(self) -> int:
        check('rclpy.publisher.Publisher.get_subscription_count', (), {})
        return sum(meet(self.qos, other.qos) for other in GRAPH.subscriptions[self.topic])


class Graph:
    """Everything that the middleware knows."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.alive = False
        self.publishers: dict[str, list[Endpoint]] = defaultdict(list)
        self.subscriptions: dict[str, list[Endpoint]] = defaultdict(list)
        self.ready: deque[Callable[[], Any]] = deque()
        self.changed = threading.Condition()
        self.nodes: list[Any] = []

    def soon(self, task: Callable[[], Any]) -> None:
        with self.changed:
            self.ready.append(task)
            self.changed.notify()

    def deliver(self, publisher: Endpoint, subscription: Endpoint, message: Any) -> None:
        if meet(publisher.qos, subscription.qos) and publisher.kind is subscription.kind:
            taken = serialised(message) if subscription.raw else copy.deepcopy(message)
            self.soon(lambda: subscription in self.subscriptions[subscription.topic]
                      and subscription.callback(taken))

    def join(self, endpoint: Endpoint, *, publishes: bool) -> Endpoint:
        mine, others = self.publishers, self.subscriptions
        if not publishes:
            mine, others = others, mine
        mine[endpoint.topic].append(endpoint)
        for other in others[endpoint.topic]:
            publisher, subscription = (endpoint, other) if publishes else (other, endpoint)
            for message in publisher.kept:
                self.deliver(publisher, subscription, message)
            told = getattr(subscription.events, 'incompatible_qos', None)
            if told and not meet(publisher.qos, subscription.qos):
                self.soon(lambda told=told: told(SimpleNamespace(last_policy_kind=2)))
        return endpoint

    def spin_once(self, timeout_sec: float | None) -> None:
        end = time.monotonic() + (60.0 if timeout_sec is None else timeout_sec)
        while self.alive:
            timers = [timer for node in self.nodes for timer in node.timers]
            now = time.monotonic()
            for timer in timers:
                if timer.due <= now:
                    timer.due = now + timer.period
                    timer.callback()
                    return
            with self.changed:
                if not self.ready:
                    wait = min([end, *(timer.due for timer in timers)]) - now
                    if wait <= 0:
                        return
                    self.changed.wait(wait)
                    continue
                task = self.ready.popleft()
            task()
            return


GRAPH = Graph()
