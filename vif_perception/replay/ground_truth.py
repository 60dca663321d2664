"""Ground-truth masks for the outputs: from a topic, or from a folder of PNG files.

A topic is matched by stamp: the mask belongs to the output whose (reference) stamp it carries.
Files of a folder are matched by the first rule that fits all of their names:

1. stamps in ns since 1970 (``1795318462366494298.png``): as a topic;
2. the recording is a folder of images: equal names;
3. as many files as the reference camera has frames: in order of name;
4. whole numbers (``000012.png``): the frame's place in the recording, counted from 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from typing_extensions import override

from vif_perception.errors import InputError
from vif_perception.replay.decode import decode_truth
from vif_perception.replay.folder import is_stamp
from vif_perception.replay.recording import Message
from vif_perception.sensing import decode_compressed_mask

_RULES = 'names: stamps in ns, names of the images, one file a frame in order, or frame numbers'
#: Masks and frame numbers remembered for outputs that are still to come.
_REMEMBERED = 64


class Truth(ABC):
    """Where masks come from.

    Attributes:
        waits: whether a mask may arrive after the output that it belongs to.
    """

    waits = False

    def take(self, message: Message) -> None:  # noqa: B027  only a topic has messages
        """Take a message of the ground-truth topic."""

    def saw_reference(self, stamp_ns: int | None) -> None:  # noqa: B027  only files have numbers
        """Count one frame of the reference camera; None: it could not be decoded."""

    @abstractmethod
    def find(self, stamp_ns: int) -> tuple[np.ndarray, str] | None:
        """Return (HxW uint8 ids, where it comes from) for the output with this stamp.

        Raises:
            InputError: the mask cannot be decoded.
        """


class TopicTruth(Truth):
    """Masks of a topic, matched by stamp exactly."""

    waits = True

    def __init__(self, max_pixels: int):
        self._max_pixels = max_pixels
        self._masks: dict[int, tuple[np.ndarray, str]] = {}

    @override
    def take(self, message: Message) -> None:
        stamp_ns, mask = decode_truth(message, self._max_pixels)
        self._masks[stamp_ns] = mask, f'{message.topic} at {stamp_ns}'
        _forget_oldest(self._masks)

    @override
    def find(self, stamp_ns: int) -> tuple[np.ndarray, str] | None:
        return self._masks.pop(stamp_ns, None)


class FolderTruth(Truth):
    """Masks of a folder of PNG files.

    Args:
        folder: where they are.
        frames: number of messages of the reference camera in the recording.
        names: stamp -> name of the image, when the recording is a folder of images.
        from_start: whether the recording is read from its start; numbers mean nothing else.
        max_pixels: largest accepted mask.

    Raises:
        InputError: no PNG files, names that no rule fits.
    """

    def __init__(
        self, folder: Path, *, frames: int, names: Mapping[int, str], from_start: bool,
        max_pixels: int,
    ):
        files = sorted(folder.glob('*.png')) if folder.is_dir() else []
        if not files:
            raise InputError(
                'is no folder with PNG files', where=f'--truth {folder}',
                accepted=f'a topic of the recording, or a folder of 8-bit PNG masks ({_RULES})',
            )
        self._max_pixels = max_pixels
        self._names = names
        self._seen = 0
        self._numbers: dict[int, int] = {}
        self._by_stamp: dict[int, Path] = {}
        self._by_name: dict[str, Path] = {}
        self._by_number: dict[int, Path] = {}
        stems = {file.stem: file for file in files}
        if all(map(is_stamp, stems)):
            self._by_stamp = {int(stem): file for stem, file in stems.items()}
        elif set(stems) & set(names.values()):
            self._by_name = stems
        else:
            self._by_number = _numbered(files, frames, folder)
            if not from_start:
                raise InputError(
                    'masks are matched by frame number, which --start makes meaningless',
                    where=f'--truth {folder}',
                    remedy='name the masks by stamp in ns, or replay without --start',
                )

    @override
    def saw_reference(self, stamp_ns: int | None) -> None:
        if stamp_ns is not None:
            self._numbers[stamp_ns] = self._seen
            _forget_oldest(self._numbers)
        self._seen += 1

    @override
    def find(self, stamp_ns: int) -> tuple[np.ndarray, str] | None:
        file = (
            self._by_stamp.get(stamp_ns)
            or self._by_name.get(self._names.get(stamp_ns, ''))
            or self._by_number.get(self._numbers.get(stamp_ns, -1))
        )
        if file is None:
            return None
        try:
            mask = decode_compressed_mask(data=file.read_bytes(), max_pixels=self._max_pixels)
        except InputError as error:
            raise error.at(str(file)) from None
        except OSError as error:
            raise InputError(f'cannot be read ({error})', where=str(file)) from None
        return mask, str(file)


def _numbered(files: list[Path], frames: int, folder: Path) -> dict[int, Path]:
    if len(files) == frames:
        return dict(enumerate(files))
    numbers = {int(file.stem): file for file in files if file.stem.isdecimal()}
    if len(numbers) == len(files) and max(numbers) < frames:
        return numbers
    raise InputError(
        f'{len(files)} masks ({files[0].name} ...) cannot be matched to {frames} frames',
        where=f'--truth {folder}', accepted=_RULES,
    )


def _forget_oldest(memory: dict) -> None:
    while len(memory) > _REMEMBERED:
        del memory[next(iter(memory))]
