"""Which thermal frame belongs to which RGB frame."""

from vif_perception.sync.rate import RateMeter
from vif_perception.sync.synchronizer import DROP_CAUSES, Synchronizer

__all__ = ['DROP_CAUSES', 'RateMeter', 'Synchronizer']
