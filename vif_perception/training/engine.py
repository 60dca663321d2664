"""The training of every family: one loop, on a CPU, a GPU or several processes.

Everything drawn at random is a function of the seed and the step, and a checkpoint holds all that
moves, so a run that was killed goes on as if nothing had been.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.blocks import channels_last
from vif_perception.models.inputs import stride_of
from vif_perception.training.assemble import freeze, make_network, make_objective
from vif_perception.training.augmentation import Augmentation
from vif_perception.training.checkpoint import read_checkpoint, write_checkpoint
from vif_perception.training.data import Batch
from vif_perception.training.fabric import make_fabric
from vif_perception.training.learner import Average, Learner, make_optimizer
from vif_perception.training.recipe import Recipe, public
from vif_perception.training.run_folder import RunFolder
from vif_perception.training.source import Source
from vif_perception.training.validation import Validation, show

Say = Callable[[str], None]
Advance = Callable[[int, float], None]


def train(
    recipe: Recipe, data: Path, out: Path, *, resume: bool = False, say: Say = print,
    advance: Advance = lambda count, part: None,
) -> None:
    """Run a recipe to its end.

    Args:
        data: folder that relative roots of the recipe's data sets lie in.
        out: the run's folder; resume: go on from its last checkpoint, if there is one.
        say: told one line at a time; advance: told (samples so far, part 0..1). Both by the first
            process only.

    Raises:
        InputError: recipe, data or folder cannot be used, the loss is not finite, the disk is
            full.
    """
    fabric = make_fabric(recipe)
    first = fabric.is_global_zero
    if not first:
        say, advance = _silent, _silent
    torch.manual_seed(recipe.seed)
    source, folder = Source(recipe.data, data, recipe.seed), RunFolder(out)
    run = _Run(recipe, source, fabric, folder)
    _check_window(recipe, stride_of(run.objective.network))
    if first:
        run.validation = Validation(source.val, source.labels, run.objective)
        if not folder.begun:
            source.check()
        folder.open(recipe, source.digests(), resume=resume)
    fabric.barrier()
    run.restore()
    try:
        run.go(say, advance)
    except BaseException as error:
        if first:
            with suppress(InputError):  # the disk may be full; the first error matters
                said = f'{type(error).__name__}: {error}'.splitlines()[0].removesuffix(': ')
                folder.finish(f'stopped: {said}')
        raise


def _check_window(recipe: Recipe, stride: int) -> None:
    """What cannot be augmented, or shown to the network, is said before a folder is made."""
    crop = recipe.data.augmentation.crop
    if crop and (crop.width % stride or crop.height % stride):
        raise InputError(
            f'window of {crop.width}x{crop.height}', where='data.augmentation.crop',
            accepted=f'width and height that are multiples of {stride}, for {recipe.network.name}',
        )
    Augmentation(recipe.data.augmentation)


class _Run:
    """All that a run holds while it goes on."""

    validation: Validation | None = None

    def __init__(self, recipe: Recipe, source: Source, fabric: Any, folder: RunFolder):
        self.recipe, self.source, self.fabric, self.folder = recipe, source, fabric, folder
        network = make_network(recipe.network, source.labels, source.entities)
        network = channels_last(network).to(fabric.device)
        self.objective = make_objective(recipe, network, source)
        freeze(network, recipe.network.frozen)
        self.average = Average(network, recipe.optimizer.average)
        learner = Learner(
            self.objective, recipe.objective.balance, source.steps_per_epoch
        ).to(fabric.device)
        optimizer = make_optimizer(learner, recipe.optimizer)
        if fabric.world_size > 1 and fabric.device.type == 'cuda':
            # In place of BatchNorm, so that its statistics are those of the whole batch.
            learner = nn.SyncBatchNorm.convert_sync_batchnorm(learner)
        if recipe.compile:
            network.compile()
        self.learner, self.optimizer = fabric.setup(learner, optimizer)
        self.step, self.best = 0, float('-inf')

    def restore(self) -> None:
        """Take up the last checkpoint, if there is one."""
        saved = read_checkpoint(self.folder.path)
        if saved is None:
            return
        self.learner.module.load_state_dict(saved['learner'])
        self.average.network.load_state_dict(saved['average'])
        self.optimizer.load_state_dict(saved['optimizer'])
        self.step, self.best = saved['step'], saved['best']

    def save(self) -> None:
        """Write the checkpoint."""
        write_checkpoint(self.folder.path, {
            'step': self.step, 'best': self.best, 'learner': self.learner.module.state_dict(),
            'average': self.average.network.state_dict(),
            'optimizer': self.optimizer.state_dict(),
        })

    def go(self, say: Say, advance: Advance) -> None:
        """Take all steps that are left."""
        recipe, fabric = self.recipe, self.fabric
        terms = [name for name, weight in self.objective.weights.items() if weight]
        columns = ['loss', 'gradient', 'lr', *terms, 'samples_per_s']
        if self.validation:
            columns += self.validation.columns(self.average.network)
            self.metrics = self.folder.metrics(columns, self.step)
        if self.step < recipe.steps and self.folder.goes_on:
            say(f'resumed at step {self.step}' if self.step else 'no checkpoint yet: from step 0')
        window = _Window(self.source, recipe.data.batch, fabric)
        saved_at = time.monotonic()
        batches = self.source.batches(
            self.step, recipe.steps, rank=fabric.global_rank, world=fabric.world_size,
            device=fabric.device,
        )
        self.learner.train()
        freeze(self.objective.network, recipe.network.frozen)  # train() thawed the statistics
        for batch in batches:
            window.add(self.step, *self.update(batch))
            self.step += 1
            advance(self.step * recipe.data.batch, self.step / recipe.steps)
            check = self.step % recipe.check_every == 0 or self.step == recipe.steps
            if not check and self.step % recipe.log_every:
                continue
            row = window.settle() | {'lr': self.optimizer.param_groups[0]['lr']}
            if self.validation and check:
                row |= self.look(say)
            if self.validation:
                self.metrics.add(self.step, row)
            late = time.monotonic() - saved_at > 60 * recipe.checkpoint_minutes
            if self.validation and (check or late):
                self.save()
                saved_at = time.monotonic()
            fabric.barrier()
        if self.validation:
            self.metrics.close()
            self.folder.finish('finished', steps=self.step, best=self.best)
            say(f'finished: {self.folder.best()}')

    def update(self, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Take one step; return the loss, the norm of its gradient and its terms."""
        recipe, fabric = self.recipe, self.fabric
        # Whatever the network draws (dropout, hidden cells) depends on the step alone.
        torch.manual_seed((recipe.seed * 1_000_003 + self.step) * 4096 + fabric.global_rank)
        rate = recipe.optimizer.rate(self.step, recipe.steps)
        for group in self.optimizer.param_groups:
            group['lr'] = rate
        shown = show(batch, self.source.entities.of(batch))
        total, terms = self.learner(shown, self.step / recipe.steps)
        self.optimizer.zero_grad(set_to_none=True)
        fabric.backward(total)
        norm = fabric.clip_gradients(
            self.learner, self.optimizer, max_norm=recipe.optimizer.clip,
            error_if_nonfinite=False,
        )
        self.optimizer.step()
        self.average.follow(self.objective.network, self.step + 1)
        return total.detach(), norm.detach(), terms

    def look(self, say: Say) -> dict[str, float]:
        """Score the running mean on val and keep it if it is the best so far."""
        assert self.validation is not None
        value, found = self.validation.look(self.average.network, self.objective)
        say(f'step {self.step} ' + ' '.join(f'{name} {v:.4f}' for name, v in found.items()))
        if value >= self.best:  # equal where the mask is frozen: the longest trained one
            self.best = value
            labels, asked = self.source.labels, self.recipe
            self.folder.keep_best(
                self.average.network, self.step, name=self.folder.path.name,
                network=asked.network.name, preset=asked.network.preset, classes=labels.names,
                colors=labels.colors, entities=self.source.entities.names,
                protocol='best on the val split; not calibrated, not scored on a test split',
                training={'recipe': public(asked), 'step': self.step,
                          'stage': asked.objective.stage,
                          'entities': self.source.entities.source},
                metrics={name: round(v, 5) for name, v in found.items()},
            )
        return found


class _Window:
    """What happened since the last row of the metrics; on the device until it is settled."""

    def __init__(self, source: Source, batch: int, fabric: Any):
        self._source, self._batch, self._fabric = source, batch, fabric
        self._steps: list[int] = []
        self._values: list[dict[str, Tensor]] = []
        self._since = time.monotonic()

    def add(self, step: int, total: Tensor, norm: Tensor, terms: dict[str, Tensor]) -> None:
        """Remember a step."""
        self._steps.append(step)
        self._values.append({'loss': total, 'gradient': norm, **terms})

    def settle(self) -> dict[str, float]:
        """Return the means over steps and processes; all processes call this together.

        Raises:
            InputError: a loss or gradient was not finite: names the step and its samples.
        """
        names = list(dict.fromkeys(name for row in self._values for name in row))
        table = torch.stack([
            torch.stack([row.get(name, row['loss'] * torch.nan).float() for name in names])
            for row in self._values
        ])                                                                   # steps names
        table = self._fabric.all_reduce(table, reduce_op='mean').cpu()
        good = torch.isfinite(table[:, :2]).all(1)
        if not good.all():
            worst = int(torch.nonzero(~good)[0])
            self._stop(self._steps[worst], dict(zip(names, table[worst].tolist(), strict=True)))
        now = time.monotonic()
        rate = len(table) * self._batch / max(now - self._since, 1e-9)
        self._since, self._steps, self._values = now, [], []
        means = zip(names, table.nanmean(0).tolist(), strict=True)
        return {**dict(means), 'samples_per_s': rate}

    def _stop(self, step: int, values: dict[str, float]) -> None:
        samples = ', '.join(self._source.names(step))
        found = ', '.join(f'{name} {value:.4g}' for name, value in values.items())
        raise InputError(
            f'not finite at step {step}: {found}; samples {samples}', where='loss',
            remedy='look at these samples, or lower optimizer.lr; a checkpoint that is there is '
            'kept and from before this step',
        )


def _silent(*anything: object) -> None:
    """Say nothing: another process does."""
