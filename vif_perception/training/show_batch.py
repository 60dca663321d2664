"""A picture of what a network will see: ``vif-perception train RECIPE --show-batch OUT.png``.

Above, each augmentation step alone, at full effect, on one sample; below, samples as the loader
gives them. Every tile is RGB, thermal, and the mask and boxes over both cameras blended, where a
misregistration shows as double edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vif_perception.errors import InputError
from vif_perception.schema import Group
from vif_perception.training.augmentation import Augmentation, AugmentationConfig
from vif_perception.training.datasets import (
    IGNORED,
    PairDataset,
    Sample,
)
from vif_perception.training.order import Order
from vif_perception.types import LabelSet

#: Height of a title, px; tiles that stand side by side.
_TITLE, _COLUMNS = 16, 3
_NOT_LABELLED = (90, 90, 90)


def draw_batch(
    dataset: PairDataset, config: AugmentationConfig, *, seed: int = 0, count: int = 6
) -> Image.Image:
    """Return the picture: one sample step by step, then ``count`` samples of step 0.

    The one sample is that of the batch which shows most classes.

    Args:
        seed: of the run; the lower part is exactly what the loader gives at this seed.

    Raises:
        InputError: a sample cannot be read, or torchvision is missing.
    """
    places = Order([len(dataset)], [1.0], batch=count, seed=seed).step(0)
    samples = [dataset[place.item] for place in places]
    augmentation = Augmentation(config)
    richest = max(samples, key=lambda item: 0 if item.mask is None else len(np.unique(item.mask)))
    tiles = _steps(richest, config, seed, dataset.labels)
    for place, sample in zip(places, samples, strict=True):
        packed = augmentation(sample, place.seed)
        tiles.append(_tile(f'step 0: {sample.id} {sample.day_night}', packed, dataset.labels))
    return _sheet(tiles)


def _steps(
    sample: Sample, config: AugmentationConfig, seed: int, labels: LabelSet | None
) -> list[Image.Image]:
    """One tile per step: only the crop, then the crop and each other step at full effect."""
    crop = {'crop': config.crop}
    titles = {'crop' if config.crop else 'as stored': AugmentationConfig.only(**crop)}
    for name, step in config.steps().items():
        if name != 'crop':
            titles[_described(name, step)] = AugmentationConfig.only(
                **{**crop, name: _certain(step)}
            )
    return [
        _tile(f'{title}: {sample.id}' if number == 0 else title,
              Augmentation(steps)(sample, seed), labels)
        for number, (title, steps) in enumerate(titles.items())
    ]


def _certain(step: Group) -> Group:
    """The step with a chance of 1, so that it shows."""
    return step.model_copy(update={'chance': 1.0}) if hasattr(step, 'chance') else step


def _described(name: str, step: Group) -> str:
    values = ', '.join(
        f'{key} {"..".join(f"{part:g}" for part in value)}' if isinstance(value, tuple)
        else f'{key} {value:g}'
        for key, value in step.model_dump().items()
    )
    return f'{name} ({values})'


def _tile(title: str, packed: dict[str, Tensor], labels: LabelSet | None) -> Image.Image:
    rgb = packed['rgb'].permute(1, 2, 0).numpy()
    heat = np.repeat((packed['thermal'][0].numpy() * 255).astype(np.uint8)[..., None], 3, 2)
    colors = np.full((256, 3), _NOT_LABELLED, np.uint8)
    if labels is not None:
        colors[: len(labels)] = labels.colors
    mask = packed['mask'].numpy()
    blended = rgb // 2 + heat // 2
    painted = np.where((mask > 0)[..., None], blended // 2 + colors[mask] // 2, blended)
    if (mask == IGNORED).all():
        painted = blended
    row = Image.fromarray(np.hstack([rgb, heat, painted]))
    draw = ImageDraw.Draw(row)
    left = 2 * mask.shape[1]
    for x1, y1, x2, y2, _ in packed['boxes'].tolist():
        draw.rectangle((left + x1, y1, left + x2, y2), outline=(255, 255, 0))
    dropped = [
        camera for camera, there in zip(('rgb', 'thermal'), packed['present'], strict=True)
        if not there
    ]
    text = title + ''.join(f', {camera} absent' for camera in dropped)
    font = ImageFont.load_default()
    width = max(row.width, 6 + math.ceil(font.getlength(text)))
    tile = Image.new('RGB', (width, row.height + _TITLE), 'white')
    tile.paste(row, (0, _TITLE))
    ImageDraw.Draw(tile).text((3, 2), text, 'black', font)
    return tile


def _sheet(tiles: Sequence[Image.Image]) -> Image.Image:
    width = max(tile.width for tile in tiles) + 8
    height = max(tile.height for tile in tiles) + 8
    rows = -(-len(tiles) // _COLUMNS)
    sheet = Image.new('RGB', (width * _COLUMNS, height * rows), 'white')
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % _COLUMNS * width, number // _COLUMNS * height))
    return sheet


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture.

    Raises:
        InputError: unknown suffix, or the file cannot be written.
    """
    try:
        picture.save(path)
    except (OSError, ValueError) as error:
        raise InputError(f'cannot be written ({error})', where=str(path),
                         accepted='a .png or .jpg in a folder that is there') from None
