"""Which frames people look at, chosen by rules that are printed beside the pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vif_perception.models.deploy import LUMA
from vif_perception.training.evaluation.frames import EvaluationFrame, FrameSet
from vif_perception.training.evaluation.members import Member
from vif_perception.types import LabelSet

#: Grey levels: a saturated pixel, a bright sky, dark and bright in thermal; spread of a texture;
#: mean of a picture at night where the data do not say.
SATURATED, SKY, COLD, WARM, TEXTURE, NIGHT = 250, 180, 50, 128, 12, 50
BLOCK_PX = 16


class Scene(NamedTuple):
    """What people are shown of one frame."""

    title: str
    text: str
    images: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Check:
    """One thing that people must look at.

    Attributes:
        title: a question; rule: how its frame is chosen.
        fits: (frame, grey values of rgb, classes) -> size of what the rule asks for, 0: nothing.
    """

    title: str
    rule: str
    fits: Callable[[EvaluationFrame, np.ndarray, LabelSet | None], float]


def _person(frame: EvaluationFrame, grey: np.ndarray, labels: LabelSet | None) -> float:
    if frame.mask is None or labels is None or _light(frame, grey) != 'night':
        return 0.0
    ids = [index for index, name in enumerate(labels.names) if name == 'person']
    return float(np.isin(frame.mask, ids).sum())


def _lamps(frame: EvaluationFrame, grey: np.ndarray, labels: LabelSet | None) -> float:
    if _light(frame, grey) != 'night':
        return 0.0
    upper = len(grey) // 2  # below it, white railings and lane marks in head lights win
    return float(((grey[:upper] >= SATURATED) & (frame.thermal[:upper] < WARM)).sum())


def _sky(frame: EvaluationFrame, grey: np.ndarray, labels: LabelSet | None) -> float:
    if _light(frame, grey) != 'day':
        return 0.0
    return float((grey[: len(grey) // 3] >= SKY).sum())


def _cold(frame: EvaluationFrame, grey: np.ndarray, labels: LabelSet | None) -> float:
    dark = _blocks(frame.thermal).mean(-1) < COLD
    return float((dark & (_blocks(grey).std(-1) > TEXTURE)).sum())


CHECKS = (
    Check('Is the night pedestrian bright and textured?',
          'the night frame with most pixels of persons in the truth', _person),
    Check('Is lamp glare cut so that its outline shows?',
          f'the night frame with most pixels of Y >= {SATURATED} in the upper half that are below '
          f'{WARM} in thermal',
          _lamps),
    Check('Is the day sky clean?',
          f'the day frame with most pixels of Y >= {SKY} in the upper third', _sky),
    Check('Is what is dark in thermal kept?',
          f'the frame with most {BLOCK_PX}x{BLOCK_PX} blocks of a thermal mean below {COLD} and a '
          f'spread of Y above {TEXTURE}', _cold),
)


class Choice:
    """Finds the frame of each check while all frames pass by."""

    def __init__(self, labels: LabelSet | None):
        self._labels = labels
        self._best: dict[str, tuple[float, int]] = {}

    def add(self, place: int, frame: EvaluationFrame) -> None:
        """Look at the frame at a place of its set; of equal ones the first is kept."""
        grey = frame.rgb @ np.array(LUMA, np.float32)
        for check in CHECKS:
            size = check.fits(frame, grey, self._labels)
            if size > self._best.get(check.title, (0.0, 0))[0]:
                self._best[check.title] = size, place

    def places(self) -> list[tuple[str, str, int]]:
        """Return (title, rule, place) of every check that a frame was found for."""
        return [
            (check.title, check.rule, self._best[check.title][1])
            for check in CHECKS if check.title in self._best
        ]


def ranked(miou: Sequence[float | None]) -> list[tuple[str, str, int]]:
    """Return (title, rule, place) of the best, the median and the worst frame."""
    order = sorted(
        (value, place) for place, value in enumerate(miou) if value is not None
    )
    if not order:
        return []
    chosen = (('Best', order[-1]), ('Median', order[len(order) // 2]), ('Worst', order[0]))
    return [
        (f'{title} frame', f'mIoU {100 * value:.1f} % over the classes present in it', place)
        for title, (value, place) in chosen
    ]


def shown(
    places: Sequence[tuple[str, str, int]], frames: FrameSet, member: Member, *, masks: bool
) -> list[Scene]:
    """Read chosen frames again and run a system on them.

    Args:
        masks: whether the system segments.
    """
    scenes = []
    for title, rule, place in places:
        frame = frames.read(place)
        output = member.run(
            frame.rgb if member.inputs != 'thermal' else None,
            frame.thermal if member.inputs != 'rgb' else None,
        )
        images = {'rgb': frame.rgb, 'thermal': frame.thermal, 'fused': output.fused}
        if masks:
            images['mask'] = output.mask
        if frame.mask is not None:
            images['truth'] = frame.mask
        scenes.append(Scene(title, f'{frame.name}: {rule}', images))
    return scenes


def _light(frame: EvaluationFrame, grey: np.ndarray) -> str:
    return frame.day_night or ('night' if grey.mean() < NIGHT else 'day')


def _blocks(image: np.ndarray) -> np.ndarray:
    """Cut HxW into rows x columns x pixels of a block; what does not fill a block is left out."""
    rows, columns = (side // BLOCK_PX for side in image.shape)
    cut = image[: rows * BLOCK_PX, : columns * BLOCK_PX]
    blocks = cut.reshape(rows, BLOCK_PX, columns, BLOCK_PX).swapaxes(1, 2)
    return blocks.reshape(rows, columns, -1).astype(np.float32)
