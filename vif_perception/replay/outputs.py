"""What a replay leaves behind: the result bag, and everything that makes the report."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from vif_perception.errors import InputError
from vif_perception.pipeline import Pipeline
from vif_perception.replay.ground_truth import Truth
from vif_perception.replay.record import BagRecorder
from vif_perception.report import ReportWriter, View
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


class Sink(Protocol):
    """Where a player sends its outputs; ``count`` of them were kept."""

    count: int

    @property
    def waiting(self) -> bool:
        """Whether outputs wait for their ground truth."""

    def add(self, output: Output, pipeline: Pipeline) -> None:
        """Take one output of a pipeline."""

    def settle(self) -> None:
        """Look whether ground truth has come."""


class Outputs:
    """Records outputs in the order they come and passes them on with their ground truth.

    Attributes:
        count: outputs taken.

    Args:
        bag: the result bag to write.
        writer: makes the report.
        labels: class list of the network.
        truth: ground truth, None when there is none.

    Raises:
        InputError: from any method: the folder is full, or the truth does not fit. Every output
            taken so far stays; close() writes what is pending.
    """

    def __init__(self, bag: Path, writer: ReportWriter, labels: LabelSet, truth: Truth | None):
        self.count = 0
        self._writer = writer
        self._labels = labels
        self._truth = truth
        self._waiting: deque[tuple[Output, int]] = deque()
        self._status: tuple[Mode, str] | None = None
        self._status_ns = 0
        self._recorder = BagRecorder(bag)

    @property
    def waiting(self) -> bool:
        """Whether outputs wait for their ground truth."""
        return bool(self._waiting)

    def add(self, output: Output, pipeline: Pipeline) -> None:
        """Take one output of a pipeline."""
        started = time.perf_counter_ns()
        self._record(output, pipeline)
        self.count += 1
        self._waiting.append((output, time.perf_counter_ns() - started))
        self.settle()

    def settle(self, *, final: bool = False) -> None:
        """Pass on the outputs whose ground truth is there or cannot come any more."""
        while self._waiting:
            output, write_ns = self._waiting[0]
            try:
                found = self._truth.find(output.perception.stamp_ns) if self._truth else None
            except InputError:
                self._truth = None
                self._pass_on(output, write_ns, None)
                raise
            may_come = self._truth is not None and self._truth.waits and not final
            if found is None and may_come and len(self._waiting) <= PATIENCE:
                return
            self._pass_on(output, write_ns, found)

    def close(self) -> None:
        """Pass on everything pending and close the bag, this one also when the other fails."""
        try:
            self.settle(final=True)
        except InputError:
            with suppress(InputError):
                self._recorder.close()
            raise
        self._recorder.close()

    def _pass_on(
        self, output: Output, write_ns: int, truth: tuple[np.ndarray, str] | None
    ) -> None:
        """Hand the oldest output to the writer."""
        self._waiting.popleft()
        mask, name = truth or (None, '')
        durations_ns = {
            **output.perception.timings_ns, 'decode': output.decode_ns, 'write': write_ns,
            'total': output.decode_ns + output.process_ns + write_ns,
        }
        try:
            self._writer.add(
                output.pair, output.perception, output.view, durations_ns=durations_ns,
                truth=mask, truth_name=name,
            )
        except InputError:
            # what is wrong with one mask is wrong with most: the replay ends here
            self._truth = None
            raise

    def _record(self, output: Output, pipeline: Pipeline) -> None:
        result, when = output.perception, output.received_ns
        stamp = result.stamp_ns, result.frame_id
        write = self._recorder
        if not self.count:
            write.label_info(f'{ROOT}/label_info', when, *stamp, self._labels)
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
