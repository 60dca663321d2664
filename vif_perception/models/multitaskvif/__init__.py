"""MultiTaskVIF: any fusion network, its decoder replaced by a head for fusion and mask."""

from vif_perception.models.multitaskvif.host import FusionHost, HostFeatures
from vif_perception.models.multitaskvif.network import HOSTS, MultiTaskVIF, MultiTaskVIFConfig

__all__ = ['HOSTS', 'FusionHost', 'HostFeatures', 'MultiTaskVIF', 'MultiTaskVIFConfig']
