"""A run's folder says everything: recipe, what it ran on, data, metrics, checkpoints, weights."""

from __future__ import annotations

import csv
import importlib.metadata
import io
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
from vif_perception.training.recipe import Recipe, differences, load_recipe

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
            if self.facts().get('state') == 'finished':
                self._check_finished()
                return
        elif (self.path / LAST).exists():
            raise InputError('holds a checkpoint without its recipe', where=str(self.path),
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
            return json.loads((self.path / RUN).read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return {}

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
        before = [path for path in self.path.glob(f'{BESTS}.*') if path.stem != name]
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
            InputError: none was written yet.
        """
        found = sorted(path for path in self.path.glob(f'{BESTS}.safetensors')
                       if path.with_suffix('.json').is_file())
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
        before = self.recipe()
        changed = differences(before, recipe)
        known = self.facts().get('data', dict(data))
        changed += [f'files of {name}' for name in data if known.get(name) != data[name]]
        if changed:
            raise InputError(
                f'is another run: {", ".join(changed)}', where=str(self.path),
                accepted='the recipe and data that it was started with',
                remedy=f'see {RECIPE} in the folder, or choose another --out',
            )

    def _check_finished(self) -> None:
        if not (self.path / LAST).is_file():  # to start again would drop its best weights
            raise InputError(f'is finished and has lost its {LAST}', where=str(self.path),
                             remedy='its best weights can be used; train with another --out')

    def _keep(self, facts: dict[str, Any]) -> None:
        write_whole(self.path / RUN, (json.dumps(facts, indent=1) + '\n').encode())


class Metrics:
    """Rows of ``metrics.csv``, and the same in TensorBoard where it is installed."""

    def __init__(self, path: Path, columns: Sequence[str], after: int):
        self._path, self._columns = path, ['step', *columns]
        rows = []
        if path.is_file():
            with path.open(newline='', encoding='utf-8') as file:
                rows = [
                    row for row in csv.DictReader(file)
                    # A row that was cut off belongs to the newest step.
                    if None not in row.values() and int(row['step']) <= after
                ]
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, extrasaction='ignore')
        writer.writeheader()
        writer.writerows(rows)
        write_whole(path, text.getvalue().encode())
        self._board = _board(path.parent, after)

    def add(self, step: int, row: Mapping[str, float]) -> None:
        """Append a row; columns it lacks stay empty.

        Raises:
            InputError: the disk is full.
        """
        values = {name: f'{value:.6g}' for name, value in row.items()}
        try:
            with self._path.open('a', newline='', encoding='utf-8') as file:
                csv.DictWriter(file, self._columns).writerow({'step': step, **values})
            for name, value in row.items() if self._board else ():
                self._board.add_scalar(name, value, step)
        except OSError as error:
            raise InputError(
                f'cannot be written ({error.strerror})', where=str(self._path),
                remedy='make room on the disk and go on with --resume',
            ) from None

    def close(self) -> None:
        """Flush TensorBoard."""
        if self._board:
            self._board.close()


def _board(folder: Path, after: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=after + 1)


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
