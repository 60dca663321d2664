"""Does a network learn at all? ``python -m vif_perception.training.overfit``.

Trains any network on one window each of a handful of training triples, at full resolution, without
augmentation, with the objective of its family, and scores it on the same windows. A network that
cannot learn eight pictures by heart has a defect; one that can has proven nothing about any other
picture, and its card says so.
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from vif_perception.errors import InputError, ends_with_one_line
from vif_perception.inference.weights import save_network
from vif_perception.labels import MFNET
from vif_perception.models.blocks import channels_last
from vif_perception.models.inputs import stride_of
from vif_perception.models.mafs import MAFS
from vif_perception.models.registry import build
from vif_perception.schema import override
from vif_perception.training.data import Batch, Triple, read_split, shuffled
from vif_perception.training.entity_labels import EntityLabels
from vif_perception.training.learner import Learner, make_optimizer
from vif_perception.training.losses import class_weights
from vif_perception.training.objective import Shown
from vif_perception.training.objectives import objective_for
from vif_perception.training.recipe import OptimizerRecipe
from vif_perception.training.score import score

COUNT = 8
NOTE = f'overfitted on {COUNT} training triples, for demonstration'
#: Share of the pixels from which a class counts as shown; distance of the windows tried, px.
SHOWN, GRID = 1e-3, 16


def main() -> None:
    """Parse the arguments, train, write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='folder with index.csv')
    parser.add_argument('--network', required=True)
    parser.add_argument('--preset', required=True)
    parser.add_argument('--option', action='append', default=[], metavar='KEY=VALUE')
    parser.add_argument(
        '--weight', action='append', default=[], metavar='TERM=VALUE',
        help='of a loss term, such as mask=5, where not the family\'s own',
    )
    parser.add_argument('--out', type=Path, required=True, help='.safetensors file to write')
    parser.add_argument('--steps', type=int, default=250)
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--lr', type=float, default=3e-3)
    parser.add_argument('--size', type=int, nargs=2, default=(192, 160), metavar=('W', 'H'))
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--precision', choices=('fp32', 'bf16'), default='fp32',
        help='of the arithmetic; bf16 is faster on processors that have it, and slower on others',
    )
    parser.add_argument(
        '--entities', type=Path, help='annotations for egmt, vocab.json and text_emb.npy beside '
        'them; default: the classes of the masks, embedded by name',
    )
    arguments = parser.parse_args()
    with ends_with_one_line():
        overfit(arguments)


def overfit(arguments: argparse.Namespace) -> dict[str, float]:
    """Train and save; return what was measured.

    Raises:
        InputError: unknown network, preset or option, numbers that nothing can be trained with,
            unreadable data or entities.
    """
    torch.manual_seed(arguments.seed)
    _check(arguments)
    triples = [
        cut(item, arguments.size)
        for item in richest(read_split(arguments.data, 'train'), COUNT, arguments.seed)
    ]
    print('triples: ' + ' '.join(item.name for item in triples), flush=True)
    entities = EntityLabels(MFNET, [item.name for item in triples], arguments.entities)
    network = channels_last(build(
        arguments.network, arguments.preset, classes=len(MFNET), entities=len(entities.names),
        options=_pairs(arguments.option),
    ))
    entities.teach(network)
    figures = {'miou_before': _miou(network, triples)}
    started, busy = time.monotonic(), time.process_time()
    figures |= learn(network, shown_all(triples, entities), arguments)
    figures |= {
        'miou_after': _miou(network, triples), 'wall_s': time.monotonic() - started,
        'cpu_s': time.process_time() - busy,
        'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    for name, value in figures.items():
        print(f'{name} {value:.4g}')
    _save(network, entities, triples, arguments, figures)
    return figures


def learn(network: nn.Module, shown: Shown, arguments: argparse.Namespace) -> dict[str, float]:
    """Take all steps; return the family's own fusion loss at the start and at the end."""
    pixels = torch.bincount(shown.mask[shown.mask < 255], minlength=len(MFNET))
    objective = objective_for(
        network, class_weights=class_weights(pixels), weights=_pairs(arguments.weight)
    )
    count, steps = len(shown.rgb), arguments.steps
    epoch = max(1, count // arguments.batch)
    learner = Learner(objective, 'fairness' if isinstance(network, MAFS) else 'fixed', epoch)
    recipe = OptimizerRecipe(lr=arguments.lr, warmup_steps=min(20, steps), weight_decay=0.0)
    optimizer = make_optimizer(learner, recipe)
    order, fusion = shuffled(count, arguments.seed), []
    started = time.monotonic()
    for step in range(steps):
        for group in optimizer.param_groups:
            group['lr'] = recipe.rate(step, steps)
        chosen = [next(order) for _ in range(arguments.batch)]
        some = Shown(*(value[chosen] for value in shown))
        learner.train()
        with torch.autocast('cpu', torch.bfloat16, enabled=arguments.precision == 'bf16'):
            total, terms = learner(some, step / steps)
        if not torch.isfinite(total):
            raise RuntimeError(f'loss at step {step}: {terms}')
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), recipe.clip)
        optimizer.step()
        if terms['fusion'] > 0:  # a cascade's fusion is not weighed while its segmenter learns
            fusion.append(terms['fusion'].item())
        if step % 20 == 0 or step + 1 == steps:
            said = ' '.join(f'{name} {value:.3f}' for name, value in terms.items())
            print(f'step {step} {said} {time.monotonic() - started:.0f} s', flush=True)
    return {
        'fusion_first_epoch': float(np.mean(fusion[:epoch])),
        'fusion_last_epoch': float(np.mean(fusion[-epoch:])),
    }


def richest(triples: list[Triple], count: int, seed: int) -> list[Triple]:
    """Half day and half night triples with the most classes; ties are drawn."""
    order = np.random.default_rng(seed).permutation(len(triples))
    chosen = []
    for night, share in ((False, count - count // 2), (True, count // 2)):
        some = [triples[i] for i in order if triples[i].night == night]
        chosen += sorted(some, key=lambda item: -_shown(item.mask)[0])[:share]
    return chosen


def cut(triple: Triple, size: tuple[int, int]) -> Triple:
    """The window of (width, height) px that shows most classes, then most labelled pixels."""
    width, height = size
    rows, columns = triple.mask.shape
    windows = [
        (slice(top, top + height), slice(left, left + width))
        for top in range(0, max(1, rows - height + 1), GRID)
        for left in range(0, max(1, columns - width + 1), GRID)
    ]
    best = max(windows, key=lambda window: _shown(triple.mask[window]))
    return replace(
        triple, rgb=triple.rgb[best], thermal=triple.thermal[best], mask=triple.mask[best]
    )


def shown_all(triples: list[Triple], entities: EntityLabels) -> Shown:
    """All triples in one batch, both cameras present."""
    images = Batch.stack([(item.rgb, item.thermal, item.mask) for item in triples])
    batch = replace(images, names=tuple(item.name for item in triples))
    return Shown.of(batch.rgb, batch.thermal, batch.mask, batch.present, entities.of(batch))


def _check(arguments: argparse.Namespace) -> None:
    """Refuse before the data are read what would fail after it."""
    for name in ('steps', 'batch'):
        if getattr(arguments, name) < 1:
            raise InputError(f'is {getattr(arguments, name)}', where=f'--{name}', accepted='1..')
    if not 0 < arguments.lr < 1:
        raise InputError(f'is {arguments.lr}', where='--lr', accepted='above 0, below 1')
    with torch.device('meta'):
        network = build(
            arguments.network, arguments.preset, options=_pairs(arguments.option)
        )
    stride = stride_of(network)
    if any(side < 1 or side % stride for side in arguments.size):
        raise InputError(
            f'is {arguments.size[0]} {arguments.size[1]}', where='--size',
            accepted=f'multiples of {stride}',
        )
    if not arguments.out.parent.is_dir() or arguments.out.suffix != '.safetensors':
        raise InputError(
            f'is {str(arguments.out)!r}', where='--out',
            accepted='NAME.safetensors in a folder that is there',
        )


def _pairs(items: list[str]) -> dict[str, Any]:
    """Settings given as key=value, the value in YAML."""
    return {key: value for item in items for key, value in override(item).items()}


def _shown(mask: np.ndarray) -> tuple[int, int]:
    """How many classes a mask shows, and how many pixels have one."""
    pixels = np.bincount(mask.ravel(), minlength=256)[1:255]
    return int((pixels >= SHOWN * mask.size).sum()), int(pixels.sum())


def _miou(network: nn.Module, triples: list[Triple]) -> float:
    """Mean IoU over the classes present, background included."""
    return score(network.eval(), triples, 'FUSED')['miou_present']


def _save(
    network: nn.Module, entities: EntityLabels, triples: list[Triple],
    arguments: argparse.Namespace, figures: dict[str, float],
) -> None:
    kept = ('steps', 'batch', 'size', 'lr', 'weight', 'seed', 'precision')
    card = save_network(
        network, arguments.out, name=arguments.out.stem, network=arguments.network,
        preset=arguments.preset, classes=MFNET.names, colors=MFNET.colors, entities=entities.names,
        protocol=f'{NOTE}; scored on the same windows, which says nothing about other pictures',
        training={
            'note': NOTE, 'triples': [item.name for item in triples], 'entities': entities.source,
            **{key: getattr(arguments, key) for key in kept},
        },
        metrics={name: round(value, 4) for name, value in figures.items()},
    )
    print(f'{arguments.out}: {NOTE}; sha256 {card.sha256}')


if __name__ == '__main__':
    main()
