"""Steps that move pixels; torchvision moves images, masks and boxes alike."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from vif_perception.training.augmentation.config import CropStep, FlipStep, MisregistrationStep
from vif_perception.training.augmentation.scene import Scene
from vif_perception.training.datasets import IGNORED

#: Boxes of which less than this is left after a crop are no longer objects, px.
_LEAST_PX = 3


def crop(scene: Scene, step: CropStep, rng: np.random.Generator) -> None:
    """Cut a window out; what lies outside the image is black and not labelled."""
    zoom = math.exp(rng.uniform(*np.log(step.scale)))
    angle = rng.uniform(-step.degrees, step.degrees) if rng.random() < step.turn else 0.0
    out = (step.width, step.height)
    # A larger window, so that rotating it leaves no empty corners.
    turned = _bounds(out, angle)
    part = round(turned[0] / zoom), round(turned[1] / zoom)
    left, top = _corner(scene, part, step.aim, rng)
    _wrap(scene)
    width, height = scene.size
    margins = [max(0, -left), max(0, -top),
               max(0, left + part[0] - width), max(0, top + part[1] - height)]
    for name, fill in (('rgb', 0), ('thermal', 0), ('mask', IGNORED), ('boxes', 0)):
        image = getattr(scene, name)
        if any(margins):
            image = F.pad(image, margins, fill=fill)
        image = F.resized_crop(
            image, top + margins[1], left + margins[0], part[1], part[0],
            [turned[1], turned[0]], antialias=zoom < 1,
        )
        if angle:
            mode = InterpolationMode.NEAREST if name == 'mask' else InterpolationMode.BILINEAR
            image = F.rotate(image, angle, mode, fill=fill)
        setattr(scene, name, F.center_crop(image, [out[1], out[0]]))
    _keep_visible(scene)


def flip(scene: Scene, step: FlipStep, rng: np.random.Generator) -> None:
    """Swap left and right."""
    if rng.random() < step.chance:
        _wrap(scene)
        for name in ('rgb', 'thermal', 'mask', 'boxes'):
            setattr(scene, name, F.horizontal_flip(getattr(scene, name)))


def misregister(scene: Scene, step: MisregistrationStep, rng: np.random.Generator) -> None:
    """Shift and rotate thermal; where nothing is known it is black, as on the robot."""
    shift = rng.uniform(-step.shift_px, step.shift_px, 2)
    angle = rng.uniform(-step.degrees, step.degrees)
    scene.thermal = F.affine(
        tv_tensors.Image(scene.thermal), angle, [float(shift[0]), float(shift[1])], 1.0,
        [0.0, 0.0], InterpolationMode.BILINEAR, fill=0,
    )


def _bounds(size: tuple[int, int], degrees: float) -> tuple[int, int]:
    """Size of an upright window that holds a turned one."""
    cos, sin = math.cos(math.radians(degrees)), abs(math.sin(math.radians(degrees)))
    return (math.ceil(size[0] * cos + size[1] * sin), math.ceil(size[1] * cos + size[0] * sin))


def _corner(
    scene: Scene, part: tuple[int, int], aim: float, rng: np.random.Generator
) -> tuple[int, int]:
    """Left upper corner of a window: around an object, else anywhere; in the image if it fits."""
    room = [have - need for have, need in zip(scene.size, part, strict=True)]
    low, high = [min(0, r) for r in room], [max(0, r) for r in room]
    corner = [int(rng.integers(a, b + 1)) for a, b in zip(low, high, strict=True)]
    target = _object(scene, rng) if rng.random() < aim else None
    if target is not None:
        inside = rng.uniform(0.25, 0.75, 2)
        corner = [
            int(np.clip(target[i] - inside[i] * part[i], low[i], high[i])) for i in range(2)
        ]
    return corner[0], corner[1]


def _object(scene: Scene, rng: np.random.Generator) -> tuple[float, float] | None:
    """A pixel of a random class of the mask, else the middle of a random box; (x, y) px."""
    sparse = scene.mask[::8, ::8].numpy()
    present = [c for c in np.unique(sparse) if 0 < c < IGNORED]
    if present:
        rows, columns = np.nonzero(sparse == rng.choice(present))
        chosen = rng.integers(len(rows))
        return float(columns[chosen] * 8), float(rows[chosen] * 8)
    if len(scene.boxes):
        x1, y1, x2, y2 = scene.boxes[int(rng.integers(len(scene.boxes)))].tolist()
        return (x1 + x2) / 2, (y1 + y2) / 2
    return None


def _wrap(scene: Scene) -> None:
    """Tell torchvision what each tensor is."""
    width, height = scene.size
    scene.rgb, scene.thermal = tv_tensors.Image(scene.rgb), tv_tensors.Image(scene.thermal)
    scene.mask = tv_tensors.Mask(scene.mask)
    scene.boxes = tv_tensors.BoundingBoxes(
        scene.boxes, format='XYXY', canvas_size=(height, width)
    )


def _keep_visible(scene: Scene) -> None:
    boxes: Tensor = F.clamp_bounding_boxes(scene.boxes).as_subclass(torch.Tensor)
    seen = (boxes[:, 2:] - boxes[:, :2] >= _LEAST_PX).all(1)
    scene.boxes, scene.classes = boxes[seen], scene.classes[seen]
