"""Quality of service: what we ask for and offer, and why a publisher and we cannot meet."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble has them under the name that was given up later
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

__all__ = [
    'PublisherEventCallbacks', 'SubscriptionEventCallbacks', 'describe', 'latched', 'output',
    'overridable', 'sensor', 'unheard', 'unserved',
]

# Functions, not constants: rclpy writes the overrides of one topic into the profile it is given.


def sensor() -> QoSProfile:
    """Cameras: best effort, keep last 5."""
    return QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


def output() -> QoSProfile:
    """Results: reliable, keep last 1."""
    return QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


def latched() -> QoSProfile:
    """What late joiners must get, too: reliable, transient local, keep last 1."""
    return QoSProfile(
        depth=1, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def overridable() -> QoSOverridingOptions:
    """Let parameters qos_overrides.<topic>.<publisher|subscription>.<policy> change a profile."""
    return QoSOverridingOptions((
        QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY,
    ))


def describe(profile: QoSProfile) -> str:
    """Return what decides whether two sides meet, such as 'best_effort volatile'."""
    return f'{profile.reliability.name.lower()} {profile.durability.name.lower()}'


def unheard(node: Node, topic: str, requested: QoSProfile, kind: str) -> list[str]:
    """Return a sentence for every publisher of a topic that our subscription cannot hear.

    Args:
        topic: its full name.
        requested: what the subscription asks for.
        kind: its message type, such as sensor_msgs/msg/Image.
    """
    found = []
    for info in node.get_publishers_info_by_topic(topic):
        name = f'{topic}: publisher {_name(info)}'
        if info.topic_type != kind:
            found.append(f'{name} sends {info.topic_type}, requested is {kind}')
        elif _apart(info.qos_profile, requested):
            found.append(
                f'{name} offers {describe(info.qos_profile)}, requested is {describe(requested)}'
            )
    return found


def unserved(node: Node, topic: str, offered: QoSProfile) -> list[str]:
    """Return a sentence for every subscriber of a topic that cannot hear our publisher."""
    return [
        f'{topic}: subscriber {_name(info)} requests {describe(info.qos_profile)}, '
        f'offered is {describe(offered)}'
        for info in node.get_subscriptions_info_by_topic(topic)
        if _apart(offered, info.qos_profile)
    ]


def _apart(offered: QoSProfile, requested: QoSProfile) -> bool:
    # Not rclpy's check: it takes the unset deadline of a profile for a shorter one than that of
    # the same profile as the graph tells it.
    demands = (
        (requested.reliability, ReliabilityPolicy.RELIABLE, offered.reliability),
        (requested.durability, DurabilityPolicy.TRANSIENT_LOCAL, offered.durability),
    )
    return any(asked == strict and given != strict for asked, strict, given in demands)


def _name(info: Any) -> str:
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}'
