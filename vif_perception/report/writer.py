"""Results go in one by one; lines, scores, pictures and at the end the report come out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from vif_perception.errors import InputError
from vif_perception.metrics import SegmentationScore
from vif_perception.pipeline.view import View
from vif_perception.report.document import json_text, unwritable
from vif_perception.report.folder import PAGE, ROWS, ReportFolder
from vif_perception.report.fusion_sample import FusionSample
from vif_perception.report.gallery import Gallery
from vif_perception.report.gates import Gate
from vif_perception.report.tally import Tally
from vif_perception.types import Calibration, Camera, FramePair, Health, LabelSet, Mode, Perception

#: Told (stage, how many are done, which part of all that is, 0..1).
Progress = Callable[[str, int, float], None]


class ReportWriter:
    """Writes and scores results in the order they come, in bounded memory.

    Args:
        folder: where report.json, report.html and frames.jsonl go; entered already.
        labels: class list of the network.
        fusion_frames: results that the fusion metrics are computed on; 0: none.

    Raises:
        InputError: the folder is full or not writable.
    """

    def __init__(self, folder: ReportFolder, labels: LabelSet, *, fusion_frames: int = 8):
        self._folder = folder
        self._labels = labels
        self._tally = Tally()
        self._gallery = Gallery(labels)
        self._fusion = FusionSample(fusion_frames)
        self._segmentation = SegmentationScore(labels)
        self._calibration: Calibration | None = None
        self._rows = folder.path / ROWS
        try:
            self._lines = self._rows.open('w', buffering=1, encoding='utf-8')
        except OSError as error:
            raise unwritable(self._rows, error) from None

    def add(
        self, pair: FramePair, perception: Perception, view: View, *,
        durations_ns: Mapping[str, int] | None = None, truth: np.ndarray | None = None,
        truth_name: str = 'ground truth',
    ) -> dict[str, Any]:
        """Take one result.

        Args:
            pair: what it was made from.
            perception: the result.
            view: what the network saw, ``EngineTap.last``.
            durations_ns: stage -> ns; by default those of the perception.
            truth: HxW uint8 class ids, 255 not labelled; None when there is none.
            truth_name: where it comes from, for messages.

        Returns:
            Its line of frames.jsonl.

        Raises:
            InputError: the truth does not fit, and only the result was taken; or the folder is
                full.
        """
        row = self._row(pair, perception, durations_ns or perception.timings_ns)
        self._tally.add(pair, perception)
        if perception.mode is Mode.FUSED:
            self._fusion.add(perception.fused, view)
            self._calibration = view.calibration
        misfit: InputError | None = None
        if truth is not None:
            try:
                row['miou'] = self._score(perception, truth, truth_name)
            except InputError as error:
                misfit, truth = error, None
        try:
            self._lines.write(json_text(row) + '\n')
        except OSError as error:
            raise unwritable(self._rows, error) from None
        self._gallery.add(
            row, pair, perception, truth,
            view.rgb_picture if view.rgb is not None else None,
            view.thermal_picture if view.thermal is not None else None,
        )
        if misfit is not None:
            raise misfit
        return row

    def so_far(self) -> dict[str, Any]:
        """Return ``latency_ms`` and ``segmentation`` as they will be in the report."""
        scores = self._segmentation.compute()
        return {
            'latency_ms': self._tally.report()['latency_ms'],
            'segmentation': scores if scores['frames'] else None,
        }

    def finish(
        self, health: Health, *, elapsed_s: float, frames: Mapping[Camera, int] | None = None,
        notes: Sequence[str] = (), gates: Iterable[Gate] = (), error: str = '',
        score_fusion: bool = True, progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Close everything, judge, and write the report as the very last thing.

        Args:
            health: of the pipeline at the end.
            elapsed_s: how long the run took, s.
            frames: camera -> frames that came; by default those the pipeline was given.
            notes: what is worth knowing but stopped nothing.
            gates: thresholds on the report.
            error: why the run ended early, '' when it did not.
            score_fusion: False leaves out the fusion metrics, which take about a second each.
            progress: told how far the fusion metrics are.

        Returns:
            What report.json holds; its status is 'ok', 'nodata' or 'failed'.

        Raises:
            InputError: report.json cannot be written; the one that says 'failed' stays.
            KeyboardInterrupt: while the fusion metrics were computed; all the rest is written.
        """
        report, interrupted = self._folder.report, False
        self._count(health, elapsed_s, frames or health.received, notes)
        try:
            self._lines.close()
        except OSError as problem:
            error = self._tell(error, unwritable(self._rows, problem))
        with suppress(InputError):  # a full disk is told below
            self._folder.write()  # still 'failed': scores take a while
        if score_fusion:
            try:
                self._score_fusion(progress)
            except KeyboardInterrupt:
                error, interrupted = error or 'interrupted, no fusion metrics', True
        report['gates'] = [gate.check(report) for gate in gates]
        self._judge(error)
        try:
            self._write_page()
        except OSError as problem:
            self._judge(self._tell(error, unwritable(self._folder.path / PAGE, problem)))
        self._folder.write()
        if interrupted:
            raise KeyboardInterrupt
        return report

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read frames.jsonl again, a line at a time."""
        with self._rows.open(encoding='utf-8') as lines:
            for line in lines:
                if line.endswith('\n'):  # else the disk was full in the middle of it
                    yield json.loads(line)

    def _row(
        self, pair: FramePair, result: Perception, durations_ns: Mapping[str, int]
    ) -> dict[str, Any]:
        both = pair.thermal is not None and pair.rgb is not None
        measure = self._tally.measure
        return {
            'index': self._tally.outputs,
            'stamp_ns': result.stamp_ns,
            'thermal_stamp_ns': pair.thermal.stamp_ns if pair.thermal else None,
            'rgb_stamp_ns': pair.rgb.stamp_ns if pair.rgb else None,
            'skew_ms': round(pair.skew_ns / 1e6, 6) if both else None,
            'mode': result.mode.value,
            'reason': result.reason,
            'entities': {name: round(float(v), 4) for name, v in result.entities.items()},
            'latency_ms': {name: measure(name, ns) for name, ns in durations_ns.items()},
            'miou': None,
        }

    def _score(self, result: Perception, truth: np.ndarray, name: str) -> float | None:
        if truth.shape != result.mask.shape:
            (height, width), (wanted_height, wanted_width) = truth.shape, result.mask.shape
            raise InputError(
                f'ground truth is {width}x{height}', where=name,
                accepted=f'{wanted_width}x{wanted_height}, the size of the reference camera',
                remedy='label the images of the reference camera, or run without: --truth none',
            )
        try:
            return self._segmentation.update(result.mask, truth, result.confidence)
        except InputError as error:
            raise InputError(
                f'ground truth: {error.what}', where=name, accepted=error.accepted,
                remedy='map the labels to this list, or run without them: --truth none',
            ) from None

    def _count(
        self, health: Health, elapsed_s: float, frames: Mapping[Camera, int], notes: Sequence[str]
    ) -> None:
        self._folder.report.update(
            self._tally.report(),
            frames={
                'rgb': frames['rgb'], 'thermal': frames['thermal'], 'pairs': health.pairs,
                'partials': health.partials,
            },
            drops=dict(sorted(health.drops.items())),
            registration=self._calibration.source if self._calibration else None,
            notes=[*notes, *self._doubts()],
            segmentation=self.so_far()['segmentation'],
            speed={
                'elapsed_s': round(elapsed_s, 3),
                'outputs_per_s': round(self._tally.outputs / max(elapsed_s, 1e-9), 2),
            },
        )

    def _doubts(self) -> list[str]:
        if self._calibration is None or not self._calibration.doubt:
            return []
        return [
            f'registration: the images count as aligned, but {self._calibration.doubt}; give the '
            'extrinsic (/tf_static or registration.t_rgb_thermal), a homography or a camchain, or '
            'registration.source=identity when they are aligned'
        ]

    def _tell(self, error: str, problem: InputError) -> str:
        """Return why the run failed; what comes on top of that becomes a note."""
        text = str(problem)
        if error and text not in error:
            self._folder.report['notes'].append(text)
        return error or text

    def _score_fusion(self, progress: Progress | None) -> None:
        report = self._folder.report
        try:
            report['fusion'] = self._fusion.compute(progress)
        except InputError as problem:
            report['notes'].append(f'no fusion metrics: {problem}')

    def _judge(self, error: str) -> None:
        report = self._folder.report
        report['status'], report['error'] = 'ok', None
        if error:
            report['status'], report['error'] = 'failed', error
        elif not self._tally.outputs:
            frames = report['frames']
            report['status'] = 'nodata'
            report['error'] = (
                f'no output from {frames["rgb"]} rgb and {frames["thermal"]} thermal frames; '
                f'drops: {report["drops"] or "none"}; ' + '; '.join(report['notes'])
            ).rstrip('; ')

    def _write_page(self) -> None:
        from vif_perception.report.html import write_html

        write_html(
            self._folder.path / PAGE, self._folder.report, self.rows(), self._gallery,
            self._labels,
        )
