"""One way to read every recording: ROS 1 bags, rosbag2 folders, lone MCAP and sqlite3 files."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag2 import Reader as Reader2
from typing_extensions import override

from vif_perception.errors import InputError
from vif_perception.replay.folder import FolderSource, image_folders
from vif_perception.replay.recording import (
    ACCEPTED,
    BAG_FILES,
    MAX_CHUNK_BYTES,
    Message,
    Source,
    TopicInfo,
    damaged,
)
from vif_perception.replay.salvage import open_damaged


class RosbagSource(Source):
    """A whole recording, read by rosbags.

    Raises:
        InputError: from messages(), where the recording turns out to be damaged.
        Exception: from the constructor, whatever the reader raises on a file it cannot open.
    """

    def __init__(self, path: Path):
        self.path = path
        self._ros1 = path.suffix == '.bag'
        reader: Any = Reader1(path) if self._ros1 else Reader2(path)
        reader.open()
        self._reader = reader
        self.start_ns = int(reader.start_time)
        self.duration_ns = int(reader.duration) if reader.message_count else 0
        if not self._ros1:
            self._check(reader.storage)

    @override
    def topics(self) -> dict[str, TopicInfo]:
        found: dict[str, TopicInfo] = {}
        for connection in self._reader.connections:
            before = found.get(connection.topic, TopicInfo(connection.msgtype, 0))
            found[connection.topic] = TopicInfo(
                connection.msgtype, before.count + connection.msgcount
            )
        return found

    @override
    def messages(self, topics: Collection[str], start_ns: int = 0) -> Iterator[Message]:
        wanted = [entry for entry in self._reader.connections if entry.topic in topics]
        count, last_ns = 0, self.start_ns
        start = start_ns or None  # 0 would leave out what has a time before 1970, unsaid
        stream = self._reader.messages(connections=wanted, start=start) if wanted else ()
        try:
            for connection, last_ns, raw in stream:
                yield Message(connection.topic, last_ns, connection.msgtype, raw, self._ros1)
                count += 1
        except InputError:
            raise
        except Exception as error:  # damaged files make the readers raise nearly anything
            raise damaged(self.path, error, count, last_ns - self.start_ns) from None

    @override
    def close(self) -> None:
        self._reader.close()

    def _check(self, storage: Any) -> None:
        """Refuse what rosbags would open but we could not decode or hold in memory."""
        for connection in self._reader.connections:
            form = connection.ext.serialization_format
            if form != 'cdr':
                raise InputError(
                    f'{connection.topic} is serialised as {form!r}', where=str(self.path),
                    accepted='cdr, as ROS 2 records it',
                )
        for part in getattr(storage, 'storages', [storage]):
            largest = max((c.uncompressed_size for c in getattr(part, 'chunks', [])), default=0)
            if largest > MAX_CHUNK_BYTES:
                raise InputError(
                    f'has a chunk of {largest >> 20} MiB', where=str(part.path),
                    accepted=f'chunks of at most {MAX_CHUNK_BYTES >> 20} MiB',
                    remedy='write it again with smaller chunks: mcap compress --chunk-size',
                )


class Chain(Source):
    """Several recordings played one after the other, in the order given."""

    def __init__(self, sources: Sequence[Source]):
        self.path = sources[0].path
        self.start_ns = sources[0].start_ns
        self.duration_ns = sum(source.duration_ns for source in sources)
        self.sources = list(sources)
        self.damage = '; '.join(source.damage for source in sources if source.damage)

    @override
    def topics(self) -> dict[str, TopicInfo]:
        merged: dict[str, TopicInfo] = {}
        for source in self.sources:
            for name, info in source.topics().items():
                before = merged.get(name, TopicInfo(info.type, 0))
                if before.type != info.type:
                    raise InputError(
                        f'{name} is a {info.type} here but a {before.type} before',
                        where=str(source.path), remedy='replay these recordings one by one',
                    )
                merged[name] = TopicInfo(info.type, before.count + info.count)
        return merged

    @override
    def messages(self, topics: Collection[str], start_ns: int = 0) -> Iterator[Message]:
        first_error: InputError | None = None
        skip_ns = max(0, start_ns - self.start_ns)
        for source in self.sources:
            try:
                yield from source.messages(topics, source.start_ns + skip_ns if skip_ns else 0)
            except InputError as error:
                # the next recording is worth reading even when this one ends early
                first_error = first_error or error
            skip_ns = max(0, skip_ns - source.duration_ns)
        if first_error is not None:
            raise first_error

    @override
    def close(self) -> None:
        for source in self.sources:
            source.close()


def open_source(paths: Sequence[Path], *, max_pixels: int = 1 << 24) -> Source:
    """Open recordings to be played one after the other.

    Args:
        paths: files and folders; a rosbag2 folder without metadata.yaml (the recorder was
            killed) is read file by file.
        max_pixels: largest accepted image in a folder of images.

    Raises:
        InputError: nothing there, not a recording, no message can be read from it.
    """
    if not paths:
        raise InputError('no recording was given', accepted=ACCEPTED)
    sources: list[Source] = []
    try:
        for path in paths:
            sources += _open(Path(path), max_pixels)
    except BaseException:
        for source in sources:
            source.close()
        raise
    return sources[0] if len(sources) == 1 else Chain(sources)


def _open(path: Path, max_pixels: int) -> list[Source]:
    if not os.path.exists(path):  # also False for names too long and links in a circle
        raise InputError('does not exist', where=str(path), accepted=ACCEPTED)
    if path.is_file():
        return [_open_file(path)]
    if not path.is_dir():
        raise InputError('is neither a file nor a folder', where=str(path), accepted=ACCEPTED)
    if (path / 'metadata.yaml').is_file():
        try:
            return [RosbagSource(path)]
        except InputError:
            raise
        except Exception as error:  # read its files one by one below
            reason: object = error
    else:
        reason = 'it has no metadata.yaml'
    files = sorted(
        (file for file in path.iterdir() if file.suffix in BAG_FILES), key=_natural
    )
    if files:
        return [_open_file(file) for file in files]
    if image_folders(path):
        return [FolderSource(path, max_pixels)]
    raise InputError(
        f'is no recording: {reason}, and there are no bag files or images in it',
        where=str(path), accepted=ACCEPTED,
    )


def _open_file(path: Path) -> Source:
    if path.suffix not in BAG_FILES:
        raise InputError(
            f'is no recording: its name ends in {path.suffix or "nothing"!r}', where=str(path),
            accepted=ACCEPTED, remedy='unpack archives; rename `.bag.active` to `.bag`',
        )
    if path.stat().st_size == 0:
        raise InputError(
            'is an empty file', where=str(path), accepted=ACCEPTED,
            remedy='record again: the recorder wrote nothing',
        )
    try:
        return RosbagSource(path)
    except InputError:
        raise
    except Exception as error:  # see RosbagSource: readers raise nearly anything
        return open_damaged(path, error)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts drive_2 before drive_10."""
    parts = re.findall(r'\d+|\D+', path.name)
    return [(int(part), '') if part.isdigit() else (-1, part) for part in parts]
