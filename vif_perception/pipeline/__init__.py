"""From frames to perceptions: modes, geometry, health."""

from vif_perception.pipeline.pipeline import Pipeline

__all__ = ['Pipeline']
