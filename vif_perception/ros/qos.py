"""Quality of service: what we ask for and offer, and why a publisher and we cannot meet."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSCompatibility,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

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


def no_match(node: Node, topic: str, requested: QoSProfile) -> list[str]:
    """Return a sentence for every publisher of a topic that a subscription cannot hear."""
    found = []
    for info in node.get_publishers_info_by_topic(topic):
        verdict, _ = qos_check_compatible(info.qos_profile, requested)
        if verdict == QoSCompatibility.ERROR:
            name = f'{info.node_namespace.rstrip("/")}/{info.node_name}'
            found.append(
                f'{topic}: publisher {name} offers {describe(info.qos_profile)},'
                f' requested is {describe(requested)}'
            )
    return found
