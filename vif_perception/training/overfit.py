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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vif_perception.errors import ends_with_one_line
from vif_perception.inference.weights import save_network
from vif_perception.labels import MFNET
from vif_perception.models.blocks import channels_last
from vif_perception.models.egmt import EGMT
from vif_perception.models.mafs import MAFS
from vif_perception.models.registry import build
from vif_perception.schema import override
from vif_perception.training.data import Batch, Triple, read_split, shuffled
from vif_perception.training.entities.annotations import read_annotations
from vif_perception.training.entities.embeddings import hashed_embeddings, read_embeddings
from vif_perception.training.entities.vocabulary import read_vocabulary
from vif_perception.training.learner import Learner, make_optimizer
from vif_perception.training.losses import class_weights, entities_in
from vif_perception.training.objective import Shown
from vif_perception.training.objectives import objective_for
from vif_perception.training.recipe import OptimizerRecipe
from vif_perception.training.score import score

COUNT = 8
NOTE = f'overfitted on {COUNT} training triples, for demonstration'
#: Share of the pixels from which a class counts as shown; distance of the windows tried, px.
SHOWN, GRID = 1e-3, 16


@dataclass(frozen=True)
class Entities:
    """Entities a network is to know: K names, N x K flags of the triples, K x 512 embeddings."""

    names: tuple[str, ...]
    flags: Tensor
    text: Tensor
    source: str


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
        InputError: unknown network, preset or option, unreadable data or entities.
    """
    torch.manual_seed(arguments.seed)
    triples = [
        cut(item, arguments.size)
        for item in richest(read_split(arguments.data, 'train'), COUNT, arguments.seed)
    ]
    print('triples: ' + ' '.join(item.name for item in triples), flush=True)
    entities = read_entities(arguments.entities, triples)
    network = channels_last(build(
        arguments.network, arguments.preset, classes=len(MFNET), entities=len(entities.names),
        options=_pairs(arguments.option),
    ))
    if isinstance(network, EGMT):
        network.tokens.use_embeddings(entities.text)
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


def shown_all(triples: list[Triple], entities: Entities) -> Shown:
    """All triples in one batch, both cameras present."""
    batch = Batch.stack([(item.rgb, item.thermal, item.mask) for item in triples])
    present = torch.ones(len(triples), 2)
    return Shown.of(batch.rgb, batch.thermal, batch.mask, present, entities.flags)


def read_entities(path: Path | None, triples: list[Triple]) -> Entities:
    """Entities of the triples from an annotations file, or from their masks.

    Raises:
        InputError: see ``entities.annotations`` and ``entities.vocabulary``.
    """
    if path is None:
        masks = torch.from_numpy(np.stack([item.mask for item in triples]))
        names = MFNET.names[1:]
        table = torch.from_numpy(hashed_embeddings(names))
        return Entities(names, entities_in(masks, len(MFNET)), table, 'mask-entities')
    annotations = read_annotations(path)
    vocabulary = read_vocabulary(path.parent / 'vocab.json')
    flags = vocabulary.labels(annotations, [item.name for item in triples])
    text = read_embeddings(path.parent / 'text_emb.npy', vocabulary)
    source = f'{annotations.control} {annotations.source}'.strip()
    return Entities(vocabulary.names, torch.from_numpy(flags), torch.from_numpy(text), source)


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
    network: nn.Module, entities: Entities, triples: list[Triple],
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
