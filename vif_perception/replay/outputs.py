"""What a replay leaves behind: the result bag, one line a frame, scores and pictures."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vif_perception.errors import InputError
from vif_perception.metrics import SegmentationScore
from vif_perception.pipeline import Pipeline
from vif_perception.replay.aligned import View
from vif_perception.replay.fusion_sample import FusionSample
from vif_perception.replay.gallery import Gallery
from vif_perception.replay.ground_truth import Truth, check_size
from vif_perception.replay.record import BagRecorder
from vif_perception.replay.report import Tally, json_text, unwritable
from vif_perception.types import Frame, FramePair, LabelSet, Mode, Perception

ROOT = '/fusion/output'
STATUS = '/fusion/status'
#: Outputs that wait for a mask which the recorder received after them.
PATIENCE = 10
STATUS_EVERY_NS = 1_000_000_000


@dataclass(frozen=True)
class Output:
    """One result and what it was made from.

    Attributes:
        received_ns: receive time of the message that completed it.
        view: what the network saw.
        decode_ns: time for decoding its frames; process_ns: for everything in the pipeline.
    """

    pair: FramePair
    perception: Perception
    view: View
    received_ns: int
    decode_ns: int
    process_ns: int


class Outputs:
    """Writes and scores outputs in the order they come, in bounded memory.

    Args:
        folder: where result.mcap and frames.jsonl go.
        labels: class list of the network.
        truth: ground truth, None when there is none.
        fusion_frames: outputs that the fusion metrics are computed on.

    Raises:
        InputError: from any method: the folder is full, or the truth does not fit. Every output
            taken so far stays; close() writes what is pending.
    """

    def __init__(
        self, folder: Path, labels: LabelSet, truth: Truth | None, fusion_frames: int
    ):
        self.labels = labels
        self.tally = Tally()
        self.gallery = Gallery(labels)
        self.fusion = FusionSample(fusion_frames)
        self._truth = truth
        self._segmentation = SegmentationScore(labels) if truth else None
        self._waiting: deque[tuple[Output, dict[str, Any]]] = deque()
        self._status: tuple[Mode, str] | None = None
        self._status_ns = 0
        self._rows = folder / 'frames.jsonl'
        self._recorder = BagRecorder(folder / 'result.mcap')
        try:
            self._lines = self._rows.open('w', encoding='utf-8')
        except OSError as error:
            self._recorder.close()
            raise unwritable(self._rows, error) from None

    @property
    def waiting(self) -> bool:
        """Whether outputs wait for their ground truth."""
        return bool(self._waiting)

    def add(self, output: Output, pipeline: Pipeline) -> None:
        """Take one output of a pipeline."""
        started = time.perf_counter_ns()
        self._record(output, pipeline)
        write_ns = time.perf_counter_ns() - started
        row = self._row(output, write_ns)
        self.tally.add(output.pair, output.perception)
        if output.perception.mode is Mode.FUSED:
            self.fusion.add(output.perception.fused, output.view)
        self._waiting.append((output, row))
        self.settle()

    def settle(self, *, final: bool = False) -> None:
        """Finish the outputs whose ground truth is there or cannot come any more."""
        while self._waiting:
            output, row = self._waiting[0]
            try:
                mask = self._score(output, row)
            except InputError:
                # what is wrong with one mask is wrong with most: the replay ends here
                self._truth = None
                self._finish(None)
                raise
            may_come = self._truth is not None and self._truth.waits and not final
            if mask is None and may_come and len(self._waiting) <= PATIENCE:
                return
            self._finish(mask)

    def close(self) -> None:
        """Finish everything pending and close the files; all are closed even when one fails."""
        first: InputError | None = None
        for step in (self._settle_all, self._close_rows, self._recorder.close):
            try:
                step()
            except InputError as error:
                first = first or error
        if first is not None:
            raise first

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read frames.jsonl again, a line at a time."""
        with self._rows.open(encoding='utf-8') as lines:
            for line in lines:
                if line.endswith('\n'):  # else the disk was full in the middle of it
                    yield json.loads(line)

    def segmentation(self) -> dict[str, Any] | None:
        """Return the scores against the ground truth, None when no output had any."""
        scores = self._segmentation.compute() if self._segmentation else None
        return scores if scores and scores['frames'] else None

    def _record(self, output: Output, pipeline: Pipeline) -> None:
        result, when = output.perception, output.received_ns
        stamp = result.stamp_ns, result.frame_id
        write = self._recorder
        if not self.tally.outputs:
            write.label_info(f'{ROOT}/label_info', when, *stamp, self.labels)
        pictures = (
            ('fused/image', result.fused, 'rgb8'), ('mask', result.mask, 'mono8'),
            ('confidence', result.confidence, 'mono8'),
        )
        for name, data, encoding in pictures:
            write.image(f'{ROOT}/{name}', when, Frame(*stamp, data, encoding))
        write.entities(f'{ROOT}/entities', when, *stamp, result.entities)
        status = result.mode, result.reason
        if status != self._status or when >= self._status_ns + STATUS_EVERY_NS:
            self._status, self._status_ns = status, when
            write.status(STATUS, when, *stamp, pipeline.health(when))

    def _row(self, output: Output, write_ns: int) -> dict[str, Any]:
        pair, result = output.pair, output.perception
        both = pair.thermal is not None and pair.rgb is not None
        stages: Mapping[str, int] = {
            **result.timings_ns, 'decode': output.decode_ns, 'write': write_ns,
            'total': output.decode_ns + output.process_ns + write_ns,
        }
        return {
            'index': self.tally.outputs,
            'stamp_ns': result.stamp_ns,
            'thermal_stamp_ns': pair.thermal.stamp_ns if pair.thermal else None,
            'rgb_stamp_ns': pair.rgb.stamp_ns if pair.rgb else None,
            'skew_ms': round(pair.skew_ns / 1e6, 6) if both else None,
            'mode': result.mode.value,
            'reason': result.reason,
            'entities': {name: round(float(v), 4) for name, v in result.entities.items()},
            'latency_ms': {name: self.tally.measure(name, ns) for name, ns in stages.items()},
            'miou': None,
        }

    def _score(self, output: Output, row: dict[str, Any]) -> np.ndarray | None:
        """Return the ground truth when it is there; the mIoU goes into the row."""
        result = output.perception
        found = self._truth.find(result.stamp_ns) if self._truth else None
        if found is None or self._segmentation is None:
            return None
        mask, where = found
        check_size(mask, where, result.mask.shape)
        try:
            row['miou'] = self._segmentation.update(result.mask, mask, result.confidence)
        except InputError as error:
            raise InputError(
                f'ground truth: {error.what}', where=where, accepted=error.accepted,
                remedy='map the labels to this list, or replay without them: --truth none',
            ) from None
        return mask

    def _finish(self, mask: np.ndarray | None) -> None:
        """Write the line of the oldest output, offer its pictures."""
        output, row = self._waiting.popleft()
        result, view = output.perception, output.view
        try:
            self._lines.write(json_text(row) + '\n')
        except OSError as error:
            raise unwritable(self._rows, error) from None
        self.gallery.add(
            row, output.pair, result, mask,
            view.rgb_picture if view.rgb is not None else None,
            view.thermal_picture if view.thermal is not None else None,
        )

    def _settle_all(self) -> None:
        self.settle(final=True)

    def _close_rows(self) -> None:
        try:
            self._lines.close()
        except OSError as error:
            raise unwritable(self._rows, error) from None
