"""Score a network on labelled triples in one of the modes, while it is being trained.

What is reported in the end is scored by ``training.evaluation``, as the robot would run it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.inference.torch_engine import best_precision
from vif_perception.labels import MFNET
from vif_perception.metrics.segmentation import SegmentationScore
from vif_perception.models.inputs import MODES, stride_of
from vif_perception.training.data import Batch, Triple
from vif_perception.training.objective import Shown
from vif_perception.types import LabelSet


def score(
    network: nn.Module, triples: Sequence[Triple], mode: str, *, labels: LabelSet = MFNET
) -> dict[str, Any]:
    """Run ``network`` (eval mode) over ``triples`` and return SegmentationScore.compute().

    Args:
        mode: key of :data:`MODES`; the absent camera is black. labels: of the masks.
    """
    result = SegmentationScore(labels)
    for triple, logits in answers(network, triples, mode):
        chance, mask = logits.softmax(0).max(0)
        confidence = (chance * 255).round().to(torch.uint8)
        result.update(mask.to(torch.uint8).cpu().numpy(), triple.mask, confidence.cpu().numpy())
    return result.compute()


def answers(
    network: nn.Module, triples: Sequence[Triple], mode: str
) -> Iterator[tuple[Triple, Tensor]]:
    """Yield each triple with the C x H x W float32 logits of ``network`` (eval mode).

    Args:
        mode: key of :data:`MODES`; the absent camera is black.
    """
    device = next(network.parameters()).device
    present = torch.tensor([MODES[mode]], device=device)
    for triple in triples:
        batch = Batch.stack([(triple.rgb, triple.thermal, triple.mask)])
        shown = Shown.of(
            batch.rgb.to(device), batch.thermal.to(device), batch.mask, present,
            present.new_zeros(1, 0),
        )
        yield triple, full_logits(network, shown)[0]


@torch.no_grad()
def full_logits(network: nn.Module, shown: Shown) -> Tensor:
    """Return N x C x H x W float32 logits of images of any size; ``network`` in eval mode."""
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
    return full[..., :height, :width]
