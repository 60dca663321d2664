"""Several recipes under one budget, each with several seeds: what comparisons are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from vif_perception import schema
from vif_perception.errors import InputError
from vif_perception.resources import packaged_recipes, study_file
from vif_perception.schema import Group
from vif_perception.training.engine import Advance, Say, train
from vif_perception.training.recipe import Recipe, load_recipe
from vif_perception.training.run_folder import RunFolder, weights_of
from vif_perception.training.source import Source

_YAML = ('.yaml', '.yml')


class Row(Group):
    """One system of a study."""

    recipe: str = Field(description='packaged recipe, or .yaml file relative to the plan')
    set: dict[str, Any] = Field({}, description='keys of this row only, dotted or nested')
    start: str = Field('', description='row whose run of the same seed it starts from')
    teacher: str = Field('', description='row whose run of the same seed teaches it')
    table: bool = Field(True, description='false: a stage on the way, not evaluated')


class Study(Group):
    """Rows, what they share, and how often each is trained."""

    rows: dict[str, Row] = Field(description='name in the tables -> row', min_length=1)
    set: dict[str, Any] = Field({}, description='keys of all rows: their budget')
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(
        (0, 1, 2), description='one run a row and seed', min_length=1
    )


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
        InputError: no such study or recipe, unknown key, a row that starts from a row that does
            not come before it, a name that `evaluate` cannot take, a seed given twice or as a key.
    """
    path = Path(name)
    if path.suffix not in _YAML:
        path = study_file(name)
    study = schema.validated(
        Study, [schema.read_filled(path)], where=str(path), keys='rows, set, seeds'
    )
    study = study.model_copy(update={'rows': {
        key: row.model_copy(update={'recipe': _beside(path, row.recipe)})
        for key, row in study.rows.items()
    }})
    _check_seeds(study.seeds, f'{path}: seeds')
    _check_no_seed(study.set, f'{path}: set', '`seeds` of the plan')
    names: list[str] = []
    for row_name, row in study.rows.items():
        _check_name(row_name, str(path))
        _check_recipe(row.recipe, f'{path}: rows.{row_name}.recipe')
        _check_no_seed(row.set, f'{path}: rows.{row_name}.set', '`seeds` of the plan')
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


def _check_name(name: str, where: str) -> None:
    # NAME=FILE,... of evaluate
    if '=' in name or name.startswith('-') or not slug(name) or not name.isprintable():
        raise InputError(
            f'{name!r} cannot be the name of a row', where=where,
            accepted="names of one line with a letter or digit of ASCII, without '=', not "
            "beginning with '-'",
        )


def _beside(plan: Path, recipe: str) -> str:
    return str(plan.parent / recipe) if Path(recipe).suffix in _YAML else recipe


def _check_recipe(name: str, where: str) -> None:
    if not (Path(name).is_file() or name in packaged_recipes()):
        known = ', '.join(packaged_recipes())
        raise InputError(f'no recipe {name!r}', where=where,
                         accepted=f'a .yaml file beside the plan, or one of {known}')


def _check_seeds(seeds: Sequence[int], where: str) -> None:
    if len(set(seeds)) < len(seeds):
        raise InputError(f'one seed twice in {", ".join(map(str, seeds))}', where=where,
                         accepted='each seed once', remedy='remove the second')


def _check_no_seed(keys: Mapping[str, Any], where: str, instead: str) -> None:
    if 'seed' in keys:
        raise InputError("'seed' cannot be set, every row is trained with the same seeds",
                         where=where, accepted=instead, remedy=f'remove it, use {instead}')


def runs_of(
    study: Study, out: Path, *, seeds: Sequence[int] = (), sets: Sequence[str] = (),
    plan: str = 'study',
) -> list[Run]:
    """List all runs, seed by seed, so that an early end leaves whole comparisons.

    Args:
        out: folder of the study; seeds: in place of its own; sets: overrides that beat its own.
        plan: its name or file, for errors.

    Raises:
        InputError: a recipe that cannot be used, a seed given twice or as a key, a folder whose
            name `evaluate` cannot take.
    """
    if ',' in str(out):
        raise InputError("is no name for a study, ',' stands between weights", where=str(out),
                         remedy='choose another --out')
    _check_seeds(seeds, '--seed')
    for item in sets:
        _check_no_seed(schema.override(item), '--set', '--seed')
    runs = []
    for seed in seeds or study.seeds:
        for name, row in study.rows.items():
            own: dict[str, Any] = {'seed': seed}
            if row.start:
                own['network.start'] = str(_folder(out, row.start, seed))
            if row.teacher:
                own['objective.teacher.weights'] = str(_folder(out, row.teacher, seed))
            recipe = load_recipe(row.recipe, sets, more=[
                (f'{plan}: set', study.set), (f'{plan}: rows.{name}.set', row.set),
                (f'{plan}: rows.{name}', own),
            ])
            runs.append(Run(name, seed, _folder(out, name, seed), recipe))
    return runs


def train_all(
    runs: Sequence[Run], data: Path, *, say: Say = print,
    advance: Advance = lambda count, part: None,
) -> None:
    """Train what is not finished; what was begun goes on from its last checkpoint.

    Raises:
        InputError: see ``engine.train``; a finished run with another recipe or other data.
    """
    known: dict[str, dict[str, str]] = {}
    for number, run in enumerate(runs, 1):
        if run.finished:
            key = run.recipe.data.model_dump_json()
            if key not in known:
                known[key] = Source(run.recipe.data, data, run.seed).digests()
            RunFolder(run.folder).compare(run.recipe, known[key])
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


