"""Rendered exposures as bytes, so that a process of its own can render them ahead.

``python -m vif_perception.sim.stream '{"seed": 0, "count": 120}'`` writes them to its standard
output, one record after the other: three int64 (see ``Exposure``), the rgb bytes, the thermal
bytes, the mask bytes.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from vif_perception.sim.rig import Rig

_TIMES = struct.Struct('<qqq')
#: Exposures that playing can begin with.
ENOUGH = 2
Size = tuple[int, int]


@dataclass(frozen=True)
class Exposure:
    """What both cameras saw at one instant, without stamps.

    Attributes:
        rgb: HxWx3 uint8 rgb8; thermal: HxW uint16, centikelvin; mask: HxW uint8 MFNet ids.
        thermal_offset_ns: thermal stamp minus rgb stamp.
        rgb_delay_ns, thermal_delay_ns: from the exposure to the arrival of the frame.
    """

    rgb: np.ndarray
    thermal: np.ndarray
    mask: np.ndarray
    thermal_offset_ns: int
    rgb_delay_ns: int
    thermal_delay_ns: int


def write_exposures(rig: Rig, count: int, stream: IO[bytes]) -> Iterator[int]:
    """Render the first ``count`` samples of a rig without faults; yield how many are written."""
    for sample in rig.samples(count):
        assert sample.rgb is not None
        assert sample.thermal is not None
        rgb_ns, thermal_ns = sample.rgb.stamp_ns, sample.thermal.stamp_ns
        stream.write(_TIMES.pack(
            thermal_ns - rgb_ns, sample.rgb_received_ns - rgb_ns,
            sample.thermal_received_ns - thermal_ns,
        ))
        for image in (sample.rgb.data, sample.thermal.data, sample.mask):
            stream.write(np.ascontiguousarray(image).data)
        stream.flush()
        yield sample.index + 1


def read_exposures(stream: IO[bytes], size: Size, thermal_size: Size) -> Iterator[Exposure]:
    """Yield what ``write_exposures`` wrote, up to the last one that is complete.

    Args:
        stream: reads block until as many bytes are there or the writer is gone.
        size, thermal_size: (width, height) of the images, px.
    """
    shapes = (
        ((size[1], size[0], 3), np.uint8), ((thermal_size[1], thermal_size[0]), np.uint16),
        ((size[1], size[0]), np.uint8),
    )
    lengths = [int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in shapes]
    while True:
        record = stream.read(_TIMES.size + sum(lengths))
        if len(record) < _TIMES.size + sum(lengths):
            return
        images, start = [], _TIMES.size
        for (shape, kind), length in zip(shapes, lengths, strict=True):
            images.append(np.frombuffer(record, kind, length // np.dtype(kind).itemsize, start)
                          .reshape(shape))
            start += length
        yield Exposure(images[0], images[1], images[2], *_TIMES.unpack_from(record))


def main() -> int:
    """Render as told by the JSON object in the first argument: ``count`` and options of ``Rig``.

    The process gives way to others as soon as the playing can begin, ignores Ctrl-C (who started
    it ends it) and ends quietly when nobody reads any more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    options = json.loads(sys.argv[1])
    count = options.pop('count')
    try:
        for done in write_exposures(Rig(**options), count, sys.stdout.buffer):
            if done == ENOUGH:
                os.nice(10)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
    return 0


if __name__ == '__main__':
    sys.exit(main())
