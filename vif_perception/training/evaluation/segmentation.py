"""Segmentation scores of systems in every condition, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vif_perception.inference.engine import EngineOutput
from vif_perception.metrics import SegmentationScore
from vif_perception.training.evaluation.conditions import Condition, conditions_of
from vif_perception.training.evaluation.frames import EvaluationFrame
from vif_perception.training.evaluation.systems import System
from vif_perception.types import LabelSet

ALL, PARTS = '', ('day', 'night')


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        system, condition: names; part: 'day', 'night', or '' for all frames.
        seeds: one score per member of the system.
    """

    system: str
    condition: str
    part: str
    seeds: tuple[SegmentationScore, ...]

    @property
    def name(self) -> str:
        """As tables print it."""
        return f'{self.system} {self.condition}' + (f', {self.part}' if self.part else '')

    def scores(self) -> list[dict[str, Any]]:
        """Return the scores of each seed, calibration curve included."""
        return [{**score.compute(), 'reliability': score.reliability()} for score in self.seeds]


class SegmentationRows:
    """Rows of all systems that segment, over one data set.

    Args:
        labels: classes of the truth; modes_only: see ``conditions_of``.

    Attributes:
        miou: name of a system -> mIoU of its first seed in its first condition, by frame.
    """

    def __init__(
        self, systems: Sequence[System], labels: LabelSet, *, modes_only: bool = False
    ):
        self._systems = [system for system in systems if system.masks]
        self._conditions = {
            system.name: conditions_of(system.inputs, modes_only=modes_only)
            for system in self._systems
        }
        self._rows: dict[tuple[str, str, str], Row] = {}
        self.miou: dict[str, list[float | None]] = {item.name: [] for item in self._systems}
        for system in self._systems:
            for condition in self._conditions[system.name]:
                for part in (ALL, *PARTS) if condition.parts else (ALL,):
                    self._rows[system.name, condition.name, part] = Row(
                        system.name, condition.name, part,
                        tuple(SegmentationScore(labels) for _ in system.members),
                    )

    def add(
        self, frame: EvaluationFrame, previous: EvaluationFrame | None
    ) -> dict[str, list[EngineOutput]]:
        """Score a frame; return what the systems made of it as it is, by system, of each seed."""
        outputs: dict[str, list[EngineOutput]] = {}
        for system in self._systems:
            for place, condition in enumerate(self._conditions[system.name]):
                view = condition.show(frame, previous)
                if view is None:
                    continue
                seen = [member.run(*view) for member in system.members]
                miou = self._score(system, condition, frame, seen)
                if place == 0:
                    outputs[system.name] = seen
                    self.miou[system.name].append(miou)
        return outputs

    def rows(self) -> list[Row]:
        """Return the rows that have frames: by system, then as the conditions are listed."""
        return [row for row in self._rows.values() if row.seeds[0].compute()['frames']]

    def _score(
        self, system: System, condition: Condition, frame: EvaluationFrame,
        outputs: Sequence[EngineOutput],
    ) -> float | None:
        """Score one output per seed; return the frame's own mIoU of the first seed."""
        assert frame.mask is not None
        found: list[float | None] = []
        for part in dict.fromkeys((ALL, frame.day_night)):
            row = self._rows.get((system.name, condition.name, part))
            for score, output in zip(row.seeds if row else (), outputs, strict=False):
                found.append(score.update(output.mask, frame.mask, output.confidence))
        return found[0]
