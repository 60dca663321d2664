"""Several recipes under one budget, each with several seeds: what comparisons are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from vif_perception import schema
from vif_perception.errors import InputError
from vif_perception.resources import preset
from vif_perception.schema import Group
from vif_perception.training.engine import Advance, Say, train
from vif_perception.training.recipe import Recipe, load_recipe
from vif_perception.training.run_folder import RunFolder, weights_of

FOLDER = 'studies'


class Row(Group):
    """One system of a study."""

    recipe: str = Field(description='packaged recipe or .yaml file')
    set: dict[str, Any] = Field({}, description='keys of this row only, dotted or nested')
    start: str = Field('', description='row whose run of the same seed it starts from')
    teacher: str = Field('', description='row whose run of the same seed teaches it')
    table: bool = Field(True, description='false: a stage on the way, not evaluated')


class Study(Group):
    """Rows, what they share, and how often each is trained."""

    rows: dict[str, Row] = Field(description='name in the tables -> row', min_length=1)
    set: dict[str, Any] = Field({}, description='keys of all rows: their budget')
    seeds: tuple[int, ...] = Field((0, 1, 2), description='one run a row and seed', min_length=1)


@dataclass(frozen=True)
class Run:
    """One training of a study.

    Attributes:
        name: of its row; folder: of the run; recipe: with all overrides.
    """

    name: str
    seed: int
    folder: Path
    recipe: Recipe

    @property
    def finished(self) -> bool:
        """Whether it went to its end."""
        return (self.folder / 'run.json').is_file() and (
            RunFolder(self.folder).facts().get('state') == 'finished')


def load_study(name: str) -> Study:
    """Read a study.

    Args:
        name: a .yaml file, or a packaged study such as ``comparison``.

    Raises:
        InputError: no such study, unknown key, a row that starts from a row that does not come
            before it.
    """
    path = Path(name)
    if path.suffix not in ('.yaml', '.yml'):
        path = preset(f'{FOLDER}/{name}')
    tree = schema.mapping(schema.read_yaml(path), str(path))
    study = schema.validated(Study, [tree], where=str(path), keys='rows, set, seeds')
    names: list[str] = []
    for row_name, row in study.rows.items():
        for before in filter(None, (row.start, row.teacher)):
            if before not in names:
                raise InputError(
                    f'row {row_name!r} needs {before!r}, which does not come before it',
                    where=str(path), accepted=', '.join(names) or 'no row before the first',
                )
        names.append(row_name)
    if len({slug(name) for name in names}) < len(names):
        raise InputError('two rows have one folder name', where=str(path),
                         accepted='names that differ in letters and digits')
    return study


def runs_of(
    study: Study, out: Path, *, seeds: Sequence[int] = (), sets: Sequence[str] = ()
) -> list[Run]:
    """List all runs, seed by seed, so that an early end leaves whole comparisons.

    Args:
        out: folder of the study; seeds: in place of its own; sets: overrides that beat its own.

    Raises:
        InputError: a recipe that cannot be used.
    """
    runs = []
    for seed in seeds or study.seeds:
        for name, row in study.rows.items():
            own = {**study.set, **row.set, 'seed': seed}
            if row.start:
                own['network.start'] = str(_folder(out, row.start, seed))
            if row.teacher:
                own['objective.teacher.weights'] = str(_folder(out, row.teacher, seed))
            recipe = load_recipe(row.recipe, sets, more=own)
            runs.append(Run(name, seed, _folder(out, name, seed), recipe))
    return runs


def train_all(
    runs: Sequence[Run], data: Path, *, say: Say = print,
    advance: Advance = lambda count, part: None,
) -> None:
    """Train what is not finished; what was begun goes on from its last checkpoint.

    Raises:
        InputError: see ``engine.train``; a finished run with another recipe.
    """
    for number, run in enumerate(runs, 1):
        if run.finished:
            RunFolder(run.folder).compare(run.recipe, {})
            continue
        say(f'{number} of {len(runs)}: {run.name}, seed {run.seed}')
        torch.compiler.reset()  # compiled code of other networks counts against a limit
        train(run.recipe, data, run.folder, resume=True, say=say, advance=advance)


def systems_of(study: Study, runs: Sequence[Run]) -> Iterator[tuple[str, list[Path]]]:
    """Yield (name, weights of its seeds) of the rows that are tabled, so far as they finished."""
    for name, row in study.rows.items():
        found = [weights_of(str(run.folder)) for run in runs if run.name == name and run.finished]
        if row.table and found:
            yield name, found


def slug(name: str) -> str:
    """Return the folder name of a row."""
    return re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')


def _folder(out: Path, name: str, seed: int) -> Path:
    return out / slug(name) / f'seed{seed}'


