from vif_perception.sync.rate import RateMeter
from vif_perception.sync.synchronizer import Synchronizer

__all__ = ['RateMeter', 'Synchronizer']
