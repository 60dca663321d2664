"""The data sets by name, and how a recipe asks for one: ``{name, root, split}``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from vif_perception.config import ThermalConfig
from vif_perception.errors import InputError
from vif_perception.labels import FMB, LABEL_SETS, M3FD_BOXES, MFNET, PST900
from vif_perception.schema import Group, validated
from vif_perception.training.datasets import plain, published
from vif_perception.training.datasets.dataset import PairDataset
from vif_perception.training.datasets.rare import repeat_rare
from vif_perception.training.datasets.sample import Record
from vif_perception.training.datasets.simulated import SIM, SimulatedScenes
from vif_perception.training.datasets.tno import tno
from vif_perception.types import LabelSet


@dataclass(frozen=True)
class Layout:
    """How a data set lies on the disk and what its labels mean.

    Attributes:
        records: (root, split) -> its records; its docstring shows the folders.
        labels: of the masks, None without masks.
        box_classes: of the boxes.
    """

    records: Callable[[Path, str], list[Record]]
    labels: LabelSet | None = None
    box_classes: tuple[str, ...] = ()


LAYOUTS = {
    'mfnet': Layout(published.mfnet, MFNET),
    'msrs': Layout(published.msrs, MFNET),
    'fmb': Layout(published.fmb, FMB),
    'pst900': Layout(published.pst900, PST900),
    'pst900_raw': Layout(published.pst900_raw, PST900),
    'm3fd': Layout(published.m3fd, None, M3FD_BOXES),
    'llvip': Layout(published.llvip, None, ('person',)),
    'roadscene': Layout(published.roadscene),
    'tno': Layout(tno),
    'folder': Layout(plain.folder),
}


class DatasetConfig(Group):
    """One data set of a recipe."""

    name: str = Field(description='data set: ' + ', '.join((*LAYOUTS, SIM)))
    root: Path = Field(Path(), description='folder that its archive unpacks to')
    split: str = Field(
        'train', description='official split, or its parts train90 and val10; of sim the first '
        'and last seed, such as 0-63'
    )
    labels: str = Field(
        '', description='class list of the masks of a plain folder without classes.json: '
        + ', '.join(LABEL_SETS)
    )
    share: float = Field(
        1.0, gt=0, le=1000, description='how often each sample is shown in an epoch; 0.5: half of '
        'them in each'
    )
    repeat_rare: float = Field(
        0.0, ge=0, le=1, description='show images with classes that are in fewer than this part '
        'of the images more often; 0: all alike'
    )
    thermal: ThermalConfig = ThermalConfig()


def open_dataset(config: DatasetConfig | dict) -> PairDataset:
    """Open a data set; no image is read yet.

    Raises:
        InputError: unknown name, key, split or class list; a folder or a partner is missing, the
            split is empty, an id is there twice.
    """
    wanted = config if isinstance(config, DatasetConfig) else validated(
        DatasetConfig, [config], where='dataset', keys=', '.join(DatasetConfig.model_fields)
    )
    if wanted.name == SIM:
        if wanted.repeat_rare:
            raise InputError('repeat_rare for rendered scenes', where=SIM, accepted='0')
        return SimulatedScenes(wanted.split)
    if wanted.name not in LAYOUTS:
        raise InputError(f'unknown data set {wanted.name!r}',
                         accepted=', '.join((*LAYOUTS, SIM)),
                         remedy='data of your own is read as `folder`')
    layout = LAYOUTS[wanted.name]
    records = layout.records(wanted.root, wanted.split)
    labels, boxes = layout.labels, layout.box_classes
    if wanted.name == 'folder':
        labels, boxes = _named(wanted.labels) or plain.classes_of(wanted.root), (
            plain.box_classes_of(wanted.root))
        if labels is None and any(record.mask for record in records):
            raise InputError(
                'has masks but no class list', where=str(wanted.root),
                accepted=f'{plain.CLASSES} in the folder',
                remedy=f'write {wanted.root / plain.CLASSES}: {plain.EXAMPLE}',
            )
    elif wanted.labels:
        raise InputError(f'labels {wanted.labels!r} for {wanted.name}, which has its own',
                         accepted='labels only with name folder')
    dataset = PairDataset(
        wanted.name, wanted.root, wanted.split, records, labels=labels, box_classes=boxes,
        thermal=wanted.thermal,
    )
    return repeat_rare(dataset, wanted.repeat_rare) if wanted.repeat_rare else dataset


def _named(name: str) -> LabelSet | None:
    if name and name not in LABEL_SETS:
        raise InputError(f'unknown class list {name!r}', accepted=', '.join(LABEL_SETS))
    return LABEL_SETS.get(name)
