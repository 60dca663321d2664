"""``replay``: a recording in; result bag, frames.jsonl, report.json and report.html out."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vif_perception.errors import InputError
from vif_perception.pipeline import Pipeline
from vif_perception.replay.bag import open_source
from vif_perception.replay.extrinsic import TF_STATIC, with_recorded_extrinsic
from vif_perception.replay.inputs import make_injector, open_truth, truth_folder
from vif_perception.replay.options import ReplayOptions
from vif_perception.replay.outputs import Outputs
from vif_perception.replay.player import Player
from vif_perception.replay.recording import Source
from vif_perception.replay.topics import NONE, find_topics
from vif_perception.report import EngineTap, Progress, ReportFolder, ReportWriter, exit_code
from vif_perception.report.gates import Gate, check_classes, load_gates
from vif_perception.sensing import read_camchain

RESULT_BAG = 'result.mcap'


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
        progress: told how far it is, after every message and every scored image.

    Returns:
        The report. When the input turns out to be bad on the way, its status is 'failed' and
        everything processed until then is in the folder.

    Raises:
        InputError: bad input found before anything was processed; report.json says so, too, as
            soon as there is a folder.
        Exception, KeyboardInterrupt: a defect, or the user; what was processed is in the folder.
    """
    options.check()
    gates = load_gates(options.gate) if options.gate else []
    injector = make_injector(options.inject)
    folder = ReportFolder(options.out, bags=options.bags, also=(RESULT_BAG,))
    _keep_recordings(options.bags, folder)
    with folder:
        source = open_source(options.bags, max_pixels=options.config.limits.max_pixels)
        with closing(source):
            report = _run(source, options, engine, progress, gates, injector, folder)
    return ReplayResult(report, options.out, exit_code(report))


def _run(
    source: Source, options: ReplayOptions, engine: Any, progress: Progress | None,
    gates: Sequence[Gate], injector: Any, folder: ReportFolder,
) -> dict[str, Any]:
    report = folder.report
    report['bag'].update(start_ns=source.start_ns, duration_s=source.duration_ns / 1e9)
    if options.start and options.start * 1e9 > source.duration_ns:
        raise InputError(
            f'is {options.start:g} s', where='--start',
            accepted=f'less than the length of the recording, {source.duration_ns / 1e9:.3f} s',
        )
    camchain = read_camchain(options.config.registration.camchain)
    masks = truth_folder(source, options.truth)
    topics = find_topics(
        source, thermal=options.thermal, rgb=options.rgb,
        truth=NONE if masks else options.truth,
    )
    report['topics'] = {**vars(topics), 'truth': str(masks) if masks else topics.truth}
    config = with_recorded_extrinsic(options.config, source, topics)
    if config is not options.config:
        report['topics']['extrinsic'] = TF_STATIC
    truth = open_truth(source, topics, masks, options)
    if engine is None:
        from vif_perception.inference import create_engine

        engine = create_engine(config)
    check_classes(gates, engine.labels.names)
    tap = EngineTap(engine)
    folder.ran_on(tap)
    writer = ReportWriter(folder, engine.labels, fusion_frames=options.fusion_frames)
    outputs = Outputs(folder.path / RESULT_BAG, writer, engine.labels, truth)
    pipeline = Pipeline(config, tap, timer=time.perf_counter_ns, camchain=camchain)
    options = replace(options, config=config)
    player = Player(source, topics, pipeline, tap, outputs, truth, injector, options, progress)
    started = time.perf_counter()
    error, stop = _play(player, outputs)
    report = writer.finish(
        pipeline.health(player.now_ns), elapsed_s=time.perf_counter() - started,
        frames=player.frames, notes=player.notes, gates=gates, error=error,
        score_fusion=stop is None,  # who wants to stop does not wait for them
        progress=progress,
    )
    if stop is not None:
        raise stop
    return report


def _play(player: Player, outputs: Outputs) -> tuple[str, BaseException | None]:
    """Return why it ended early or '', and what is raised when the report is written."""
    error: str = ''
    stop: BaseException | None = None
    try:
        player.play()
    except InputError as problem:
        error = str(problem)
    except KeyboardInterrupt as interrupt:
        error, stop = 'interrupted', interrupt
    except Exception as defect:
        error, stop = f'{type(defect).__name__}: {defect}', defect
    try:
        outputs.close()
    except InputError as problem:
        error = error or str(problem)
    return error, stop


def _keep_recordings(bags: Sequence[Path], folder: ReportFolder) -> None:
    """Refuse a folder in which a result would take the place of a recording."""
    # not Path.resolve, which raises on links in a circle; mkdir says later what is wrong
    taken = {os.path.realpath(path) for path in (folder.path, *folder.results)}
    for bag in bags:
        if os.path.realpath(bag) in taken:
            raise InputError(
                f'the results would overwrite the recording {bag}',
                where=f'--out {folder.path}', accepted='another folder',
            )
