"""A folder of registered pairs for training, as ``training.datasets`` reads it.

``rgb/STAMP.png``, ``thermal/STAMP.png`` (8 or 16 bit as recorded, degrees as centikelvin) and,
where the recording has masks, ``label/STAMP.png``; each file is named by its own stamp in ns.
``index.csv`` says which belong together.
"""

from __future__ import annotations

import csv
import errno
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vif_perception.config import ThermalConfig
from vif_perception.errors import InputError
from vif_perception.pipeline import Pipeline
from vif_perception.replay.ground_truth import Truth
from vif_perception.replay.outputs import PATIENCE, Output
from vif_perception.sensing import to_kelvin
from vif_perception.sensing.profiles import PROFILES, guess_profile

INDEX = 'index.csv'
COLUMNS = (
    'id', 'split', 'day_night', 'vi', 'ir', 'label', 'stamp_ns', 'thermal_stamp_ns', 'skew_ms'
)


class PairFolder:
    """Writes the pairs that a player sends; takes the place of its outputs.

    Attributes:
        count: pairs written; masks: how many of them have one.

    Args:
        folder: where; pairs of other recordings that it holds already stay.
        split: of these pairs in the index.
        every: keep one pair of so many, as neighbours hardly differ.
        truth: masks of the recording; None: none.
        thermal: meaning of the thermal values.

    Raises:
        InputError: from any method: the folder cannot be written, a pair is there already, its
            index is of another kind, a mask does not fit, or float values have no unit.
    """

    def __init__(
        self, folder: Path, *, split: str, every: int, truth: Truth | None,
        thermal: ThermalConfig,
    ):
        self._folder, self._split, self._every = folder, split, every
        self._truth, self._thermal = truth, thermal
        self._profile: str = thermal.profile
        self._seen = self.count = self.masks = 0
        self._waiting: dict[int, tuple[dict[str, str], tuple[int, int]]] = {}
        self._rows = _read_index(folder / INDEX)
        self._known = {row['id'] for row in self._rows}

    @property
    def waiting(self) -> bool:
        """Whether pairs wait for their mask."""
        return bool(self._waiting)

    def add(self, output: Output, pipeline: Pipeline) -> None:
        """Write one pair, unless it is one of those to leave out."""
        self._seen += 1
        if (self._seen - 1) % self._every:
            return
        pair, view, stamp_ns = output.pair, output.view, output.perception.stamp_ns
        assert pair.rgb is not None
        assert pair.thermal is not None
        row = dict.fromkeys(COLUMNS, '') | {
            'id': str(stamp_ns), 'split': self._split,
            'vi': f'rgb/{pair.rgb.stamp_ns}.png', 'ir': f'thermal/{pair.thermal.stamp_ns}.png',
            'stamp_ns': str(pair.rgb.stamp_ns), 'thermal_stamp_ns': str(pair.thermal.stamp_ns),
            'skew_ms': f'{pair.skew_ns / 1e6:.3f}',
        }
        if row['id'] in self._known:
            raise InputError(f'pair {row["id"]} is there already', where=str(self._folder),
                             remedy='choose another --out, or remove the older pairs')
        rgb = view.rgb_picture()
        self._write(row['vi'], rgb)
        self._write(row['ir'], view.thermal_values(self._storable))
        self._rows.append(row)
        self._known.add(row['id'])
        self.count += 1
        if self._truth is not None:
            self._waiting[stamp_ns] = row, (rgb.shape[0], rgb.shape[1])
            self.settle()

    def settle(self) -> None:
        """Write the masks that are there; forget pairs whose mask cannot come any more."""
        for stamp_ns, (row, size) in list(self._waiting.items()):
            found = self._truth.find(stamp_ns) if self._truth else None
            if found is not None:
                _check_size(*found, size)
                row['label'] = f'label/{stamp_ns}.png'
                self._write(row['label'], found[0])
                self.masks += 1
            if found is not None or len(self._waiting) > PATIENCE:
                del self._waiting[stamp_ns]

    def close(self) -> None:
        """Write the index of everything that was written."""
        if not self.count:
            return
        columns = list(dict.fromkeys([*COLUMNS, *(key for row in self._rows for key in row)]))
        partial = self._folder / f'{INDEX}.part'
        try:
            with partial.open('w', newline='', encoding='utf-8') as file:
                writer = csv.DictWriter(file, columns, restval='', lineterminator='\n')
                writer.writeheader()
                writer.writerows(self._rows)
            partial.replace(self._folder / INDEX)
        except OSError as error:
            raise _unwritable(partial, error) from None

    def _storable(self, thermal: np.ndarray) -> np.ndarray:
        """Return thermal values as uint8 or uint16; degrees become centikelvin."""
        if thermal.dtype != np.float32:
            return thermal
        if self._profile == 'auto':
            limits = self._thermal.window_min_k, self._thermal.window_max_k
            self._profile = guess_profile(thermal, limits)
        if PROFILES[self._profile].scale is None:
            raise InputError(
                'float thermal values without a unit', where='thermal.profile',
                accepted='kelvin or celsius, which are kept as centikelvin in 16 bit',
                remedy='--set thermal.profile=kelvin',
            )
        kelvin = np.nan_to_num(to_kelvin(self._profile, thermal), posinf=655.35, neginf=0)
        return np.rint(np.clip(kelvin * 100, 0, 65535)).astype(np.uint16)

    def _write(self, name: str, image: np.ndarray) -> None:
        path = self._folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path, compress_level=3)
        except OSError as error:
            raise _unwritable(path, error) from None


def _read_index(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        with path.open(newline='', encoding='utf-8-sig') as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f'cannot be read ({error})', where=str(path)) from None
    if rows and not {'id', 'ir', 'split'} <= set(rows[0]):
        raise InputError('is the index of something else', where=str(path),
                         accepted=f'columns {", ".join(COLUMNS)}', remedy='choose another --out')
    return rows


def _check_size(mask: np.ndarray, where: str, size: tuple[int, int]) -> None:
    if mask.shape != size:
        raise InputError(
            f'mask is {mask.shape[1]}x{mask.shape[0]}', where=where,
            accepted=f'{size[1]}x{size[0]}, the size of the reference camera',
            remedy='label the images of the reference camera, or extract with --truth none',
        )


def _unwritable(path: Path, error: OSError) -> InputError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return InputError(f'cannot be written ({error.strerror or error})', where=str(path),
                      accepted='' if full else 'as --out, a folder that is there or can be made',
                      remedy='make room, or choose another --out' if full
                      else 'choose another --out')
