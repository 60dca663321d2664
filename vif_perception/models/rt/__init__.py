"""The robot's own real-time network."""

from vif_perception.models.rt.blocks import FusionHead
from vif_perception.models.rt.network import RT, RTConfig

__all__ = ['RT', 'FusionHead', 'RTConfig']
