"""Joins what a fusion node publishes with its inputs and the ground truth, and scores it.

The pairs are made here once more, by the same pipeline with the same parameters, so that mode,
skew and what the network saw are known for each result; the results themselves are the fusion
node's. Frames may arrive here in time and there too late, or the other way round: this pipeline
waits longer, and the fusion node's status says which camera it did without. Nothing here knows
ROS; times are receive times in ns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from vif_perception.config import Config
from vif_perception.errors import InputError
from vif_perception.pipeline import Pipeline
from vif_perception.pipeline.modes import MISSING
from vif_perception.report import ReportFolder, ReportWriter
from vif_perception.report.gates import Gate, check_classes
from vif_perception.ros.remote_engine import RemoteEngine, RemoteResult
from vif_perception.sensing import Camchain
from vif_perception.types import Camera, CameraModel, Frame, FramePair, LabelSet, Mode

#: What makes a result; the truth may come, too.
PARTS = ('mask', 'confidence', 'fused', 'entities')
#: Modes of results; the status knows more.
TOLD = (Mode.FUSED, Mode.RGB_ONLY, Mode.THERMAL_ONLY)
#: So long a mask waits for the rest of it, and for its truth.
PATIENCE_NS = 1_000_000_000
#: So long a frame waits here for its partner.
DEADLINE_MS = 900.0
#: Stamps remembered: of pairs without result, of parts without mask.
REMEMBERED = 64


@dataclass(frozen=True)
class Scores:
    """The newest result and everything so far; what the node publishes.

    Attributes:
        stamp_ns, frame_id: of the mask.
        frames, scored: results so far, and those with ground truth.
        miou_frame: of this mask, background included; None without truth.
        segmentation: as in report.json, None without truth so far.
        latency_ms: from the arrival of the reference image to that of the mask.
        latency_percentiles_ms: p50, p95, p99 of that so far.
    """

    stamp_ns: int
    frame_id: str
    frames: int
    scored: int
    miou_frame: float | None
    segmentation: dict[str, Any] | None
    latency_ms: float
    latency_percentiles_ms: dict[str, float]


@dataclass
class _Pending:
    parts: dict[str, Any] = field(default_factory=dict)
    arrived_ns: int = 0


@dataclass(frozen=True)
class _Ready:
    pair: FramePair
    reference_ns: int
    complete_ns: int


class Scoring:
    """One evaluation; one thread at a time may call it.

    Attributes:
        masks: how many have come.

    Args:
        config: the parameters of the fusion node.
        folder: entered already.
        camchain: parsed content of ``registration.camchain``, when that is set.
        gates: thresholds on the report.
        fusion_frames: results that the fusion metrics are computed on.
    """

    def __init__(
        self, config: Config, folder: ReportFolder, *, camchain: Camchain | None = None,
        gates: Sequence[Gate] = (), fusion_frames: int = 8,
    ):
        self._folder, self._reference = folder, config.reference
        self._gates, self._fusion_frames = gates, fusion_frames
        self._engine = RemoteEngine(LabelSet((), ()))
        self._pipeline = Pipeline(_patient(config), cast(Any, self._engine), camchain=camchain)
        self._writer: ReportWriter | None = None
        self._arrivals: dict[tuple[Camera, int], int] = {}
        self._pairs: dict[int, _Ready] = {}
        self._pending: dict[int, _Pending] = {}
        self._waiting: list[int] = []
        self._told: dict[int, tuple[Mode, str]] = {}
        self._lost: Counter[str] = Counter()
        self._disagreed = 0
        self.masks = self._unanswered = self._truths = 0
        self._frames = self._scored = 0
        self._error = ''

    def labels(self, labels: LabelSet) -> None:
        """Take the class list, which everything else waits for.

        Raises:
            InputError: the gates name classes that there are not; the folder is not writable.
        """
        if self._writer is not None:
            return
        check_classes(self._gates, labels.names)
        self._engine.labels = labels
        self._writer = ReportWriter(self._folder, labels, fusion_frames=self._fusion_frames)

    def camera_info(self, camera: Camera, model: CameraModel) -> None:
        """Take the model of a camera."""
        self._pipeline.camera_info(camera, model)

    def image(self, camera: Camera, frame: Frame, now_ns: int) -> None:
        """Take a camera image."""
        _remember(self._arrivals, (camera, frame.stamp_ns), now_ns)
        self._keep(self._pipeline.offer(camera, frame, now_ns), now_ns)

    def refuse(self, camera: Camera, error: InputError, now_ns: int) -> None:
        """Count a camera image that could not be decoded."""
        self._pipeline.refuse(camera, error, now_ns)

    def status(self, stamp_ns: int, mode: Mode, reason: str) -> None:
        """Take the fusion node's mode: it holds from the result with this stamp on."""
        _remember(self._told, stamp_ns, (mode, reason))

    def part(self, name: str, stamp_ns: int, value: Any, now_ns: int) -> None:
        """Take a part of a result or its truth, matched by stamp.

        Args:
            name: one of PARTS, or 'truth'.
            stamp_ns: from its header.
            value: array; for entities (names, K float32).
            now_ns: when it came.
        """
        pending = self._pending.setdefault(stamp_ns, _Pending())
        pending.parts[name] = value
        self._truths += name == 'truth'
        if name == 'mask':
            self.masks += 1
            pending.arrived_ns = now_ns
            self._waiting.append(stamp_ns)
        while len(self._pending) > REMEMBERED:
            self._pending.pop(next(iter(self._pending)))

    def settle(self, now_ns: int, *, final: bool = False) -> list[Scores]:
        """Score the results that are complete, or that have waited long enough.

        Raises:
            InputError: the folder is full.
        """
        self._keep(self._pipeline.due(now_ns), now_ns)
        scores = []
        while self._waiting and self._writer is not None:
            stamp_ns = self._waiting[0]
            pending = self._pending.get(stamp_ns)
            if pending is not None:
                patient = not final and now_ns < pending.arrived_ns + PATIENCE_NS
                if patient and self._missing(stamp_ns, pending):
                    break
                found = self._score(stamp_ns, pending, self._writer)
                scores += [found] if found else []
                del self._pending[stamp_ns]
            self._waiting.pop(0)
        return scores

    def finish(self, now_ns: int, elapsed_s: float, error: str = '') -> dict[str, Any]:
        """Score what waits and write the report; returns it.

        Raises:
            InputError: report.json cannot be written.
        """
        if self._writer is None:
            self.labels(LabelSet(('unlabelled',), ((0, 0, 0),)))
            error = error or 'no label_info came: is the fusion node active?'
        self._keep(self._pipeline.flush(), now_ns)
        self.settle(now_ns, final=True)
        self._unanswered += len(self._pairs)
        assert self._writer is not None
        return self._writer.finish(
            self._pipeline.health(now_ns), elapsed_s=elapsed_s, notes=self._notes(),
            gates=self._gates, error=error or self._error,
        )

    def _keep(self, pairs: list[FramePair], now_ns: int) -> None:
        """Remember pairs by the stamp that their result will have."""
        for pair in pairs:
            frames = {'rgb': pair.rgb, 'thermal': pair.thermal}
            reference = frames[self._reference] or pair.rgb or pair.thermal
            assert reference is not None
            camera: Camera = 'rgb' if reference is pair.rgb else 'thermal'
            arrived_ns = self._arrivals.get((camera, reference.stamp_ns), now_ns)
            self._pairs[reference.stamp_ns] = _Ready(pair, arrived_ns, now_ns)
        while len(self._pairs) > REMEMBERED:
            del self._pairs[next(iter(self._pairs))]
            self._unanswered += 1

    def _missing(self, stamp_ns: int, pending: _Pending) -> bool:
        """Whether something may still come; a change of mode comes before the next mask."""
        wanted = PARTS if self._error else (*PARTS, 'truth')
        newest = self._waiting[-1] == stamp_ns
        return newest or stamp_ns not in self._pairs or any(
            name not in pending.parts for name in wanted
        )

    def _as_told(self, stamp_ns: int, pair: FramePair) -> tuple[FramePair, Mode | None]:
        """Return the pair without the camera that the fusion node missed, and its mode."""
        before = [stamp for stamp in self._told if stamp <= stamp_ns]
        if not before:
            return pair, None
        mode, reason = self._told[max(before)]
        other: Camera = 'thermal' if self._reference == 'rgb' else 'rgb'
        if reason == f'{other} {MISSING}' and pair.rgb and pair.thermal:
            pair = replace(pair, **{other: None}, skew_ns=0)
        return pair, mode

    def _score(self, stamp_ns: int, pending: _Pending, writer: ReportWriter) -> Scores | None:
        ready = self._pairs.pop(stamp_ns, None)
        missing = [name for name in PARTS if name not in pending.parts]
        if ready is None or missing:
            self._lost[missing[0] if missing else 'camera images'] += 1
            return None
        parts = pending.parts
        self._engine.result = RemoteResult(
            parts['fused'], parts['mask'], parts['confidence'], *parts['entities']
        )
        pair, mode = self._as_told(stamp_ns, ready.pair)
        try:
            perception = self._pipeline.process(pair)
        except InputError as error:
            self._error = self._error or str(error)
            return None
        if perception is None or self._engine.last is None:
            self._lost['agreement that it can be used'] += 1
            return None
        self._disagreed += mode in TOLD and mode is not perception.mode
        latency_ns = max(0, pending.arrived_ns - ready.reference_ns)
        durations_ns = {
            'wait': max(0, ready.complete_ns - ready.reference_ns),
            'fusion': max(0, pending.arrived_ns - ready.complete_ns), 'total': latency_ns,
        }
        truth = None if self._error else parts.get('truth')
        row: dict[str, Any] = {}
        try:
            row = writer.add(
                pair, perception, self._engine.last, durations_ns=durations_ns, truth=truth,
            )
        except InputError as error:  # what is wrong with one mask is wrong with most
            self._error = str(error)
        self._frames += 1
        self._scored += row.get('miou') is not None
        running = writer.so_far()
        return Scores(
            stamp_ns, perception.frame_id, self._frames, self._scored, row.get('miou'),
            running['segmentation'], latency_ns / 1e6, running['latency_ms']['total'],
        )

    def _notes(self) -> list[str]:
        notes = [
            f'masks left out for want of {what}: {count}' for what, count in self._lost.items()
        ]
        if self._unanswered:
            notes.append(f'pairs for which no mask came: {self._unanswered}')
        if self._disagreed:
            notes.append(f'modes that differ from the status of the node: {self._disagreed}')
        if not self._truths:
            notes.append('no ground truth came')
        return notes


def _patient(config: Config) -> Config:
    deadline_ms = max(config.sync.deadline_ms, DEADLINE_MS)
    return config.model_copy(
        update={'sync': config.sync.model_copy(update={'deadline_ms': deadline_ms})}
    )


def _remember(memory: dict, key: Any, value: Any) -> None:
    memory[key] = value
    while len(memory) > 2 * REMEMBERED:
        del memory[next(iter(memory))]
