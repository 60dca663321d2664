"""What the cameras show a system: the rows of the segmentation tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from vif_perception.training.evaluation.frames import EvaluationFrame
from vif_perception.training.evaluation.members import Inputs
from vif_perception.types import Camera

SHIFTS_PX = (1, 2, 4, 8)


class View(NamedTuple):
    """Images for :meth:`Network.run`; None where a camera is told to be absent."""

    rgb: np.ndarray | None
    thermal: np.ndarray | None


@dataclass(frozen=True)
class Condition:
    """One state of the cameras.

    Attributes:
        name: in the tables.
        show: (frame, frame before it or None) -> what the system is given; None where the
            condition does not exist for a frame, which is left out then.
        parts: whether day and night have rows of their own.
    """

    name: str
    show: Callable[[EvaluationFrame, EvaluationFrame | None], View | None]
    parts: bool = False


def conditions_of(inputs: Inputs, *, modes_only: bool = False) -> list[Condition]:
    """Return the conditions that mean something for a network with these inputs, best first.

    Networks of one camera have one. Early fusion has no presence flags: a camera that is absent
    is for it one that is black.

    Args:
        modes_only: leave out shifted, black and frozen cameras.
    """
    rgb_only = Condition('RGB_ONLY', _rgb_only, parts=True)
    thermal_only = Condition('THERMAL_ONLY', _thermal_only, parts=True)
    if inputs in ('rgb', 'thermal'):
        return [rgb_only if inputs == 'rgb' else thermal_only]
    alone = [rgb_only, thermal_only] if inputs == 'both' else []
    modes = [Condition('FUSED', _both, parts=True), *alone]
    if modes_only:
        return modes
    return [
        *modes,
        *(Condition(f'FUSED, thermal shifted {px} px', partial(_shifted, px))
          for px in SHIFTS_PX),
        *(Condition(f'told FUSED, {camera} {fault}', partial(show, camera))
          for fault, show in (('black', _black), ('frozen', _frozen))
          for camera in ('rgb', 'thermal')),
    ]


def follows(frame: EvaluationFrame, previous: EvaluationFrame | None) -> bool:
    """Whether a camera that froze one frame ago could show ``previous`` beside ``frame``."""
    return (
        previous is not None and previous.day_night == frame.day_night
        and previous.thermal.shape == frame.thermal.shape
    )


def _both(frame: EvaluationFrame, previous: EvaluationFrame | None) -> View:
    return View(frame.rgb, frame.thermal)


def _rgb_only(frame: EvaluationFrame, previous: EvaluationFrame | None) -> View:
    return View(frame.rgb, None)


def _thermal_only(frame: EvaluationFrame, previous: EvaluationFrame | None) -> View:
    return View(None, frame.thermal)


def _shifted(px: int, frame: EvaluationFrame, previous: EvaluationFrame | None) -> View:
    """The thermal image lies ``px`` too far to the right; black comes in from the left."""
    moved = np.zeros_like(frame.thermal)
    moved[:, px:] = frame.thermal[:, :-px]
    return View(frame.rgb, moved)


def _black(camera: Camera, frame: EvaluationFrame, previous: EvaluationFrame | None) -> View:
    if camera == 'rgb':
        return View(np.zeros_like(frame.rgb), frame.thermal)
    return View(frame.rgb, np.zeros_like(frame.thermal))


def _frozen(
    camera: Camera, frame: EvaluationFrame, previous: EvaluationFrame | None
) -> View | None:
    if previous is None or not follows(frame, previous):
        return None
    if camera == 'rgb':
        return View(previous.rgb, frame.thermal)
    return View(frame.rgb, previous.thermal)
