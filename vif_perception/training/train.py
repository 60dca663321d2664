"""Train ``rt`` or one of its comparison networks: ``python -m vif_perception.training.train``.

A plain first recipe: supervised, one process, checkpoints that can be resumed. Everything the
result depends on is an argument and is written beside the weights.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vif_perception.labels import MFNET
from vif_perception.models.blocks import channels_last
from vif_perception.models.deploy import LUMA
from vif_perception.models.registry import build
from vif_perception.training.augmentation import Augmentation, AugmentationConfig
from vif_perception.training.augmentation.config import CropStep
from vif_perception.training.data import Batch, Triple, pixels_of, read_split
from vif_perception.training.datasets import PairDataset, open_dataset
from vif_perception.training.loading import Loader, LoaderConfig
from vif_perception.training.losses import class_weights, entities_in, fusion_loss, mask_loss
from vif_perception.training.score import MODES, score


@dataclass
class State:
    """Everything that changes during a run."""

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    best: float = -1.0


def main() -> None:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='folder with index.csv')
    parser.add_argument('--out', type=Path, required=True, help='run folder')
    parser.add_argument('--network', default='rt')
    parser.add_argument('--preset', default='s')
    parser.add_argument('--steps', type=int, default=4000)
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--crop', type=int, nargs=2, default=(320, 320), metavar=('W', 'H'))
    parser.add_argument('--lr', type=float, default=1.5e-3)
    parser.add_argument(
        '--class-weight-power', type=float, default=0.5, help='0 plain, 1 full class weights'
    )
    parser.add_argument('--sim', type=float, default=0.15, help='share of synthetic samples')
    parser.add_argument('--sim-pool', type=int, default=64, help='synthetic scenes to draw from')
    parser.add_argument('--workers', type=int, default=0, help='processes that make batches')
    parser.add_argument('--cache', type=Path, help='folder for decoded images')
    parser.add_argument('--start', type=Path, help='state_dict to start from, such as a best.pt')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--check-every', type=int, default=400)
    arguments = parser.parse_args()
    train(arguments)


def train(arguments: argparse.Namespace) -> None:
    """Run to the last step, resuming from ``out/last.pt`` when it is there."""
    torch.manual_seed(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    settings = {key: str(value) for key, value in vars(arguments).items()}
    (arguments.out / 'settings.json').write_text(json.dumps(settings, indent=1))
    checks = read_split(arguments.data, 'val')
    dataset = open_dataset({'name': 'folder', 'root': arguments.data, 'labels': 'mfnet'})
    state = _fresh_state(arguments)
    _resume(state, arguments.out / 'last.pt')
    weights = class_weights(pixels_of(dataset), arguments.class_weight_power)
    batches = _batches(dataset, arguments, start=state.step)
    started = time.monotonic()
    while state.step < arguments.steps:
        losses = _train_step(state, next(batches), weights, arguments)
        if state.step % 50 == 0:
            print(
                f'step {state.step} mask {losses[0]:.3f} entities {losses[1]:.3f} '
                f'fusion {losses[2]:.3f} {time.monotonic() - started:.0f} s', flush=True,
            )
        if state.step % arguments.check_every == 0 or state.step == arguments.steps:
            _check(state, checks, arguments)


def _fresh_state(arguments: argparse.Namespace) -> State:
    network = channels_last(build(arguments.network, arguments.preset, classes=len(MFNET)))
    if arguments.start:
        network.load_state_dict(torch.load(arguments.start, weights_only=True))
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{'params': decayed, 'weight_decay': 0.03}, {'params': plain, 'weight_decay': 0.0}],
        lr=arguments.lr,
    )
    return State(network, copy.deepcopy(network).eval(), optimizer)


def _batches(
    dataset: PairDataset, arguments: argparse.Namespace, start: int
) -> Iterator[Batch]:
    width, height = arguments.crop
    augmentation = AugmentationConfig(crop=CropStep(width=width, height=height))
    datasets, shares = [dataset], [1.0]
    if arguments.sim:
        datasets.append(open_dataset({'name': 'sim', 'split': f'0-{arguments.sim_pool - 1}'}))
        wanted = arguments.sim / (1 - arguments.sim) * len(dataset)
        shares.append(wanted / arguments.sim_pool)
    loader = Loader(
        datasets, Augmentation(augmentation),
        LoaderConfig(batch=arguments.batch, workers=arguments.workers, cache=arguments.cache),
        shares=shares, seed=arguments.seed,
    )
    return loader.batches(start, arguments.steps)


def _train_step(
    state: State, batch: Batch, weights: torch.Tensor, arguments: argparse.Namespace
) -> tuple[float, float, float]:
    state.network.train()
    _set_rate(state, arguments)
    thermal, present = batch.thermal, batch.present
    rgb = batch.rgb.contiguous(memory_format=torch.channels_last)
    y = (rgb * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    with torch.autocast('cpu', torch.bfloat16):
        prediction = state.network(rgb, y, thermal, present)
    seen = nn.functional.binary_cross_entropy_with_logits(
        prediction.entity_logits.float(), entities_in(batch.mask, len(MFNET))
    )
    mask = mask_loss(prediction.logits, batch.mask, weights)
    fused = fusion_loss(prediction.fused_y.float(), y, thermal, present.prod(1))
    loss = mask + 0.2 * seen + fused
    if not torch.isfinite(loss):
        raise RuntimeError(f'loss at step {state.step}: mask {mask}, fusion {fused}')
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(state.network.parameters(), 2.0)
    state.optimizer.step()
    state.step += 1
    _follow(state)
    return mask.item(), seen.item(), fused.item()


def _set_rate(state: State, arguments: argparse.Namespace) -> None:
    warm, done = min(1.0, (state.step + 1) / 200), state.step / arguments.steps
    rate = arguments.lr * warm * (0.5 + 0.5 * float(np.cos(np.pi * done)))
    for group in state.optimizer.param_groups:
        group['lr'] = max(rate, 1e-6)


@torch.no_grad()
def _follow(state: State) -> None:
    """Exponential moving average of the weights; short memory at the start."""
    keep = min(0.998, (1 + state.step) / (10 + state.step))
    for mean, value in zip(
        state.average.state_dict().values(), state.network.state_dict().values(), strict=True
    ):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - keep)
        else:
            mean.copy_(value)


def _check(state: State, checks: list[Triple], arguments: argparse.Namespace) -> None:
    inputs = state.average.config.inputs  # type: ignore[union-attr]
    modes = list(MODES) if inputs == 'both' else ['FUSED']
    found = {mode: score(state.average, checks, mode)['miou_present'] for mode in modes}
    mean = float(np.mean(list(found.values())))
    print(f'check {state.step} ' + ' '.join(f'{k} {v:.4f}' for k, v in found.items()), flush=True)
    saved = {
        'network': state.network.state_dict(), 'average': state.average.state_dict(),
        'optimizer': state.optimizer.state_dict(), 'step': state.step,
        'best': max(mean, state.best),
    }
    torch.save(saved, arguments.out / 'last.tmp')
    (arguments.out / 'last.tmp').replace(arguments.out / 'last.pt')
    if mean > state.best:
        state.best = mean
        torch.save(state.average.state_dict(), arguments.out / 'best.tmp')
        (arguments.out / 'best.tmp').replace(arguments.out / 'best.pt')


def _resume(state: State, path: Path) -> None:
    if not path.is_file():
        return
    saved = torch.load(path, weights_only=True)
    state.network.load_state_dict(saved['network'])
    state.average.load_state_dict(saved['average'])
    state.optimizer.load_state_dict(saved['optimizer'])
    state.step, state.best = saved['step'], saved['best']
    print(f'resumed at step {state.step}', flush=True)


if __name__ == '__main__':
    main()
