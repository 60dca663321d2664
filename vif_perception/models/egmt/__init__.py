"""EGMT: entities seen in the scene guide the fusion of both cameras."""

from vif_perception.models.egmt.network import EGMT, EGMTConfig

__all__ = ['EGMT', 'EGMTConfig']
