"""Small data sets and weights for the tests of the evaluation."""

import csv
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vif_perception.inference.weights import save_network
from vif_perception.labels import MFNET
from vif_perception.models.registry import build

WIDTH, HEIGHT = 96, 64


def write_pairs(root: Path, count: int = 4, *, labels: bool = True, seed: int = 0) -> Path:
    """Write ``count`` frames of split test, the first half by day; classes car and person."""
    root.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        night = index >= count // 2
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[20:50, 30:60] = 2
        mask[40:60, 5 + index:25] = 1
        mask[:4] = 255
        rgb = random.integers(0, 90 if night else 250, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        thermal = np.where(mask == 2, 220, random.integers(20, 90, mask.shape)).astype(np.uint8)
        files = {'vi': rgb, 'ir': thermal, **({'label': mask} if labels else {})}
        for kind, image in files.items():
            Image.fromarray(image).save(root / f'f{index}_{kind}.png')
        rows.append({
            'id': f'f{index}', 'split': 'test', 'day_night': 'night' if night else 'day',
            **{kind: f'f{index}_{kind}.png' for kind in files},
        })
    with (root / 'index.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    if labels:
        (root / 'classes.json').write_text(json.dumps({
            str(index): {'name': name, 'rgb': color}
            for index, (name, color) in enumerate(zip(MFNET.names, MFNET.colors, strict=True))
        }))
    return root


def write_weights(
    path: Path, seed: int = 0, *, network: str = 'rt', preset: str = 'n', classes: int = 9,
    **options: str,
) -> Path:
    """Write fresh weights; another seed, other weights."""
    torch.manual_seed(seed)
    made = build(network, preset, classes=classes, entities=classes - 1, options=options).eval()
    if network.startswith('rt'):
        _spread(made)
    save_network(
        made, path, name=path.stem, network=network, preset=preset,
        classes=MFNET.names[:classes], colors=MFNET.colors[:classes],
        entities=MFNET.names[1:classes], temperature=1.5,
    )
    return path


@torch.no_grad()
def _spread(network: torch.nn.Module) -> None:
    """Make all classes about equally likely, so that fresh weights give masks of many classes."""
    y = torch.rand(1, 1, 64, 64)
    logits = network(y.expand(-1, 3, -1, -1), y, y, torch.ones(1, 2)).logits
    head = network.mask_head
    head.bias -= logits.mean((0, 2, 3))
    scale = 2 / (logits - logits.mean((2, 3), keepdim=True)).std()
    head.weight *= scale
    head.bias *= scale
