"""Which thermal frame belongs to which RGB frame."""

from vif_perception.sync.rate import RateMeter
from vif_perception.sync.synchronizer import Synchronizer

__all__ = ['RateMeter', 'Synchronizer']
