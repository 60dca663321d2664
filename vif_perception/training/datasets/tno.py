"""TNO Image Fusion Dataset: the authors' tree of scenes, in which every camera names its own way.

Pairs lie side by side (``IR_x.bmp``, ``VIS_x.bmp``; ``LWIR.tif``, ``Vis.tif``) or in sister
folders (``thermal/12i.bmp``, ``visual/12v.bmp``; ``thermal/RAD12.bmp``, ``dhv/DHV12.bmp``). The
common rearrangement ``ir/``, ``vi/`` with equal names is read, too.
"""

from __future__ import annotations

import re
from pathlib import Path

from vif_perception.errors import InputError
from vif_perception.training.datasets.folders import (
    PARTS,
    first_there,
    paired,
    part,
    require_split,
)
from vif_perception.training.datasets.images import SUFFIXES
from vif_perception.training.datasets.sample import Record

_THERMAL_FOLDERS = ('thermal',)
_RGB_FOLDERS = ('visual', 'dhv')
#: Near infrared (NIR) is neither.
_THERMAL_NAME = re.compile(r'^(lwir|ir|rad)(?![a-z])|\di$', re.IGNORECASE)
_RGB_NAME = re.compile(r'^(vis|dhv)(?![a-z])|\dv$', re.IGNORECASE)


def tno(root: Path, split: str) -> list[Record]:
    """All pairs of the tree; splits ``all``, ``train90``, ``val10``."""
    require_split(split, ('all', *PARTS), root)
    flat = first_there(root, 'ir'), first_there(root, 'vi')
    if flat[0] and flat[1]:
        return part(paired(flat[0], flat[1]), split)
    return part(_tree(root), split)


def _tree(root: Path) -> list[Record]:
    scenes: dict[str, dict[str, list[Path]]] = {}
    for path in sorted(root.rglob('*')):
        camera = _camera(path) if path.suffix.lower() in SUFFIXES else ''
        if camera:
            folder = path.parent
            if folder.name.lower() in (*_THERMAL_FOLDERS, *_RGB_FOLDERS):
                folder = folder.parent
            cameras = scenes.setdefault(folder.relative_to(root).as_posix(), {})
            cameras.setdefault(camera, []).append(path)
    records = []
    for scene, cameras in scenes.items():
        rgb = {_number(path): path for path in cameras.get('rgb', ())}
        thermal = {_number(path): path for path in cameras.get('thermal', ())}
        if len(rgb) == len(thermal) == 1:  # the numbers of a single pair need not agree
            rgb = dict(zip(thermal, rgb.values(), strict=True))
        records += [
            Record(f'{scene}/{number}'.strip('/.'), thermal[number], rgb[number])
            for number in thermal if number in rgb
        ]
    if not records:
        raise InputError('holds no pairs of TNO', where=str(root),
                         accepted='the tree of the authors, or ir/ and vi/ with equal names')
    return records


def _camera(path: Path) -> str:
    folder = path.parent.name.lower()
    if folder in _THERMAL_FOLDERS or _THERMAL_NAME.search(path.stem):
        return 'thermal'
    return 'rgb' if folder in _RGB_FOLDERS or _RGB_NAME.search(path.stem) else ''


def _number(path: Path) -> str:
    """The last number in a name: what the two files of a pair share."""
    return (re.findall(r'\d+', path.stem) or [''])[-1]
