"""A folder with one subfolder of images per camera, read as if it were a recording.

``drive/rgb/0001.png`` and ``drive/thermal/0001.png`` become messages of the topics ``/rgb`` and
``/thermal``; images of equal name get equal stamps. Names that are nanoseconds since 1970 are
the stamps; other names are put in order and played at RATE_HZ.
"""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from typing_extensions import override

from vif_perception.errors import InputError
from vif_perception.replay.recording import Message, Source, TopicInfo
from vif_perception.replay.typestore import ros2_types
from vif_perception.sensing.encodings import check_size

RATE_HZ = 10.0
TYPE = 'sensor_msgs/msg/CompressedImage'
#: Read as they are.
_PLAIN = ('.png', '.jpg', '.jpeg')
#: Packed into a PNG first.
_CONVERTED = ('.webp', '.bmp', '.tif', '.tiff', '.pgm', '.ppm')
#: 2001-09-09: shorter numbers are frame counts, not nanoseconds since 1970.
MIN_STAMP_NS = 10**18
#: 2038-01-19: the end of the 32 bit that a message has for the seconds.
END_STAMP_NS = 2**31 * 10**9


def image_folders(path: Path) -> dict[str, list[Path]]:
    """Return {topic: image files in order of name} of the subfolders, or of the folder itself."""
    folders = [entry for entry in sorted(path.iterdir()) if entry.is_dir()]
    found = {_topic(folder): _images(folder) for folder in folders}
    found = {topic: files for topic, files in found.items() if files}
    return found or ({_topic(path): _images(path)} if _images(path) else {})


class FolderSource(Source):
    """A Source of CompressedImage messages made from image files."""

    def __init__(self, path: Path, max_pixels: int):
        self.path = path
        self._max_pixels = max_pixels
        self._files = image_folders(path)
        names = sorted({file.stem for files in self._files.values() for file in files})
        if names and all(is_stamp(name) for name in names):
            self._stamps = {name: int(name) for name in names}
        else:
            self._stamps = {
                name: round(index * 1e9 / RATE_HZ) for index, name in enumerate(names, start=1)
            }
        self.names = {stamp: name for name, stamp in self._stamps.items()}
        self.start_ns = min(self.names)
        self.duration_ns = max(self.names) - self.start_ns

    @override
    def topics(self) -> dict[str, TopicInfo]:
        return {topic: TopicInfo(TYPE, len(files)) for topic, files in self._files.items()}

    @override
    def messages(self, topics: Collection[str], start_ns: int = 0) -> Iterator[Message]:
        files = sorted(
            (self._stamps[file.stem], topic, file)
            for topic in topics for file in self._files.get(topic, ())
        )
        for stamp_ns, topic, file in files:
            if stamp_ns >= start_ns:
                yield Message(topic, stamp_ns, TYPE, self._message(stamp_ns, topic, file))

    def _message(self, stamp_ns: int, topic: str, file: Path) -> bytes:
        store = ros2_types()
        seconds, rest = divmod(stamp_ns, 1_000_000_000)
        stamp = store.types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=rest)
        header = store.types['std_msgs/msg/Header'](stamp=stamp, frame_id=topic[1:])
        data = np.frombuffer(self._read(file), np.uint8)
        form = 'jpeg' if file.suffix.lower() in ('.jpg', '.jpeg') else 'png'
        message = store.types[TYPE](header=header, format=form, data=data)
        return bytes(store.serialize_cdr(message, TYPE))

    def _read(self, file: Path) -> bytes:
        try:
            if file.suffix.lower() in _PLAIN:
                return file.read_bytes()
            with Image.open(file) as image:
                check_size(image.width, image.height, self._max_pixels)
                packed = io.BytesIO()
                image.save(packed, 'PNG', compress_level=0)
                return packed.getvalue()
        except InputError as error:
            raise error.at(str(file)) from None
        except Exception as error:  # Pillow raises many kinds on damaged files
            raise InputError(
                f'cannot be read as an image ({error})', where=str(file),
                accepted=', '.join((*_PLAIN, *_CONVERTED)),
            ) from None


def is_stamp(name: str) -> bool:
    """Tell whether a file name without suffix is a stamp in ns since 1970."""
    return name.isdecimal() and MIN_STAMP_NS <= int(name) < END_STAMP_NS


def _topic(folder: Path) -> str:
    """Return a topic's name; names that are not UTF-8 cannot stand in a message."""
    return '/' + os.fsencode(folder.name).decode('utf-8', 'backslashreplace')


def _images(folder: Path) -> list[Path]:
    suffixes = (*_PLAIN, *_CONVERTED)
    return sorted(entry for entry in folder.iterdir() if entry.suffix.lower() in suffixes)
