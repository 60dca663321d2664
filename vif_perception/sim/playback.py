"""A rendered stretch of a drive as an endless live pair of cameras, with fresh stamps."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vif_perception.sim.faults import Fault, FaultInjector
from vif_perception.sim.stream import ENOUGH, Exposure
from vif_perception.types import Frame

Source = Literal['rgb', 'thermal', 'truth']


@dataclass(frozen=True)
class Delivery:
    """A frame that arrives: an image of a camera, or the mask (mono8) of an rgb exposure."""

    source: Source
    frame: Frame


class Playback:
    """Plays exposures forwards, backwards, forwards ..., so that no picture jumps.

    It may start as soon as there are two; those that come later make the stretch longer.

    Args:
        rgb_frame_id, thermal_frame_id: for the frames.
        faults: what goes wrong; their seconds count from the first exposure played.
        seed: of the faults that happen by chance.
    """

    def __init__(self, rgb_frame_id: str, thermal_frame_id: str, faults: Sequence[Fault] = (),
                 seed: int = 0):
        self._frame_ids = rgb_frame_id, thermal_frame_id
        self._injector = FaultInjector(faults, seed)
        self._exposures: list[Exposure] = []
        self._position, self._step = -1, 1
        self._waiting: list[tuple[int, int, Delivery]] = []
        self._count = 0

    def add(self, exposure: Exposure) -> None:
        """Make the stretch longer; another thread may do it."""
        self._exposures.append(exposure)

    @property
    def ready(self) -> bool:
        """Whether it can be played: a single picture would look like a frozen camera."""
        return len(self._exposures) >= ENOUGH

    def expose(self, now_ns: int, stamp_ns: int) -> None:
        """Play the next exposure.

        Args:
            now_ns: when it happens, on the clock that ``due`` is asked with.
            stamp_ns: the same instant as the stamp of the rgb frame.

        Raises:
            IndexError: not ready.
        """
        exposure = self._next()
        rgb_id, thermal_id = self._frame_ids
        rgb = Frame(stamp_ns, rgb_id, self._fresh(exposure.rgb), 'rgb8')
        later_ns = exposure.thermal_offset_ns
        thermal = Frame(stamp_ns + later_ns, thermal_id, self._fresh(exposure.thermal), 'mono16')
        rgb_ns, thermal_ns = now_ns + exposure.rgb_delay_ns, now_ns + later_ns
        altered, arrival_ns = self._injector.alter('rgb', rgb, rgb_ns)
        if altered is not None:
            self._push(arrival_ns, Delivery('rgb', altered))
        truth = Frame(altered.stamp_ns if altered else stamp_ns, rgb_id, exposure.mask, 'mono8')
        self._push(rgb_ns, Delivery('truth', truth))
        altered, arrival_ns = self._injector.alter(
            'thermal', thermal, thermal_ns + exposure.thermal_delay_ns)
        if altered is not None:
            self._push(arrival_ns, Delivery('thermal', altered))

    def due(self, now_ns: int) -> list[Delivery]:
        """Return what has arrived by now, in order of arrival."""
        arrived = []
        while self._waiting and self._waiting[0][0] <= now_ns:
            arrived.append(heapq.heappop(self._waiting)[2])
        return arrived

    def next_ns(self) -> int | None:
        """Return when the next frame arrives, None when none is on its way."""
        return self._waiting[0][0] if self._waiting else None

    def _next(self) -> Exposure:
        last = len(self._exposures) - 1
        if last < 1:
            raise IndexError('nothing to play: two exposures are needed')
        if not 0 <= self._position + self._step <= last:
            self._step = -self._step
        self._position += self._step
        return self._exposures[self._position]

    def _fresh(self, image: np.ndarray) -> np.ndarray:
        """Return a copy with other noise in one row: equal bytes would mean a frozen camera."""
        noisy = image.copy()
        noisy[self._count % len(noisy)] ^= 1
        return noisy

    def _push(self, arrival_ns: int, delivery: Delivery) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (arrival_ns, self._count, delivery))
