"""A sample on its way through the augmentation, and what of it goes into a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vif_perception.errors import InputError
from vif_perception.sensing import ThermalWindow
from vif_perception.training.datasets import IGNORED, Sample
from vif_perception.types import Frame


@dataclass
class Scene:
    """One sample as tensors; the steps replace its fields.

    Attributes:
        rgb: 3 x H x W, black when absent; uint8 while pixels only move, which is much faster,
            float 0..1 from the first step that changes values.
        thermal: 1 x H x W float, 0 black and 1 white of the thermal window, not yet clamped.
        mask: H x W uint8 ids, 255 not labelled.
        boxes: N x 4 float (x1, y1, x2, y2) px; classes: N int64.
        has_rgb, has_thermal: the presence flags.
        dark: rgb is there but shows next to nothing.
    """

    rgb: Tensor
    thermal: Tensor
    mask: Tensor
    boxes: Tensor
    classes: Tensor
    has_rgb: bool = True
    has_thermal: bool = True
    dark: bool = False

    def begin_light(self) -> None:
        """Make rgb float: from here on its values change."""
        if self.rgb.dtype == torch.uint8:
            self.rgb = plain(self.rgb).float().div_(255)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), px."""
        return self.mask.shape[-1], self.mask.shape[-2]

    def packed(self) -> dict[str, Tensor]:
        """Return small tensors for the way between processes.

        rgb 3 x H x W uint8, thermal 1 x H x W float32 0..1, mask H x W uint8, present 2 float32
        (rgb, thermal), boxes N x 5 float32 (x1, y1, x2, y2, class).
        """
        rgb = self.rgb
        if rgb.dtype != torch.uint8:
            rgb = (rgb * 255).round_().clamp_(0, 255).to(torch.uint8)
        return {
            'rgb': plain(rgb * self.has_rgb),
            'thermal': plain((self.thermal * self.has_thermal).clamp_(0, 1)),
            'mask': plain(self.mask),
            'present': torch.tensor([float(self.has_rgb), float(self.has_thermal)]),
            'boxes': torch.cat([plain(self.boxes), self.classes[:, None].float()], 1),
        }


def make_scene(sample: Sample) -> Scene:
    """Return a sample as tensors, thermal values through the window that the robot would use.

    The gain of automatic windows is that of this one image.

    Raises:
        InputError: the thermal values cannot have the profile of their data set.
    """
    height, width = sample.thermal.shape
    encoding = 'mono8' if sample.thermal.dtype == np.uint8 else 'mono16'
    try:
        low, high = ThermalWindow(sample.meaning).update(Frame(0, '', sample.thermal, encoding))
    except InputError as error:
        raise InputError(
            error.what, where=f'sample {sample.id}', accepted=error.accepted,
            remedy='set thermal.profile of its data set to what the values are, or to auto',
        ) from None
    heat = torch.from_numpy(sample.thermal.astype(np.float32)).sub_(low).div_(high - low)
    if sample.rgb is None:
        rgb = torch.zeros(3, height, width, dtype=torch.uint8)
    else:
        rgb = torch.from_numpy(sample.rgb).permute(2, 0, 1)
    mask = np.full((height, width), IGNORED, np.uint8) if sample.mask is None else sample.mask
    boxes = np.zeros((0, 4), np.float32) if sample.boxes is None else sample.boxes.corners
    classes = np.zeros(0, np.int64) if sample.boxes is None else sample.boxes.classes
    return Scene(
        rgb, heat[None], torch.from_numpy(mask), torch.from_numpy(boxes),
        torch.from_numpy(classes), has_rgb=sample.rgb is not None,
    )


def plain(tensor: Tensor) -> Tensor:
    """Return a contiguous tensor without the meaning that torchvision has attached to it."""
    return tensor.as_subclass(Tensor).contiguous()
