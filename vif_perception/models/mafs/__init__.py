"""MAFS: masked autoencoding, attention-gated streams, coupled fusion and segmentation decoders."""

from vif_perception.models.mafs.network import MAFS, MAFSConfig

__all__ = ['MAFS', 'MAFSConfig']
