"""The frames that systems are evaluated on: a data set, opened, checked, and read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from vif_perception.errors import InputError
from vif_perception.schema import validated
from vif_perception.training.augmentation.scene import make_scene
from vif_perception.training.datasets import DatasetConfig, PairDataset, Sample, open_dataset
from vif_perception.training.datasets.simulated import SIM
from vif_perception.training.source import digest
from vif_perception.types import LabelSet
from vif_perception.yaml_text import parse_yaml

ACCEPTED = "a folder, or a data set as in a recipe: '{name: msrs, root: DIR, split: test}'"


@dataclass(frozen=True)
class EvaluationFrame:
    """One aligned pair.

    Attributes:
        name: id in the data set; day_night: 'day', 'night', or '' when unknown.
        rgb: HxWx3 uint8; thermal: HxW uint8, as the robot would show it to its network.
        mask: HxW uint8 class ids, 255 not labelled; None without labels.
    """

    name: str
    day_night: str
    rgb: np.ndarray
    thermal: np.ndarray
    mask: np.ndarray | None


class FrameSet:
    """Frames of one data set, read one at a time.

    Args:
        dataset: to read from.
        limit: frames at most, evenly spread over the data set; 0: all.
        labelled: whether every frame must have a mask.

    Attributes:
        title: what tables call it; indices: of the frames within the data set.

    Raises:
        InputError: frames without masks or without RGB.
    """

    def __init__(self, dataset: PairDataset, *, limit: int = 0, labelled: bool):
        self._dataset, self.labelled = dataset, labelled
        place = dataset.root.resolve().name if dataset.name == 'folder' else dataset.name
        self.title = f'{place} {dataset.split}'
        count = min(limit or len(dataset), len(dataset))
        self.indices = np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist()
        require_rgb(dataset)
        for record in dataset.records:
            if labelled and record.mask is None and dataset.name != SIM:
                raise InputError(
                    f'{record.id} has no mask', where=str(dataset.root),
                    accepted='a mask for every frame',
                    remedy='pairs without labels go to `vif-perception evaluate --fusion-data`',
                )

    @property
    def labels(self) -> LabelSet | None:
        """Classes of the masks, None where masks are not looked at."""
        return self._dataset.labels if self.labelled else None

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[EvaluationFrame]:
        """Read one frame after the other."""
        return map(self.read, range(len(self)))

    def read(self, place: int) -> EvaluationFrame:
        """Read the frame at a place of :attr:`indices`.

        Raises:
            InputError: a file is missing or damaged, or holds what its class list has not.
        """
        sample = self._dataset[self.indices[place]]
        rgb, thermal = shown_to_network(sample)
        return EvaluationFrame(
            sample.id, sample.day_night, rgb, thermal, sample.mask if self.labelled else None
        )

    def describe(self) -> dict[str, object]:
        """Return what a result says about its data, a hash of all files among it."""
        dataset = self._dataset
        return {
            'title': self.title, 'name': dataset.name, 'root': str(dataset.root),
            'split': dataset.split, 'labelled': self.labelled, 'frames': len(self),
            'of': len(dataset), 'blake2b': digest(dataset, self.indices),
            'classes': list(self.labels.names) if self.labels else None,
        }


def require_rgb(dataset: PairDataset) -> None:
    """Refuse a data set that lacks an RGB image.

    Raises:
        InputError: naming the first sample without one.
    """
    for record in dataset.records if dataset.name != SIM else ():
        if record.rgb is None:
            raise InputError(f'{record.id} has no RGB image', where=str(dataset.root),
                             accepted='pairs of an RGB and a thermal image')


def shown_to_network(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Return RGB HxWx3 and thermal HxW uint8, as the robot would show them to its network.

    Raises:
        InputError: the thermal values cannot have the profile of their data set.
    """
    scene = make_scene(sample).packed()
    thermal = (scene['thermal'][0] * 255).round().to(torch.uint8).numpy()
    return np.ascontiguousarray(scene['rgb'].permute(1, 2, 0).numpy()), thermal


def dataset_config(text: str, option: str, split: str = 'test') -> DatasetConfig:
    """Read what an option names: a folder, or a mapping as in a recipe.

    Args:
        text: of the option; option: its name; split: taken where none is named.

    Raises:
        InputError: an empty text, no YAML, unknown or missing keys.
    """
    if not text.strip():
        raise InputError('is empty', where=option, accepted=ACCEPTED)
    given = {'name': 'folder', 'root': text}
    if text.lstrip().startswith('{'):
        given = parse_yaml(text, option)
    return validated(
        DatasetConfig, [{'split': split}, given], where=option,
        keys=', '.join(DatasetConfig.model_fields),
    )


def open_frames(config: DatasetConfig, *, limit: int = 0, labelled: bool) -> FrameSet:
    """Open a data set for evaluation; no image is read yet.

    Raises:
        InputError: see ``open_dataset`` and :class:`FrameSet`.
    """
    return FrameSet(open_dataset(config), limit=limit, labelled=labelled)
