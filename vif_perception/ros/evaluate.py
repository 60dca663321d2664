"""The ``evaluate`` node: scores a running fusion node live and writes the report of a replay.

Inputs: ``~/input/{rgb,thermal}/image_raw`` with ``camera_info`` as the fusion node has them,
``~/input/{mask,confidence,fused/image,entities,label_info,status}`` from that node, and
``~/input/truth`` (mono8 class ids, stamps of the reference camera). Publishes ``~/scores``
(vif_perception/EvaluationScores) for each mask. Writes report.json, report.html and frames.jsonl
when it ends or when ``~/finish`` (std_srvs/Trigger) is called.
"""

from __future__ import annotations

import importlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Trigger
from vision_msgs.msg import LabelInfo

from vif_perception.errors import InputError
from vif_perception.labels import label_set
from vif_perception.msg import EntityScores, EvaluationScores, FusionStatus
from vif_perception.report import ReportFolder, exit_code
from vif_perception.report.gates import load_gates
from vif_perception.ros import messages, parameters, qos
from vif_perception.ros.notices import Notices, RosLog
from vif_perception.ros.parameters import FusionConfig
from vif_perception.ros.scoring import Scores, Scoring
from vif_perception.schema import Group
from vif_perception.sensing import read_camchain
from vif_perception.types import Camera

#: Messages that wait for the worker, about 200 MB of 640x480; more are dropped and counted.
MOST_WAITING = 512
TICK_S = 0.05
NAN = float('nan')


class EvaluateConfig(Group):
    """Parameters that only the evaluate node has."""

    out: str = Field('evaluation', description='folder for the report')
    gate: str = Field('', description='YAML file with thresholds; empty: none')
    fusion_frames: int = Field(
        8, ge=0, le=1000, description='results that the fusion metrics are computed on'
    )


class EvaluateNode(Node):
    """Callbacks only queue; one worker decodes, scores and publishes.

    Attributes:
        exit_code: 0 all well, 1 a gate failed, 2 no data or failed; known after ``stop``.

    Raises:
        InputError: a parameter that does not fit, gates that cannot be read, or a folder that
            cannot be written.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('evaluate', **options)
        self.exit_code = 2
        # The report warps pictures with it. Now: in the middle of a drive its import would hold up
        # the callbacks for seconds.
        importlib.import_module('torch')
        parameters.declare(self, FusionConfig, read_only=dict(parameters.settings(FusionConfig)))
        parameters.declare(self, EvaluateConfig, read_only=EvaluateConfig.model_fields)
        config = parameters.read(self, FusionConfig)
        own = parameters.read(self, EvaluateConfig)
        gates = load_gates(Path(own.gate)) if own.gate else []
        camchain = read_camchain(config.registration.camchain)
        self._log = RosLog(self.get_logger())
        logging.getLogger('vif_perception').addHandler(self._log)
        self._notices = Notices(self.get_logger())
        self._open = ExitStack()
        self._folder = self._open.enter_context(ReportFolder(Path(own.out)))
        self._scoring = Scoring(
            config, self._folder, camchain=camchain, gates=gates, fusion_frames=own.fusion_frames
        )
        self._max_pixels = config.limits.max_pixels
        self._todo: queue.Queue[Callable[[], None] | None] = queue.Queue(MOST_WAITING)
        self._overrun = 0
        self._started_ns: int | None = None
        self._trouble = ''
        self._finishing = threading.Lock()
        self._report: dict[str, Any] | None = None
        self._publisher = self.create_publisher(
            EvaluationScores, '~/scores', qos.output(), qos_overriding_options=qos.overridable()
        )
        self._thread = threading.Thread(target=self._work, name='evaluate-worker', daemon=True)
        self._thread.start()
        self._folder.report['topics'] = self._subscribe(config)
        self.create_service(Trigger, '~/finish', self._finish_service)

    def finish(self) -> dict[str, Any]:
        """Write the report, once; returns it.

        Raises:
            InputError: it cannot be written.
        """
        with self._finishing:
            if self._report is None:
                self._todo.put(None)
                self._thread.join()
                elapsed_s = (_now_ns() - (self._started_ns or _now_ns())) / 1e9
                if self._overrun:
                    self._trouble = self._trouble or f'{self._overrun} messages came too fast'
                self._report = self._scoring.finish(_now_ns(), elapsed_s, self._trouble)
                self.exit_code = exit_code(self._report)
                self._open.close()
            return self._report

    def stop(self) -> None:
        """Write the report if that has not been done."""
        report = self.finish()
        print(f'{self._folder.path}: {report["status"]}{_why(report)}', flush=True)
        logging.getLogger('vif_perception').removeHandler(self._log)

    def _subscribe(self, config: FusionConfig) -> dict[str, str | None]:
        """Subscribe to everything; returns the topics for the report."""
        topics: dict[str, str | None] = {}
        cameras: tuple[Camera, ...] = ('rgb', 'thermal')
        for camera in cameras:
            packed = getattr(config.input, f'{camera}_transport') == 'compressed'
            kind, tail = (CompressedImage, '/compressed') if packed else (Image, '')
            name = f'{camera}/image_raw{tail}'
            topics[camera] = self._listen(kind, name, qos.sensor(), self._image, camera)
            topics[f'{camera}_info'] = self._listen(
                CameraInfo, f'{camera}/camera_info', qos.sensor(), self._info, camera
            )
        # Deeper than the node's outputs: here every frame counts, not the newest one.
        every = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
        for part in ('mask', 'confidence'):
            self._listen(Image, part, every, self._picture, part)
        self._listen(Image, 'fused/image', every, self._picture, 'fused')
        self._listen(EntityScores, 'entities', every, self._entities)
        latched = QoSProfile(
            depth=20, reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        self._listen(LabelInfo, 'label_info', qos.latched(), self._labels)
        self._listen(FusionStatus, 'status', latched, self._status)
        topics['truth'] = self._listen(Image, 'truth', every, self._picture, 'truth')
        return topics

    def _listen(
        self, kind: Any, name: str, profile: QoSProfile, take: Callable[..., None], *which: str
    ) -> str:
        topic = self.resolve_topic_name(f'~/input/{name}')

        def queued(message: Any) -> None:
            now_ns = _now_ns()
            if self._started_ns is None:
                self._started_ns = now_ns
            try:
                self._todo.put_nowait(lambda: take(*which, message, topic, now_ns))
            except queue.Full:
                self._overrun += 1

        self.create_subscription(
            kind, f'~/input/{name}', queued, profile, qos_overriding_options=qos.overridable()
        )
        return topic

    def _image(self, camera: Camera, message: Any, topic: str, now_ns: int) -> None:
        try:
            frame = messages.frame(message, camera, topic, self._max_pixels)
        except InputError as error:
            self._scoring.refuse(camera, error, now_ns)
            self._notices.warn(str(error))
        else:
            self._scoring.image(camera, frame, now_ns)

    def _info(self, camera: Camera, message: CameraInfo, topic: str, now_ns: int) -> None:
        try:
            self._scoring.camera_info(camera, messages.model(message, topic))
        except InputError as error:
            self._notices.warn(f'{error} (not used)')

    def _picture(self, part: str, message: Image, topic: str, now_ns: int) -> None:
        if part == 'fused':
            value = messages.frame(message, 'rgb', topic, self._max_pixels).data
        else:
            value = messages.mask(message, topic, self._max_pixels)
        self._scoring.part(part, messages.stamp_ns(message.header.stamp), value, now_ns)

    def _entities(self, message: EntityScores, topic: str, now_ns: int) -> None:
        scores = messages.entities(message)
        value = tuple(scores), np.array(list(scores.values()), np.float32)
        self._scoring.part('entities', messages.stamp_ns(message.header.stamp), value, now_ns)

    def _labels(self, message: LabelInfo, topic: str, now_ns: int) -> None:
        self._scoring.labels(label_set(messages.label_names(message)))

    def _status(self, message: FusionStatus, topic: str, now_ns: int) -> None:
        stamp_ns = messages.stamp_ns(message.header.stamp)
        self._scoring.status(stamp_ns, messages.MODES[message.mode], message.reason)

    def _work(self) -> None:
        """Worker: take what the callbacks queued, until told to end."""
        while True:
            task: Callable[[], None] | None = _nothing
            with suppress(queue.Empty):
                task = self._todo.get(timeout=TICK_S)
            if task is None:
                return
            try:
                task()
                for scores in self._scoring.settle(_now_ns()):
                    self._publish(scores)
            except InputError as error:
                self._trouble = self._trouble or str(error)
                self._notices.warn(str(error))
            except Exception as error:
                self._trouble = self._trouble or f'{type(error).__name__}: {error}'
                logging.getLogger(__name__).exception('the evaluation goes on after an error')

    def _publish(self, scores: Scores) -> None:
        if self.context.ok() and self._publisher.get_subscription_count():
            self._publisher.publish(scores_message(scores))

    def _finish_service(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        try:
            report = self.finish()
            response.success = self.exit_code == 0
            response.message = f'{self._folder.path}: {report["status"]}{_why(report)}'
        except InputError as error:
            response.success, response.message = False, str(error)
        return response


def scores_message(scores: Scores) -> EvaluationScores:
    """Return the running scores as a message; what is not known is NaN."""
    known = scores.segmentation or {}
    classes = known.get('per_class', {})
    percentiles = scores.latency_percentiles_ms
    return EvaluationScores(
        header=messages.header(scores.stamp_ns, scores.frame_id), frames=scores.frames,
        scored=scores.scored, miou_frame=_number(scores.miou_frame),
        miou=_number(known.get('miou_present')),
        miou_foreground=_number(known.get('miou_foreground')),
        class_names=list(classes), class_iou=[_number(value) for value in classes.values()],
        latency_ms=scores.latency_ms,
        **{f'latency_{name}_ms': percentiles.get(name, NAN) for name in ('p50', 'p95', 'p99')},
    )


def _number(value: float | None) -> float:
    return NAN if value is None else float(value)


def _why(report: dict[str, Any]) -> str:
    if report['error']:
        return f': {report["error"]}'
    failed = [gate['name'] for gate in report['gates'] if not gate['passed']]
    return f'; gates failed: {", ".join(failed)}' if failed else ''


def _nothing() -> None:
    """Only time has passed."""


_now_ns = time.monotonic_ns
