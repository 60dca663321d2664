"""Helps readers: pairs of folders with images of equal names, lists of ids, parts of a split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vif_perception.errors import InputError
from vif_perception.training.datasets.images import SUFFIXES
from vif_perception.training.datasets.sample import Record

#: Parts of a split without official validation images: whole runs of consecutive frames, so that
#: neighbours never cross. Runs 10 and 20 of twenty are for validation.
PARTS = ('train90', 'val10')
_RUNS, _HELD_OUT = 20, (9, 19)


def images_in(folder: Path) -> dict[str, Path]:
    """Return {name without suffix: file} in order of name.

    Raises:
        InputError: no such folder, or one name with two suffixes.
    """
    try:
        files = sorted(entry for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise InputError(
            f'is no folder that can be read ({error.strerror})', where=str(folder),
            remedy='give as root the folder that the archive unpacks to; docs/data.md shows it',
        ) from None
    found: dict[str, Path] = {}
    for file in files:
        if file.stem in found:
            raise InputError(f'{found[file.stem].name} and {file.name} have one name',
                             where=str(folder), accepted='one image per name',
                             remedy='remove one of them')
        found[file.stem] = file
    return found


def paired(
    thermal: Path, rgb: Path | None, mask: Path | None = None
) -> list[Record]:
    """Return records for images of equal names, in order of name.

    Raises:
        InputError: a folder is missing, or an image has no partner; names the first.
    """
    records = {name: Record(name, file) for name, file in images_in(thermal).items()}
    rgbs = images_in(rgb) if rgb else {}
    masks = images_in(mask) if mask else {}
    for folder, images in ((rgb, rgbs), (mask, masks)):
        if folder is None:
            continue
        alone = sorted(set(records) ^ set(images))
        if alone:
            missing = thermal if alone[0] in images else folder
            raise InputError(
                f'has no image {alone[0]!r} ({len(alone)} without partner)', where=str(missing),
                accepted='images of equal names in all folders',
                remedy='unpack the archive again, or remove what has no partner',
            )
    return [
        Record(name, record.thermal, rgbs.get(name), masks.get(name), day_night=day_night(name))
        for name, record in records.items()
    ]


def first_there(root: Path, *names: str) -> Path | None:
    """Return the first of the folders below root that exists."""
    return next((root / name for name in names if (root / name).is_dir()), None)


def day_night(name: str) -> str:
    """Tell day from night by the last letter of the names of MFNet and MSRS (00001D, 00002N)."""
    if name[:-1].isdecimal():
        return {'D': 'day', 'N': 'night'}.get(name[-1], '')
    return ''


def part(records: Sequence[Record], split: str) -> list[Record]:
    """Return the train90 or val10 part of an official split; all of it for other splits."""
    if split not in PARTS:
        return list(records)
    count = len(records)
    held_out = {
        index for run in _HELD_OUT
        for index in range(run * count // _RUNS, (run + 1) * count // _RUNS)
    }
    return [
        record for index, record in enumerate(records) if (index in held_out) == (split == 'val10')
    ]


def require_split(split: str, accepted: Sequence[str], where: Path) -> None:
    """Refuse a split that the data set has not.

    Raises:
        InputError: naming those that it has.
    """
    if split not in accepted:
        raise InputError(f'has no split {split!r}', where=str(where),
                         accepted=', '.join(accepted))
