"""Reads what is left of a recording whose index is missing or whose end was cut off.

The files are read from front to back, one chunk in memory at a time, twice: once to learn the
topics and how far they can be read, once for the messages.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from mcap.records import Channel, Header, Schema
from mcap.records import Message as McapMessage
from mcap.stream_reader import StreamReader
from rosbags.rosbag1 import reader as rosbag1
from rosbags.typesys.msg import normalize_msgtype
from typing_extensions import override

from vif_perception.errors import InputError
from vif_perception.replay.recording import (
    ACCEPTED,
    MAX_CHUNK_BYTES,
    Message,
    Source,
    TopicInfo,
    damaged,
)

Scan = Callable[[Path], Iterator[Message]]


class DamagedSource(Source):
    """The readable part of one file. messages() ends with an InputError that says so."""

    def __init__(self, path: Path, scan: Scan, reason: object):
        self.path = path
        self.start_ns = self.duration_ns = self._count = 0
        self._scan = scan
        self._topics: dict[str, TopicInfo] = {}
        self._reason = reason
        last_ns = 0
        try:
            for message in scan(path):
                before = self._topics.get(message.topic, TopicInfo(message.type, 0))
                self._topics[message.topic] = TopicInfo(message.type, before.count + 1)
                self.start_ns = self.start_ns if self._count else message.received_ns
                last_ns = max(last_ns, message.received_ns)
                self._count += 1
        except Exception as error:  # the place where the damage begins: nearly any kind
            self._reason = error if str(error) else reason
        self.duration_ns = max(0, last_ns - self.start_ns)
        self.damage = str(self._damaged())

    @override
    def topics(self) -> dict[str, TopicInfo]:
        return self._topics

    @override
    def messages(self, topics: Collection[str], start_ns: int = 0) -> Iterator[Message]:
        stream = self._scan(self.path)
        for _ in range(self._count):
            message = next(stream)
            if message.topic in topics and message.received_ns >= start_ns:
                yield message
        raise self._damaged()

    def _damaged(self) -> InputError:
        return damaged(self.path, self._reason, self._count, self.duration_ns)


def open_damaged(path: Path, reason: Exception) -> DamagedSource:
    """Open a file that its proper reader refused.

    Raises:
        InputError: not one message can be read from it.
    """
    source = DamagedSource(path, _SCANS[path.suffix], reason)
    if not source.topics():
        raise InputError(
            f'cannot be read: {reason or type(reason).__name__}', where=str(path),
            accepted=ACCEPTED, remedy='record it again; nothing in this file can be recovered',
        )
    return source


def _scan_mcap(path: Path) -> Iterator[Message]:
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    with path.open('rb') as stream:
        for record in StreamReader(stream, record_size_limit=MAX_CHUNK_BYTES).records:
            if isinstance(record, Header) and record.profile != 'ros2':
                raise InputError(
                    f'is an MCAP file of profile {record.profile!r}', accepted="profile 'ros2'"
                )
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, McapMessage):
                channel = channels[record.channel_id]
                kind = schemas[channel.schema_id].name
                yield Message(channel.topic, record.log_time, kind, record.data)


def _scan_rosbag1(path: Path) -> Iterator[Message]:
    connections: dict[int, tuple[str, str]] = {}
    with path.open('rb') as stream:
        stream.readline()
        yield from _records(stream, connections)


def _records(stream: BinaryIO, connections: dict[int, tuple[str, str]]) -> Iterator[Message]:
    """Walk the records of a ROS 1 bag or of one of its chunks (format 2.0, wiki.ros.org/Bags)."""
    kinds = rosbag1.RecordType
    while _more(stream):
        header = rosbag1.Header.read(stream)
        size = rosbag1.read_uint32(stream)
        if size > MAX_CHUNK_BYTES:
            raise InputError(f'a record claims {size} bytes')
        data = rosbag1.read_bytes(stream, size)
        kind = header.get_uint8('op')
        if kind == kinds.CHUNK:
            unpack = rosbag1.decompressors[header.get_string('compression')]
            yield from _records(BytesIO(unpack(data)), connections)
        elif kind == kinds.CONNECTION:
            # the data of a connection record is a header itself, without its length
            about = rosbag1.Header.read(BytesIO(size.to_bytes(4, 'little') + data))
            topic = rosbag1.normalize(header.get_string('topic'))
            connections[header.get_uint32('conn')] = (
                topic, normalize_msgtype(about.get_string('type'))
            )
        elif kind == kinds.MSGDATA:
            topic, type_name = connections[header.get_uint32('conn')]
            yield Message(topic, header.get_time('time'), type_name, data, ros1=True)


def _more(stream: BinaryIO) -> bool:
    position = stream.tell()
    found = stream.read(1)
    stream.seek(position)
    return bool(found)


def _scan_sqlite3(path: Path) -> Iterator[Message]:
    connection = sqlite3.connect(f'{path.absolute().as_uri()}?mode=ro&immutable=1', uri=True)
    try:
        # without this sqlite refuses a file that is shorter than its header says
        connection.execute('PRAGMA writable_schema=ON')
        topics = {
            key: (name, kind)
            for key, name, kind in connection.execute('SELECT id, name, type FROM topics')
        }
        rows = connection.execute('SELECT topic_id, timestamp, data FROM messages ORDER BY id')
        for key, received_ns, raw in rows:
            yield Message(topics[key][0], received_ns, topics[key][1], raw)
    finally:
        connection.close()


_SCANS: dict[str, Scan] = {
    '.mcap': _scan_mcap, '.bag': _scan_rosbag1, '.db3': _scan_sqlite3,
}
