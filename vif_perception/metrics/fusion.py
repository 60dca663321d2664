"""All fusion metrics of one pair of sources, shared work done once.

Conventions are those of the CDDFuse evaluation code, the most used one of the field: MI in nats
and VIF are sums over both sources, CC is the mean over both. Other codes average VIF (about 0.4
instead of 1.0) or give MI in bits. We depart from it twice: PSNR has a peak of 255, not the
image's own maximum; in Qabf edges of equal strength have the paper's ratio of 1, which makes
fewer than 0.0005 of difference. Files of other methods are to be read as 8-bit grey, unstretched.

Convention of shapes: images are NxHxW grey levels 0..255 of any dtype, on any device; ``sources``
is 2xNxHxW float64, thermal first; every score is a float64 vector of N on the images' device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vif_perception.errors import InputError
from vif_perception.metrics.edges import EdgeScores
from vif_perception.metrics.fidelity import StructuralSimilarity, VisualInformation
from vif_perception.metrics.statistics import SourceStatistics, gradient_scores

#: The columns of every fusion table; higher is better but for Nabf.
FUSION_METRICS = (
    'EN', 'SD', 'SF', 'AG', 'MI', 'SCD', 'VIF', 'Qabf', 'SSIM', 'SSIM_sum', 'CC', 'PSNR', 'Nabf',
)

#: The four VIF scales with their valid windows need this many rows and columns.
SMALLEST_SIDE = 41


class FusionScorer:
    """Scores any number of fused images of the same sources.

    What depends on the sources alone, near half of the work, is done once for all rows of a table
    (a method, VIS, IR, AVG, MAX). A 640x480 row takes about 60 ms of one CPU core, the sources 50:
    on video score a spread sample of frames.

    Args:
        thermal: NxHxW, 0..255.
        visible: NxHxW, 0..255; the Y channel, see `luma`.

    Raises:
        InputError: shapes differ, a side is below 41 px, or a value is outside 0..255 or NaN.
    """

    def __init__(self, thermal: Tensor, visible: Tensor):
        _check('thermal', thermal, thermal)
        _check('visible', visible, thermal)
        sources = torch.stack((thermal.double(), visible.double()))
        self._like = thermal
        self._statistics = SourceStatistics(sources)
        self._information = VisualInformation(sources)
        self._similarity = StructuralSimilarity(sources)
        self._edges = EdgeScores(sources)

    @torch.no_grad()
    def score(self, fused: Tensor) -> dict[str, Tensor]:
        """Return the `FUSION_METRICS` of ``fused`` (NxHxW, 0..255), each a vector of N.

        Flat images have defined scores: correlations (CC, SCD) with a flat image are 0; what a
        flat source cannot lose counts as kept (VIF 1 for that source, Qabf 1 when both are flat);
        PSNR stops at 100 dB.

        Raises:
            InputError: as the class, with the sources' shape and device.
        """
        _check('fused', fused, self._like)
        fused = fused.double()
        scores = gradient_scores(fused)
        scores.update(self._statistics.score(fused))
        scores['VIF'] = self._information.score(fused)
        scores.update(self._similarity.score(fused))
        scores.update(self._edges.score(fused))
        return {name: scores[name] for name in FUSION_METRICS}


def fusion_metrics(fused: Tensor, thermal: Tensor, visible: Tensor) -> dict[str, Tensor]:
    """Return the `FUSION_METRICS` of N fused images: name -> float64 vector of N.

    Args:
        fused: NxHxW, 0..255.
        thermal: NxHxW, 0..255.
        visible: NxHxW, 0..255; the Y channel.

    Raises:
        InputError: as `FusionScorer`.
    """
    return FusionScorer(thermal, visible).score(fused)


def baselines(thermal: Tensor, visible: Tensor) -> dict[str, Tensor]:
    """Return the rows every fusion table starts with: VIS, IR, AVG and MAX of the grey images.

    A method that does not beat these has learned nothing: copying one source already scores a
    VIF above 1. AVG is rounded, as the 8-bit picture of it would be.
    """
    thermal, visible = thermal.double(), visible.double()
    return {
        'VIS': visible,
        'IR': thermal,
        'AVG': ((thermal + visible) / 2).round(),
        'MAX': torch.maximum(thermal, visible),
    }


def luma(rgb: Tensor) -> Tensor:
    """Return the BT.601 Y of ...xHxWx3 rgb8 as float64 ...xHxW, rounded to whole grey levels."""
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64, device=rgb.device)
    return (rgb.double() @ weights).round()


def _check(name: str, image: Tensor, like: Tensor) -> None:
    """Refuse what would give a wrong number instead of an error further down."""
    if image.ndim != 3 or image.shape[0] == 0 or min(image.shape[1:]) < SMALLEST_SIDE:
        raise InputError(
            f'shape {tuple(image.shape)} cannot be scored', where=name,
            accepted=f'NxHxW with N >= 1 and sides of at least {SMALLEST_SIDE} px',
        )
    if image.shape != like.shape or image.device != like.device:
        raise InputError(
            f'shape {tuple(image.shape)} on {image.device}', where=name,
            accepted=f'that of the thermal image, {tuple(like.shape)} on {like.device}',
            remedy='bring all images to the geometry of the reference camera first',
        )
    low, high = (float(value) for value in torch.aminmax(image))
    if not (low >= 0 and high <= 255):
        raise InputError(
            f'values from {low} to {high}', where=name, accepted='finite grey levels 0..255'
        )
