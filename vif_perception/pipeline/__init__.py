"""From frames to perceptions: modes, geometry, health."""

from vif_perception.pipeline.health import DROP_CAUSES
from vif_perception.pipeline.pipeline import Pipeline

__all__ = ['DROP_CAUSES', 'Pipeline']
