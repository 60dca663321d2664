"""Records of public data sets, each laid out as its authors' archive unpacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vif_perception.errors import InputError
from vif_perception.training.datasets.folders import (
    PARTS,
    day_night,
    first_there,
    paired,
    part,
    require_split,
)
from vif_perception.training.datasets.sample import Record

_TRAIN_TEST = ('train', *PARTS, 'test')
_ALL = ('all', *PARTS)


def mfnet(root: Path, split: str) -> list[Record]:
    """``images/ID.png`` (red, green, blue, thermal), ``labels/ID.png``, ``train.txt`` ...

    Mirrored copies that the authors' script adds (``_flip``) are left out: that is the business
    of the augmentation.
    """
    names = _listed(root, split)
    return [
        Record(name, root / 'images' / f'{name}.png', root / 'images' / f'{name}.png',
               root / 'labels' / f'{name}.png', day_night=day_night(name))
        for name in names if not name.endswith('_flip')
    ]


def msrs(root: Path, split: str) -> list[Record]:
    """``{train,test}/{ir,vi,Segmentation_labels}``; ``label`` in the form of PSFusion and MAFS."""
    folder = _train_or_test(root, split)
    masks = first_there(folder, 'Segmentation_labels', 'label')
    return part(paired(folder / 'ir', folder / 'vi', masks), split)


def fmb(root: Path, split: str) -> list[Record]:
    """``{train,test}/{Infrared,Visible,Label}``."""
    folder = _train_or_test(root, split)
    return part(paired(folder / 'Infrared', folder / 'Visible', folder / 'Label'), split)


def pst900(root: Path, split: str) -> list[Record]:
    """``{train,test}/{thermal,rgb,labels}``; thermal after the camera's own gain, 8 bit.

    Pixels hidden from the thermal camera are 0; the authors fill them in, this reader does not.
    """
    folder = _train_or_test(root, split)
    return part(paired(folder / 'thermal', folder / 'rgb', folder / 'labels'), split)


def pst900_raw(root: Path, split: str) -> list[Record]:
    """As pst900, with the 16-bit values of ``thermal_raw``."""
    folder = _train_or_test(root, split)
    return part(paired(folder / 'thermal_raw', folder / 'rgb', folder / 'labels'), split)


def m3fd(root: Path, split: str) -> list[Record]:
    """``Ir``, ``Vis``; ``Annotation`` in the detection archive; ``meta/SPLIT.txt`` if there."""
    boxes = first_there(root, 'Annotation', 'Annotations')
    records = [
        replace(record, boxes=boxes / f'{record.id}.xml' if boxes else None)
        for record in paired(root / 'Ir', root / 'Vis')
    ]
    if (root / 'meta' / f'{split}.txt').is_file():
        wanted = set(_listed(root / 'meta', split))
        return [record for record in records if record.id in wanted]
    require_split(split, _ALL, root)
    return part(records, split)


def llvip(root: Path, split: str) -> list[Record]:
    """``{infrared,visible}/{train,test}`` and ``Annotations``; all of it at night."""
    require_split(split, _TRAIN_TEST, root)
    folder = 'test' if split == 'test' else 'train'
    boxes = first_there(root, 'Annotations')
    records = paired(root / 'infrared' / folder, root / 'visible' / folder)
    return part([
        replace(record, day_night='night', boxes=boxes / f'{record.id}.xml' if boxes else None)
        for record in records
    ], split)


def roadscene(root: Path, split: str) -> list[Record]:
    """``cropinfrared`` and ``crop_LR_visible``: the 221 pairs that are aligned and of one size."""
    require_split(split, _ALL, root)
    return part(paired(root / 'cropinfrared', root / 'crop_LR_visible'), split)


def _train_or_test(root: Path, split: str) -> Path:
    require_split(split, _TRAIN_TEST, root)
    return root / ('test' if split == 'test' else 'train')


def _listed(root: Path, split: str) -> list[str]:
    """Names of a list ``SPLIT.txt``, without suffixes, in its order."""
    lists = {path.stem: path for path in sorted(root.glob('*.txt'))}
    if split not in lists:
        raise InputError(
            f'has no list {split}.txt', where=str(root),
            accepted=', '.join(sorted(lists)) or 'a folder with train.txt, val.txt, test.txt',
            remedy='give as root the folder that the archive unpacks to',
        )
    try:
        lines = lists[split].read_text(encoding='utf-8').split('\n')
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'cannot be read ({error})', where=str(lists[split])) from None
    names = [Path(line.strip()) for line in lines if line.strip()]
    return [name.stem if name.suffix else name.name for name in names]
