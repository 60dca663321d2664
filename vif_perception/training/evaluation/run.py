"""The whole evaluation: every frame is read once and shown to every system."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vif_perception.errors import InputError
from vif_perception.training.datasets import DatasetConfig
from vif_perception.training.evaluation.choice import Choice, Scene, ranked, shown
from vif_perception.training.evaluation.flicker import flicker
from vif_perception.training.evaluation.frames import FrameSet, open_frames
from vif_perception.training.evaluation.fusion import FusionRows
from vif_perception.training.evaluation.segmentation import SegmentationRows
from vif_perception.training.evaluation.systems import System, load_systems
from vif_perception.types import LabelSet

#: ``advance(stage, count, part 0..1)``, as ``cli.console.progress`` gives it.
Progress = Callable[[str, int, float], None]


@dataclass(frozen=True)
class Request:
    """What to evaluate.

    Attributes:
        systems, cascades: see ``load_systems``.
        data: labelled data sets; fusion_data: pairs whose labels are not looked at.
        limit: frames of each, evenly spread; 0: all.
        flicker_frames: exposures of a still scene; 0: no flicker.
        modes_only: no shifted, black or frozen cameras, a quarter of the time.
    """

    systems: Sequence[str]
    cascades: Sequence[str] = ()
    data: Sequence[DatasetConfig] = ()
    fusion_data: Sequence[DatasetConfig] = ()
    limit: int = 0
    flicker_frames: int = 8
    modes_only: bool = False


@dataclass
class Evaluation:
    """What was found.

    Attributes:
        results: all numbers, and what they were measured on; strict JSON.
        scenes: chosen frames as the first system sees them; labels: of their masks.
    """

    results: dict[str, Any]
    scenes: list[Scene] = field(default_factory=list)
    labels: LabelSet | None = None


@dataclass(frozen=True)
class Ready:
    """Systems and data that fit together; see :func:`prepare`."""

    systems: Sequence[System]
    sets: Sequence[FrameSet]
    flicker_frames: int
    modes_only: bool

    def measure(self, progress: Progress | None = None) -> Evaluation:
        """Show every frame to every system.

        Raises:
            InputError: a file of the data cannot be used.
        """
        found = Evaluation({
            'systems': [system.describe() for system in self.systems],
            'data': [frames.describe() for frames in self.sets],
            'segmentation': {}, 'fusion': {}, 'flicker': {},
        })
        for frames in self.sets:
            self._measure(frames, found, progress)
        if self.flicker_frames and any(system.fuses for system in self.systems):
            found.results['flicker'] = flicker(
                self.systems, self.flicker_frames, progress=progress
            )
        return found

    def _measure(
        self, frames: FrameSet, found: Evaluation, progress: Progress | None
    ) -> None:
        """Show all frames of one data set to all systems; add what comes out to ``found``."""
        systems = self.systems
        fusers = [system for system in systems if system.fuses]
        fusion = FusionRows(systems[0].members[0].engine.device)
        labels = frames.labels
        segmentation = None if labels is None else SegmentationRows(
            systems, labels, modes_only=self.modes_only
        )
        choice, previous = Choice(labels), None
        for place, frame in enumerate(frames):
            if progress is not None:
                progress(frames.title, place, place / len(frames))
            outputs = segmentation.add(frame, previous) if segmentation else {}
            if fusers:
                fusion.add(frame, {
                    system.name: outputs.get(system.name) or [
                        member.run(frame.rgb, frame.thermal) for member in system.members
                    ]
                    for system in fusers
                })
            choice.add(place, frame)
            previous = frame
        if progress is not None:
            progress(frames.title, len(frames), 1.0)
        if fusers:
            found.results['fusion'][frames.title] = fusion.scores()
        if segmentation:
            found.results['segmentation'][frames.title] = [
                {'name': row.name, 'system': row.system, 'condition': row.condition,
                 'part': row.part, 'seeds': row.scores()}
                for row in segmentation.rows()
            ]
        if not found.scenes:
            first = systems[0]
            places = choice.places()
            if segmentation and first.masks:
                places += ranked(segmentation.miou[first.name])
            found.labels = labels or (first.members[0].labels if first.masks else None)
            found.scenes = shown(places, frames, first.members[0], masks=first.masks)


def prepare(request: Request) -> Ready:
    """Open everything and check that it fits together.

    Raises:
        InputError: unusable weights or data, the same twice, class lists that differ, nothing to
            measure.
    """
    sets = _open(request)
    systems = load_systems(request.systems, request.cascades)
    if not any(system.fuses or (system.masks and request.data) for system in systems):
        raise InputError('no system fuses, and none has labelled data to segment',
                         accepted='networks of both cameras, or labelled data as --data')
    for frames in sets:
        if frames.labels is not None:
            for system in systems:
                system.check_classes(frames.labels, frames.title)
    return Ready(systems, sets, request.flicker_frames, request.modes_only)


def _open(request: Request) -> list[FrameSet]:
    if not (request.data or request.fusion_data):
        raise InputError('nothing to evaluate on', accepted='--data, --fusion-data or both')
    if request.flicker_frames == 1:
        raise InputError('one frame cannot flicker', where='--flicker-frames',
                         accepted='0, or 2 and more')
    sets = [
        open_frames(config, limit=request.limit, labelled=labelled)
        for configs, labelled in ((request.data, True), (request.fusion_data, False))
        for config in configs
    ]
    titles: set[str] = set()
    for frames in sets:
        if frames.title in titles:
            raise InputError(f'two data sets are called {frames.title!r}',
                             accepted='each data set and split once',
                             remedy='labelled data have fusion rows already; else rename a folder')
        titles.add(frames.title)
    return sets
