"""What a replay is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vif_perception.config import Config
from vif_perception.errors import InputError


@dataclass(frozen=True)
class ReplayOptions:
    """All options of one replay.

    Attributes:
        bags: recordings, played one after the other.
        out: folder for the results; made when it is not there.
        thermal, rgb: topic; None: find it; 'none': run without this camera.
        truth: topic or folder of PNG masks; None: the only mask topic, if any; 'none': without.
        limit: stop after this many outputs; None: at the end.
        start: s of the recording to leave out.
        rate: 0: as fast as possible; 1: at the speed it was recorded; 2: twice as fast.
        inject: faults, as in ``sim.faults``.
        config: parameters of everything below.
        gate: YAML file with thresholds.
        fusion_frames: outputs that the fusion metrics are computed on; 0: none.
    """

    bags: Sequence[Path]
    out: Path
    thermal: str | None = None
    rgb: str | None = None
    truth: str | None = None
    limit: int | None = None
    start: float = 0.0
    rate: float = 0.0
    inject: Sequence[str] = ()
    config: Config = field(default_factory=Config)
    gate: Path | None = None
    fusion_frames: int = 8

    def check(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            InputError: naming the option.
        """
        wrong = (
            ('--limit', self.limit, 'at least 1', self.limit is None or self.limit >= 1),
            ('--start', self.start, '0 s or later', 0 <= self.start < 1e9),
            ('--rate', self.rate, '0 (as fast as possible) to 1000', 0 <= self.rate <= 1000),
            ('fusion frames', self.fusion_frames, '0 to 1000', 0 <= self.fusion_frames <= 1000),
        )
        for where, value, accepted, fine in wrong:
            if not fine:
                raise InputError(f'is {value}', where=where, accepted=accepted)
