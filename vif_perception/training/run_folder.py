"""A run's folder says everything: recipe, what it ran on, data, metrics, checkpoints, weights."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from vif_perception.errors import InputError
from vif_perception.files import write_whole
from vif_perception.inference.weights import save_network
from vif_perception.resources import packaged_weights, weights_file
from vif_perception.training.checkpoint import LAST
from vif_perception.training.metrics_file import Metrics, last_step
from vif_perception.training.recipe import Recipe, differences, load_recipe
from vif_perception.training.source import CLASS_LIST

RECIPE, RUN, METRICS = 'recipe.yaml', 'run.json', 'metrics.csv'
BEST, BESTS = 'best-{step:07d}', f'best-{"[0-9]" * 7}'
PACKAGES = ('torch', 'torchvision', 'numpy', 'lightning-fabric', 'lightning', 'pillow')


class RunFolder:
    """One folder, written by the first process of a run only."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def begun(self) -> bool:
        """Whether a run is here; its data was checked when it began."""
        return (self.path / RECIPE).is_file()

    @property
    def goes_on(self) -> bool:
        """Whether this is not the first session of the run."""
        return len(self.facts().get('sessions', [])) > 1

    def open(self, recipe: Recipe, data: Mapping[str, str], *, resume: bool) -> None:
        """Make the folder, or check that it belongs to this recipe and data.

        Raises:
            InputError: a run is there and ``resume`` is not set, or it is another run, or a
                finished one without its checkpoint, or the folder cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f'is no place for a run ({error.strerror})', where=str(self.path),
                             accepted='a folder that is there or can be made',
                             remedy='choose another --out') from None
        if self.begun:
            if not resume:
                raise InputError(
                    'holds a run already', where=str(self.path),
                    remedy='go on with --resume, or choose another --out',
                )
            self.compare(recipe, data)
            self._check_checkpoint(min(recipe.check_every, recipe.steps))
            if self._finished:
                return
        elif strange := self._of_a_run():
            raise InputError(f'holds {strange} without its {RECIPE}', where=str(self.path),
                             accepted='a new folder, or that of a run',
                             remedy='choose another --out')
        else:
            text = yaml.safe_dump(recipe.model_dump(mode='json'), sort_keys=False)
            write_whole(self.path / RECIPE, text.encode())
        facts = self.facts()
        facts.setdefault('data', dict(data))
        facts.setdefault('sessions', []).append(_session())
        self._keep({**facts, 'state': 'running'})

    def facts(self) -> dict[str, Any]:
        """Contents of ``run.json``; empty before the run."""
        try:
            found = json.loads((self.path / RUN).read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return {}
        kinds = {'data': dict, 'sessions': list}
        if not isinstance(found, dict):
            return {}
        return {key: value for key, value in found.items()
                if isinstance(value, kinds.get(key, object))}

    def recipe(self) -> Recipe:
        """The recipe of the run.

        Raises:
            InputError: there is no run here.
        """
        if not self.begun:
            raise InputError('is not the folder of a run', where=str(self.path),
                             accepted=f'a folder with {RECIPE}')
        return load_recipe(str(self.path / RECIPE))

    def finish(self, state: str, **facts: Any) -> None:
        """Note how the run ended."""
        self._keep({**self.facts(), 'state': state, **facts})

    def keep_best(self, network: nn.Module, step: int, /, **card: Any) -> None:
        """Write weights and card of the best network so far, then remove the ones before.

        Raises:
            InputError: the disk is full; the ones before stay.
        """
        name = BEST.format(step=step)
        before = [path for suffix in ('.safetensors', '.json')
                  for path in self.path.glob(f'{BESTS}{suffix}') if path.stem != name]
        try:
            save_network(network, self.path / f'{name}.safetensors', **card)
        except OSError as error:
            for suffix in ('.safetensors', '.json'):
                (self.path / name).with_suffix(suffix).unlink(missing_ok=True)
            raise InputError(
                f'cannot be written ({error.strerror})', where=str(self.path / name),
                remedy='make room on the disk and go on with --resume; the best before is kept',
            ) from None
        for path in before:
            path.unlink()

    def best(self) -> Path:
        """Weights of the best network.

        Raises:
            InputError: none was written yet, or they were removed.
        """
        found = self._bests()
        if not found and self._finished:
            raise InputError('has lost its best weights', where=str(self.path),
                             accepted='best-STEP.safetensors and best-STEP.json',
                             remedy='bring both files back, or train with another --out')
        if not found:
            raise InputError('has no best weights yet', where=str(self.path),
                             remedy='let the run reach its first check')
        return found[-1]

    def metrics(self, columns: Sequence[str], after: int) -> Metrics:
        """Open the table of metrics; rows after step ``after`` are those of a lost stretch."""
        return Metrics(self.path / METRICS, columns, after)

    def compare(self, recipe: Recipe, data: Mapping[str, str]) -> None:
        """Refuse a recipe, or hashes of data sets by name, that are not those of this run.

        Raises:
            InputError: naming what differs.
        """
        changed = differences(self.recipe(), recipe) + self.other_files(data)
        if changed:
            raise InputError(
                f'is another run: {", ".join(changed)}', where=str(self.path),
                accepted='the recipe and data that it was started with',
                remedy=f'see {RECIPE} in the folder, or choose another --out',
            )

    def other_files(self, data: Mapping[str, str]) -> list[str]:
        """Say which data, name -> hash, are not those that this run began with."""
        known = self.facts().get('data', {})
        return [name if name == CLASS_LIST else f'files of {name}'
                for name in data if known.get(name, data[name]) != data[name]]

    @property
    def _finished(self) -> bool:
        return self.facts().get('state') == 'finished'

    def _bests(self) -> list[Path]:
        return sorted(path for path in self.path.glob(f'{BESTS}.safetensors')
                      if path.with_suffix('.json').is_file())

    def _of_a_run(self) -> str:
        """Name of a file that a run would replace; '' when there is none."""
        found = [path for name in (LAST, RUN, METRICS, f'{BESTS}.safetensors', f'{BESTS}.json')
                 for path in self.path.glob(name)]
        return found[0].name if found else ''

    def _check_checkpoint(self, first_check: int) -> None:
        """Refuse to start again where that would drop the best weights of a lost checkpoint.

        The first best alone is no sign of one: a run may be killed before it writes the other.
        """
        if (self.path / LAST).is_file():
            return
        steps = [int(path.stem.rpartition('-')[2]) for path in self._bests()]
        steps.append(last_step(self.path / METRICS))
        if self._finished or max(steps) > first_check:
            raise InputError(
                f'{"is finished and " if self._finished else ""}has lost its {LAST}',
                where=str(self.path),
                remedy='its best weights can be used; train with another --out',
            )

    def _keep(self, facts: dict[str, Any]) -> None:
        write_whole(self.path / RUN, (json.dumps(facts, indent=1) + '\n').encode())


def weights_of(place: str) -> Path:
    """Weights file that a path, a run folder or the name of packaged weights means.

    Raises:
        InputError: nothing of the kind is there, a folder without best weights.
    """
    path = Path(place)
    if path.is_dir():
        return RunFolder(path).best()
    if path.exists():
        return path
    if place in packaged_weights():
        return weights_file(place)
    raise InputError(
        'is not there', where=place, remedy='check the path',
        accepted='a .safetensors file with its card, the folder of a run, or packaged: '
        + ', '.join(packaged_weights()),
    )


def _session() -> dict[str, Any]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        'started': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'git': _git(), 'python': platform.python_version(), 'versions': versions,
        'machine': platform.machine(), 'cpus': os.cpu_count(), 'gpu': gpu,
    }


def _git() -> dict[str, Any] | None:
    """Commit of the source tree and whether files differ from it; None for an installation."""
    root = Path(__file__).parents[2]
    if shutil.which('git') is None or not (root / '.git').exists():
        return None

    def ask(*words: str) -> str:
        done = subprocess.run(['git', *words], cwd=root, capture_output=True, text=True)
        return done.stdout.strip()

    return {'commit': ask('rev-parse', 'HEAD'), 'changed': bool(ask('status', '--porcelain'))}
