"""Score a network on labelled triples in one of the modes, while it is being trained.

What is reported in the end is scored by ``training.evaluation``, as the robot would run it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.inference.torch_engine import best_precision
from vif_perception.labels import MFNET
from vif_perception.metrics.segmentation import SegmentationScore
from vif_perception.models.inputs import stride_of
from vif_perception.training.data import Batch, Triple
from vif_perception.training.objective import Shown
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
    present = torch.tensor([MODES[mode]], device=device)
    for triple in triples:
        batch = Batch.stack([(triple.rgb, triple.thermal, triple.mask)])
        shown = Shown.of(
            batch.rgb.to(device), batch.thermal.to(device), batch.mask, present,
            present.new_zeros(1, 0),
        )
        chance, mask = probabilities(network, shown, temperature)[0].max(0)
        confidence = (chance * 255).round().to(torch.uint8)
        result.update(mask.to(torch.uint8).cpu().numpy(), triple.mask, confidence.cpu().numpy())
    return result.compute()


@torch.no_grad()
def probabilities(network: nn.Module, shown: Shown, temperature: float = 1.0) -> Tensor:
    """Return N x C x H x W float32 probabilities of images of any size.

    Args:
        network: in eval mode; temperature: of the softmax.
    """
    stride = stride_of(network)
    height, width = shown.y.shape[-2:]
    pad = (0, -width % stride, 0, -height % stride)
    rgb, y, thermal = (
        F.pad(image, pad, mode='replicate') for image in (shown.rgb, shown.y, shown.thermal)
    )
    precision = best_precision(rgb.device)
    with torch.autocast(rgb.device.type, precision, enabled=precision != torch.float32):
        logits = network(
            rgb.contiguous(memory_format=torch.channels_last), y, thermal, shown.present
        ).logits
    full = F.interpolate(logits.float(), size=rgb.shape[-2:], mode='bilinear')
    return (full[..., :height, :width] / temperature).softmax(1)
