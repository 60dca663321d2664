"""Score a network on labelled triples in one of the modes, while it is being trained.

What is reported in the end is scored by ``training.evaluation``, as the robot would run it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from vif_perception.inference.torch_engine import best_precision
from vif_perception.labels import MFNET
from vif_perception.metrics.segmentation import SegmentationScore
from vif_perception.models.deploy import LUMA
from vif_perception.training.data import Batch, Triple
from vif_perception.types import LabelSet

#: Mode -> presence flags (rgb, thermal).
MODES = {'FUSED': (1.0, 1.0), 'RGB_ONLY': (1.0, 0.0), 'THERMAL_ONLY': (0.0, 1.0)}


@torch.no_grad()
def score(
    network: nn.Module, triples: list[Triple], mode: str, *, temperature: float = 1.0,
    labels: LabelSet = MFNET,
) -> dict[str, Any]:
    """Run ``network`` (eval mode) over ``triples`` and return SegmentationScore.compute().

    Args:
        mode: key of :data:`MODES`; the absent camera is black.
        temperature: of the softmax, for the confidence; labels: of the masks.
    """
    result = SegmentationScore(labels)
    device = next(network.parameters()).device
    precision = best_precision(device)
    present = torch.tensor([MODES[mode]], device=device)
    for triple in triples:
        batch = Batch.stack([(triple.rgb, triple.thermal, triple.mask)])
        rgb, thermal = (
            image.to(device) * present[0, index]
            for index, image in enumerate((batch.rgb, batch.thermal))
        )
        y = (rgb * rgb.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            logits = network(
                rgb.contiguous(memory_format=torch.channels_last), y, thermal, present
            ).logits
        full = F.interpolate(logits.float(), size=triple.mask.shape, mode='bilinear')
        chance, mask = (full / temperature).softmax(1)[0].max(0)
        confidence = (chance * 255).round().to(torch.uint8)
        result.update(mask.to(torch.uint8).cpu().numpy(), triple.mask, confidence.cpu().numpy())
    return result.compute()
