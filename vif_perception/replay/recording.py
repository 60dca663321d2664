"""What every recording offers, whatever it is stored in: topics and messages in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vif_perception.errors import InputError
from vif_perception.replay.typestore import ros1_types, ros2_types

ACCEPTED = (
    'ROS 1 .bag, rosbag2 folder (sqlite3 or MCAP), .mcap, .db3, or a folder with one subfolder '
    'of images per camera'
)
BAG_FILES = ('.bag', '.mcap', '.db3')
#: A chunk is read whole; larger ones would break the memory bound.
MAX_CHUNK_BYTES = 256 * 2**20


@dataclass(frozen=True)
class TopicInfo:
    """What a recording says of one topic: message type and number of messages."""

    type: str
    count: int


@dataclass(frozen=True)
class Message:
    """One recorded message, not yet decoded. ``raw`` is CDR, or ROS 1 bytes when ``ros1``.

    Raises:
        InputError: a receive time before 1970, which only sqlite3 can hold.
    """

    topic: str
    received_ns: int
    type: str
    raw: bytes
    ros1: bool = False

    def __post_init__(self) -> None:
        if self.received_ns < 0:
            raise InputError(
                f'a message was received at {self.received_ns} ns', where=self.topic,
                accepted='receive times of 0 ns (1970) or later',
                remedy='the clock of the recording computer was wrong; correct the timestamps in '
                'the recording, or record it again',
            )

    def decode(self) -> Any:
        """Return the message object of the type store; large arrays are views of ``raw``.

        Raises:
            InputError: the bytes are not a message of this type.
        """
        raw = memoryview(self.raw)  # a slice of bytes would be a copy
        try:
            if self.ros1:
                return ros1_types().deserialize_ros1(raw, self.type)
            return ros2_types().deserialize_cdr(raw, self.type)
        except Exception as error:  # rosbags raises its own, struct.error, AssertionError, ...
            raise InputError(
                f'{len(self.raw)} bytes are not a {self.type} ({error})', where=self.topic,
                remedy='the recording is damaged or was made with another message definition',
            ) from None


class Source(ABC):
    """A recording that can be read more than once, in receive order, in bounded memory.

    Attributes:
        path: where it is.
        start_ns: receive time of the first message.
        duration_ns: from the first to the last message; 0 when there is none.
        names: stamp -> file name without suffix, where messages were made from image files.
        damage: what is known to be wrong with it before its end is reached; '' when nothing is.
    """

    path: Path
    start_ns: int
    duration_ns: int
    names: Mapping[int, str] = MappingProxyType({})
    damage: str = ''

    @abstractmethod
    def topics(self) -> dict[str, TopicInfo]:
        """Return the topics; their count may be 0."""

    @abstractmethod
    def messages(self, topics: Collection[str], start_ns: int = 0) -> Iterator[Message]:
        """Yield the messages of these topics received at ``start_ns`` or later.

        Raises:
            InputError: at the place where the recording is damaged; all before was yielded.
        """

    def close(self) -> None:  # noqa: B027  most have nothing to give back
        """Give the files back."""


def damaged(path: Path, error: object, count: int, read_ns: int) -> InputError:
    """Say how far a recording could be read."""
    return InputError(
        f'is damaged or cut off: {count} messages could be read, up to {read_ns / 1e9:.3f} s '
        f'({error or type(error).__name__})', where=str(path), accepted='a whole recording',
        remedy='what could be read was processed; repair it with `mcap recover`, '
        '`rosbag reindex` or `ros2 bag reindex`, or record it again',
    )
