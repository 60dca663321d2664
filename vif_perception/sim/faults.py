"""Faults that happen to real cameras, applied to a stream of frames, synthetic or recorded.

A fault is written ``NAME:CAMERA[:VALUE][@START[+DURATION]]``: CAMERA is thermal, rgb or both,
START and DURATION are seconds since the first frame; without them the fault always acts.
Examples: ``drop:thermal:0.1``, ``freeze:thermal@3.0+1.0``, ``late:rgb:80``,
``clock_jump:both:-5@10``.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vif_perception.errors import InputError
from vif_perception.types import Camera, Frame

GRAMMAR = 'NAME:CAMERA[:VALUE][@START[+DURATION]]'

#: Name -> what it does; VALUE is explained where there is one.
FAULTS = {
    'drop': 'frames get lost; VALUE: probability 0..1, default 1',
    'freeze': 'the picture stands still while stamps go on (shutter calibration, hung driver)',
    'blank': 'uniform frames (closed shutter, covered lens)',
    'late': 'frames arrive later than they should; VALUE: ms, default 200',
    'reorder': 'a frame arrives after its successor; VALUE: probability 0..1, default 0.1',
    'clock_jump': 'stamps jump; VALUE: s, may be negative, default -5',
    'wrong_encoding': 'the message names an encoding that does not fit its data',
    'gain_step': 'all values are multiplied; VALUE: factor, default 1.5',
}

_VALUES = {  # lowest, highest, default; a fault that is not here takes no value
    'drop': (0.0, 1.0, 1.0),
    'late': (0.0, 60_000.0, 200.0),
    'reorder': (0.0, 1.0, 0.1),
    'clock_jump': (-86_400.0, 86_400.0, -5.0),
    'gain_step': (0.0, 100.0, 1.5),
}

_FORM = re.compile(r'([^:@]*):([^:@]*)(?::([^:@]*))?(?:@([^+]*)(?:\+(.*))?)?')


@dataclass(frozen=True)
class Fault:
    """One fault: its kind, the camera it happens to, its strength and when.

    Attributes:
        name: key of FAULTS.
        cameras: those it happens to.
        value: see FAULTS; 0 where there is none.
        start_s, end_s: when it acts, s since the first frame; end_s may be infinite.
    """

    name: str
    cameras: tuple[Camera, ...]
    value: float
    start_s: float = 0.0
    end_s: float = math.inf


def parse_fault(text: str) -> Fault:
    """Read a fault from its written form.

    Raises:
        InputError: not of the form GRAMMAR, unknown name or camera, value out of range.
    """
    match = _FORM.fullmatch(text.strip())
    if not match:
        raise InputError(f'{text!r} is not a fault', where='fault', accepted=GRAMMAR,
                         remedy='for example drop:thermal:0.1 or freeze:thermal@3.0+1.0')
    name, camera, value, start, duration = match.groups()
    if name not in FAULTS:
        raise InputError(f'unknown fault {name!r}', where=f'fault {text!r}',
                         accepted=', '.join(FAULTS))
    cameras: dict[str, tuple[Camera, ...]] = {
        'thermal': ('thermal',), 'rgb': ('rgb',), 'both': ('thermal', 'rgb')}
    if camera not in cameras:
        raise InputError(f'unknown camera {camera!r}', where=f'fault {text!r}',
                         accepted=', '.join(cameras))
    if value is not None and name not in _VALUES:
        raise InputError(f'{name} takes no value', where=f'fault {text!r}',
                         accepted=f'{name}:{camera}[@START[+DURATION]]')
    low, high, default = _VALUES.get(name, (0.0, 0.0, 0.0))
    strength = _number(value, default, low, high, 'value', text)
    begin = _number(start, 0.0, 0.0, 1e9, 'start', text)
    length = _number(duration, math.inf, 0.0, 1e9, 'duration', text)
    return Fault(name, cameras[camera], strength, begin, begin + length)


def _number(text: str | None, default: float, low: float, high: float, what: str, where: str
            ) -> float:
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not low <= number <= high:  # also refuses nan
        raise InputError(f'{what} is {text!r}', where=f'fault {where!r}',
                         accepted=f'a number from {low:g} to {high:g}')
    return number


class FaultInjector:
    """Passes frames on as a faulty pair of cameras would deliver them.

    Args:
        faults: applied one after the other.
        seed: of the faults that happen by chance.
    """

    def __init__(self, faults: Sequence[Fault], seed: int = 0):
        self._faults = tuple(faults)
        self._chance = [np.random.default_rng((seed, 61, i)) for i in range(len(self._faults))]
        self._frozen: dict[tuple[int, Camera], Frame] = {}
        self._last_ns: dict[Camera, int] = {}
        self._first_ns: int | None = None
        self._waiting: list[tuple[int, int, Camera, Frame]] = []
        self._count = 0

    def apply(self, camera: Camera, frame: Frame, received_ns: int
              ) -> list[tuple[Camera, Frame, int]]:
        """Take the next frame, in receive order; return what arrives up to its time.

        Returns:
            (camera, frame, received_ns) in receive order; frames held back come with a later call.
        """
        altered, arrival_ns = self.alter(camera, frame, received_ns)
        if altered is not None:
            self._count += 1
            heapq.heappush(self._waiting, (arrival_ns, self._count, camera, altered))
        return self._release(received_ns)

    def flush(self) -> list[tuple[Camera, Frame, int]]:
        """Return what is still held back, in receive order."""
        return self._release(None)

    def alter(self, camera: Camera, frame: Frame, received_ns: int) -> tuple[Frame | None, int]:
        """Return what becomes of one frame, None when it is lost, and when it arrives."""
        if self._first_ns is None:
            self._first_ns = received_ns
        elapsed_s = (received_ns - self._first_ns) / 1e9
        period_ns = received_ns - self._last_ns.get(camera, received_ns)
        self._last_ns[camera] = received_ns
        arrival_ns = received_ns
        result: Frame | None = frame
        for index, fault in enumerate(self._faults):
            if result is None or camera not in fault.cameras:
                continue
            acts = fault.start_s <= elapsed_s < fault.end_s
            if fault.name == 'freeze':
                result = self._freeze((index, camera), result, acts)
            elif not acts:
                continue
            elif fault.name == 'drop':
                result = None if self._chance[index].random() < fault.value else result
            elif fault.name == 'late':
                arrival_ns += round(fault.value * 1e6)
            elif fault.name == 'reorder':
                if self._chance[index].random() < fault.value:
                    arrival_ns += period_ns * 5 // 4
            else:
                result = _CHANGES[fault.name](result, fault.value)
        return result, arrival_ns

    def _freeze(self, key: tuple[int, Camera], frame: Frame, acts: bool) -> Frame:
        if not acts or key not in self._frozen:
            self._frozen[key] = frame
            return frame
        return replace(frame, data=self._frozen[key].data)

    def _release(self, until_ns: int | None) -> list[tuple[Camera, Frame, int]]:
        out = []
        while self._waiting and (until_ns is None or self._waiting[0][0] <= until_ns):
            arrival_ns, _, camera, frame = heapq.heappop(self._waiting)
            out.append((camera, frame, arrival_ns))
        return out


def _blank(frame: Frame, _: float) -> Frame:
    level = frame.data.mean() if frame.data.dtype != np.uint8 else 0
    return replace(frame, data=np.full_like(frame.data, level))


def _jump(frame: Frame, seconds: float) -> Frame:
    return replace(frame, stamp_ns=max(0, frame.stamp_ns + round(seconds * 1e9)))


def _wrong_encoding(frame: Frame, _: float) -> Frame:
    return replace(frame, encoding='rgb8' if frame.data.ndim == 2 else 'mono16')


def _gain(frame: Frame, factor: float) -> Frame:
    if frame.data.dtype == np.float32:
        return replace(frame, data=frame.data * np.float32(factor))
    top = np.iinfo(frame.data.dtype).max
    scaled = np.minimum(frame.data * np.float32(factor), np.float32(top))
    return replace(frame, data=scaled.astype(frame.data.dtype))


_CHANGES = {'blank': _blank, 'clock_jump': _jump, 'wrong_encoding': _wrong_encoding,
            'gain_step': _gain}
