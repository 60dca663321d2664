"""``replay``: a recording in; result bag, frames.jsonl, report.json and report.html out."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vif_perception.errors import InputError
from vif_perception.pipeline import Pipeline
from vif_perception.replay.aligned import EngineTap
from vif_perception.replay.bag import open_source
from vif_perception.replay.gates import Gate, check_classes, load_gates
from vif_perception.replay.inputs import make_injector, open_truth, read_camchain, truth_folder
from vif_perception.replay.options import ReplayOptions
from vif_perception.replay.outputs import Outputs
from vif_perception.replay.player import Player, Progress
from vif_perception.replay.recording import Source
from vif_perception.replay.report import empty_report, unwritable, write_report
from vif_perception.replay.topics import NONE, find_topics

RESULTS = ('report.html', 'report.json', 'frames.jsonl', 'result.mcap')
EXIT_OK, EXIT_GATE, EXIT_INPUT = 0, 1, 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReplayResult:
    """How a replay ended.

    Attributes:
        report: what report.json holds; ``report['error']`` says why when the status is not ok.
        out: the folder with the results.
        exit_code: 0 ok, 1 a gate failed, 2 bad input (failed or no data).
    """

    report: dict[str, Any]
    out: Path
    exit_code: int


def replay(
    options: ReplayOptions, engine: Any = None, progress: Progress | None = None
) -> ReplayResult:
    """Replay recordings through the pipeline.

    Args:
        options: what to do.
        engine: an ``inference.Engine``; None: made from the configuration.
        progress: called with (outputs so far, part of the recording 0..1) after every message.

    Returns:
        The report. When the input turns out to be bad on the way, its status is 'failed' and
        everything processed until then is in the folder.

    Raises:
        InputError: bad input found before anything was processed; report.json says so, too, as
            soon as there is a folder.
    """
    options.check()
    gates = load_gates(options.gate) if options.gate else []
    injector = make_injector(options.inject)
    report = empty_report(options.bags)
    _prepare(options, report)
    try:
        source = open_source(options.bags, max_pixels=options.config.limits.max_pixels)
        with closing(source):
            return _run(source, options, engine, progress, gates, injector, report)
    except InputError as error:
        report.update(status='failed', error=str(error))
        with suppress(InputError):  # a full disk: the report that says failed stands already
            write_report(options.out / 'report.json', report)
        raise


def _run(
    source: Source, options: ReplayOptions, engine: Any, progress: Progress | None,
    gates: Sequence[Gate], injector: Any, report: dict[str, Any],
) -> ReplayResult:
    report['bag'].update(start_ns=source.start_ns, duration_s=source.duration_ns / 1e9)
    if options.start and options.start * 1e9 > source.duration_ns:
        raise InputError(
            f'is {options.start:g} s', where='--start',
            accepted=f'less than the length of the recording, {source.duration_ns / 1e9:.3f} s',
        )
    camchain = read_camchain(options.config.registration.camchain)
    folder = truth_folder(source, options.truth)
    topics = find_topics(
        source, thermal=options.thermal, rgb=options.rgb,
        truth=NONE if folder else options.truth,
    )
    report['topics'] = {**vars(topics), 'truth': str(folder) if folder else topics.truth}
    truth = open_truth(source, topics, folder, options)
    if engine is None:
        from vif_perception.inference import create_engine

        engine = create_engine(options.config)
    check_classes(gates, engine.labels.names)
    report['weights'] = {'name': engine.weights.name, 'sha256': engine.weights.sha256}
    report['versions']['engine'] = engine.description
    outputs = Outputs(options.out, engine.labels, truth, options.fusion_frames)
    tap = EngineTap(engine)
    pipeline = Pipeline(
        options.config, tap, timer=time.perf_counter_ns, camchain=camchain
    )
    player = Player(source, topics, pipeline, tap, outputs, truth, injector, options, progress)
    started = time.perf_counter()
    error, interrupted = _play(player, outputs)
    _count(report, player, outputs, time.perf_counter() - started)
    with suppress(InputError):  # a full disk is told below
        write_report(options.out / 'report.json', report)  # still 'failed': scores take a while
    if not interrupted:  # who wants to stop does not wait for them
        try:
            _score_fusion(report, outputs)
        except KeyboardInterrupt:
            error, interrupted = error or 'interrupted, no fusion metrics', True
    result = _conclude(options.out, report, outputs, gates, error)
    if interrupted:
        raise KeyboardInterrupt
    return result


def _play(player: Player, outputs: Outputs) -> tuple[str, bool]:
    """Return (why it ended early or '', whether the user did it)."""
    error, interrupted = '', False
    try:
        player.play()
    except InputError as problem:
        error = str(problem)
    except KeyboardInterrupt:
        error, interrupted = 'interrupted', True
    except Exception as problem:  # an engine may raise anything; what is done must be kept
        _log.exception('replay stopped')
        error = (
            f'stopped after {outputs.tally.outputs} outputs by {type(problem).__name__}: '
            f'{problem}'
        )
    try:
        outputs.close()
    except InputError as problem:
        error = error or str(problem)
    return error, interrupted


def _count(
    report: dict[str, Any], player: Player, outputs: Outputs, elapsed_s: float
) -> None:
    health, tally = player.pipeline.health(player.now_ns), outputs.tally
    report.update(tally.report())
    report.update(
        frames={**tally.frames, 'pairs': health.pairs, 'partials': health.partials},
        drops=dict(sorted(health.drops.items())),
        notes=player.notes,
        segmentation=outputs.segmentation(),
        speed={
            'elapsed_s': round(elapsed_s, 3),
            'outputs_per_s': round(tally.outputs / max(elapsed_s, 1e-9), 2),
        },
    )


def _score_fusion(report: dict[str, Any], outputs: Outputs) -> None:
    try:
        report['fusion'] = outputs.fusion.compute()
    except InputError as problem:
        report['notes'] = [*report['notes'], f'no fusion metrics: {problem}']


def _conclude(
    out: Path, report: dict[str, Any], outputs: Outputs, gates: Sequence[Gate], error: str
) -> ReplayResult:
    """Judge, write the page, and replace the report as the very last thing."""
    report['gates'] = [gate.check(report) for gate in gates]
    _judge(report, outputs.tally.outputs, error)
    try:
        _write_page(out / 'report.html', report, outputs)
    except OSError as problem:
        _judge(report, outputs.tally.outputs, str(unwritable(out / 'report.html', problem)))
    write_report(out / 'report.json', report)
    code = EXIT_OK
    if report['status'] != 'ok':
        code = EXIT_INPUT
    elif not all(gate['passed'] for gate in report['gates']):
        code = EXIT_GATE
    return ReplayResult(report, out, code)


def _judge(report: dict[str, Any], outputs: int, error: str) -> None:
    report['status'], report['error'] = 'ok', None
    if error:
        report['status'], report['error'] = 'failed', error
    elif not outputs:
        frames = report['frames']
        report['status'] = 'nodata'
        report['error'] = (
            f'no output from {frames["rgb"]} rgb and {frames["thermal"]} thermal frames; '
            f'drops: {report["drops"] or "none"}; ' + '; '.join(report['notes'])
        ).rstrip('; ')


def _write_page(path: Path, report: dict[str, Any], outputs: Outputs) -> None:
    from vif_perception.replay.html import write_html

    write_html(path, report, outputs.rows(), outputs.gallery, outputs.labels)


def _prepare(options: ReplayOptions, report: dict[str, Any]) -> None:
    """Make the folder, take away older results, write the report that says failed."""
    out = options.out
    # not Path.resolve, which raises on links in a circle; mkdir below says what is wrong
    taken = {os.path.realpath(path) for path in (out, *(out / name for name in RESULTS))}
    for bag in options.bags:
        if os.path.realpath(bag) in taken:
            raise InputError(
                f'the results would overwrite the recording {bag}', where=f'--out {out}',
                accepted='another folder',
            )
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in RESULTS:
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(out, error) from None
    write_report(out / 'report.json', report)



