"""Scores of fused images and masks, for replay, evaluation, training and a robot's report.

``fusion`` needs torch and is imported by name: ``from vif_perception.metrics.fusion import ...``.
"""

from vif_perception.metrics.segmentation import SegmentationScore
from vif_perception.metrics.temporal import Flicker

__all__ = ['Flicker', 'SegmentationScore']
