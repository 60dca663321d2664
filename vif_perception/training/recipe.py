"""One YAML a training: the schema of recipes, read and checked before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from vif_perception import schema
from vif_perception.resources import recipe_file
from vif_perception.schema import Group
from vif_perception.training.augmentation import AugmentationConfig
from vif_perception.training.datasets import DatasetConfig

#: Keys that change how fast a run goes, not what it computes: a resumed run may change them.
SPEED_KEYS = (
    'device', 'compile', 'checkpoint_minutes', 'log_every', 'data.workers', 'data.prefetch',
    'data.cache',
)


class NetworkRecipe(Group):
    """Which network, and from which weights it starts."""

    name: str = Field('rt', description='architecture, see `vif-perception models`')
    preset: str = Field('s', description='size, backbone or host of the architecture')
    options: dict[str, Any] = Field({}, description='further settings of the architecture by name')
    start: str = Field(
        '', description='run folder, weights file or packaged weights to start from; empty: fresh'
    )
    fresh: tuple[str, ...] = Field(
        (), description='beginnings of names of tensors that `start` does not fill'
    )
    frozen: tuple[str, ...] = Field(
        (), description='beginnings of names of layers that do not learn, nor their statistics'
    )


class DataRecipe(Group):
    """What the network sees. Roots that are not absolute lie in the folder given as --data."""

    train: tuple[DatasetConfig, ...] = Field(
        (DatasetConfig(name='folder', split='train'),),
        description='data sets to learn from', min_length=1,
    )
    val: DatasetConfig = Field(
        DatasetConfig(name='folder', split='val'),
        description='data set that selects the best weights',
    )
    entities: str = Field(
        '', description='annotations made by `vif-perception entities`, controls included; '
        'empty: the classes of the masks'
    )
    augmentation: AugmentationConfig = AugmentationConfig()
    batch: int = Field(8, ge=1, le=65536, description='samples a step, over all processes')
    workers: int = Field(
        -1, ge=-1, le=256, description='processes that make batches; -1: one per core but one'
    )
    prefetch: int = Field(4, ge=1, le=64, description='batches that each of them is ahead')
    cache: str = Field(
        'auto', description='folder for decoded images and rendered scenes, 5 bytes a pixel; '
        'auto: in the cache folder of the user; empty: none'
    )


class TeacherRecipe(Group):
    """A trained network whose mask this one imitates."""

    weights: str = Field(
        '', description='run folder, .safetensors file or packaged weights; empty: no teacher'
    )
    sees: Literal['pair', 'fused'] = Field(
        'pair', description='both cameras, or this network\'s fused image in colour'
    )
    kind: Literal['channel', 'pixel'] = Field(
        'channel', description='softmax over the pixels of a class, or over the classes of a pixel'
    )
    temperature: float = Field(4.0, gt=0, le=100, description='of both softmaxes')


class ObjectiveRecipe(Group):
    """What the network learns from."""

    stage: Literal['supervised', 'pretrain'] = Field(
        'supervised', description='labels, or masked reconstruction of both cameras'
    )
    weights: dict[str, float] = Field(
        {}, description='weight of a loss term by name, where not the family\'s own'
    )
    balance: Literal['fixed', 'uncertainty', 'dwa', 'fairness', 'fairness_gradient'] = Field(
        'fixed', description='how the tasks are weighed against each other during training'
    )
    class_weight_power: float = Field(
        0.5, ge=0, le=1, description='rt: 0 plain cross-entropy, 1 full class weights'
    )
    alone: float = Field(
        0.0, ge=0, le=1, description='rt: part of the pairs of a batch whose mask is asked for '
        'once more with one camera alone; in place of data.augmentation.dropout, which takes '
        'pairs away from FUSED'
    )
    teacher: TeacherRecipe = TeacherRecipe()


class OptimizerRecipe(Group):
    """How the weights move."""

    name: Literal['adamw', 'sgd'] = Field('adamw', description='rule')
    lr: float = Field(1.5e-3, gt=0, description='largest learning rate')
    final_lr: float = Field(1e-6, ge=0, description='learning rate at the end')
    schedule: Literal['cosine', 'poly'] = Field('cosine', description='way down, poly: power 0.9')
    warmup_steps: int = Field(200, ge=0, description='steps of the linear way up')
    weight_decay: float = Field(0.03, ge=0, description='of matrices and kernels only')
    momentum: float = Field(0.9, ge=0, lt=1, description='of sgd')
    clip: float = Field(2.0, gt=0, description='largest norm of the gradient')
    average: float = Field(
        0.998, ge=0, lt=1, description='memory of the running mean of the weights that is kept'
    )

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step, counted from 0, of a run of ``steps``."""
        warm = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        left = 1 - step / steps
        down = left**0.9 if self.schedule == 'poly' else 0.5 - 0.5 * math.cos(math.pi * left)
        return max(self.lr * warm * down, self.final_lr)


class Recipe(Group):
    """Everything a run depends on but the data."""

    network: NetworkRecipe = NetworkRecipe()
    data: DataRecipe = DataRecipe()
    objective: ObjectiveRecipe = ObjectiveRecipe()
    optimizer: OptimizerRecipe = OptimizerRecipe()
    steps: int = Field(4000, ge=1, description='length of the run')
    seed: int = Field(0, ge=0, lt=2**31, description='of everything drawn at random')
    check_every: int = Field(400, ge=1, description='steps between two looks at the val split')
    precision: Literal['auto', 'bf16', 'fp32'] = Field(
        'auto', description='of the network\'s arithmetic; auto: bf16 on a GPU, else fp32'
    )
    device: str = Field('auto', description='auto, cpu or cuda')
    compile: bool = Field(False, description='run the network through torch.compile')
    checkpoint_minutes: float = Field(
        5.0, gt=0, description='longest time between two checkpoints'
    )
    log_every: int = Field(20, ge=1, description='steps between two rows of the metrics')


def load_recipe(
    name: str | None, sets: Iterable[str] = (), *,
    more: Iterable[tuple[str, Mapping[str, Any]]] = (),
) -> Recipe:
    """Read a recipe.

    Args:
        name: a .yaml file, or a packaged recipe such as ``rt_s``; None: nothing but defaults.
        sets: overrides such as ``optimizer.lr=1e-3``; they beat ``more``, which beats the file.
        more: (place for errors, keys, dotted or nested) of a study.

    Raises:
        InputError: no such recipe, unreadable, unknown key, wrong type or range, contradiction.
    """
    layers = [] if name is None else [_file(name)]
    layers += [*more, *(('--set', schema.override(item)) for item in sets)]
    return schema.validated(
        Recipe, [tree for _, tree in layers], places=[place for place, _ in layers],
        where=layers[0][0] if layers else 'recipe', keys='see `vif-perception train --keys`',
    )


def _file(name: str) -> tuple[str, Mapping[str, Any]]:
    path = Path(name)
    if path.suffix not in ('.yaml', '.yml'):
        path = recipe_file(name)
    return str(path), schema.read_filled(path)


def differences(first: Recipe, second: Recipe) -> list[str]:
    """Dotted keys in which two recipes would compute something else."""
    one, other = (flat(recipe.model_dump(mode='json')) for recipe in (first, second))
    return sorted(
        key for key in one.keys() | other.keys()
        if one.get(key) != other.get(key) and key not in SPEED_KEYS
    )


def public(recipe: Recipe) -> dict[str, Any]:
    """A recipe for a card: without what only made it fast, and without places of one machine."""
    tree = recipe.model_dump(mode='json', exclude={key for key in SPEED_KEYS if '.' not in key})
    data, teacher = tree['data'], tree['objective']['teacher']
    for key in ('workers', 'prefetch', 'cache'):
        del data[key]
    for entry in (*data['train'], data['val']):
        del entry['root']
    for group, key in ((tree['network'], 'start'), (teacher, 'weights')):
        group[key] = Path(group[key]).name
    data['entities'] = Path(data['entities']).name
    return tree


def flat(tree: dict[str, Any], prefix: str = '') -> dict[str, Any]:
    """Nested mappings as one with dotted keys."""
    rows: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            rows |= flat(value, f'{prefix}{key}.')
        else:
            rows[prefix + key] = value
    return rows
