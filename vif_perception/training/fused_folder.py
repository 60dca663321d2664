"""A data set with fused images in place of RGB: what ``vif-perception fuse`` makes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from vif_perception.errors import InputError
from vif_perception.training.dataset_folder import DatasetFolder, check_names
from vif_perception.training.datasets import PairDataset
from vif_perception.training.evaluation.frames import require_rgb, shown_to_network
from vif_perception.training.evaluation.members import Network


def write_fused(
    splits: Sequence[PairDataset], network: Network, out: Path, *,
    progress: Callable[[int, float], None] = lambda count, part: None,
) -> int:
    """Write ``SPLIT/vi/ID.png``, fused, with ``ir`` and ``label`` as they are, beside it.

    All of it is a :class:`DatasetFolder` of its own. Characters of an id that a file name should
    not have become ``_``.

    Args:
        splits: of one data set; progress: told (images so far, part 0..1).

    Returns:
        Number of fused images, H x W x 3 uint8, as the robot makes them.

    Raises:
        InputError: the network sees one camera only; samples without RGB; ``out`` holds something
            else, lies in the data set, or cannot be written; an image cannot be read.
    """
    if not network.fuses:
        raise InputError('sees one camera only and cannot fuse', where=str(network.path),
                         accepted='a network of both cameras')
    for dataset in splits:
        if not re.fullmatch(r'\w[\w.-]*', dataset.split):  # a folder below ``out``
            raise InputError(f'split {dataset.split!r} is no plain name', where=str(dataset.root),
                             accepted='a name without folders, such as train')
        require_rgb(dataset)
        check_names(dataset)
    folder, total = DatasetFolder(out, 'fuse', splits), sum(map(len, splits))
    for dataset in splits:
        for index, name in enumerate(_names(dataset)):
            sample = dataset[index]
            images = {'vi': network.run(*shown_to_network(sample)).fused, 'ir': sample.thermal}
            if sample.mask is not None:
                images['label'] = sample.mask
            files = {part: f'{dataset.split}/{part}/{name}.png' for part in images}
            folder.add({
                'id': sample.id, 'split': dataset.split, 'day_night': sample.day_night, **files,
            }, **images)
            progress(len(folder), len(folder) / total)
    folder.close(splits[0].labels)
    return len(folder)


def _names(dataset: PairDataset) -> list[str]:
    """Return a file name for each record, its id where that can be one."""
    names: dict[str, None] = {}
    for record in dataset.records:
        base = re.sub(r'[^\w.-]', '_', record.id)
        tries = itertools.chain([base], (f'{base}_{number}' for number in itertools.count(1)))
        names[next(name for name in tries if name not in names)] = None
    return list(names)
