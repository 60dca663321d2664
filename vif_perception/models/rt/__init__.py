"""The robot's own real-time network."""

from vif_perception.models.rt.blocks import FusionHead
from vif_perception.models.rt.network import RT, Again, RTConfig

__all__ = ['RT', 'Again', 'FusionHead', 'RTConfig']
