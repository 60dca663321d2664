"""Plays a recording through the pipeline, in receive order and without a clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from vif_perception.config import RegistrationConfig
from vif_perception.errors import InputError
from vif_perception.pipeline import Pipeline
from vif_perception.replay.aligned import EngineTap
from vif_perception.replay.decode import decode_camera_info, decode_frame
from vif_perception.replay.ground_truth import Truth
from vif_perception.replay.options import ReplayOptions
from vif_perception.replay.outputs import Output, Outputs
from vif_perception.replay.recording import Message, Source
from vif_perception.replay.topics import Topics
from vif_perception.sim.faults import FaultInjector, parse_fault
from vif_perception.types import Camera, Frame, FramePair

#: Called after every message with the outputs so far and the part of the recording (0..1) read.
Progress = Callable[[int, float], None]

#: After the limit, masks of the last outputs are awaited for this long, recording time.
_MASKS_AFTER_LIMIT_NS = 1_000_000_000
_REMEMBERED_FRAMES = 256


class Player:
    """One pass over a recording.

    Attributes:
        notes: what is worth knowing but stopped nothing.
        now_ns: receive time of the newest message.

    Args:
        source, topics: what is read.
        engine: the network.
        outputs: takes the results.
        truth: takes the messages of the ground-truth topic.
        options: limit, rate, faults, configuration.
        progress: told how far it is.
    """

    def __init__(
        self, source: Source, topics: Topics, engine: Any, outputs: Outputs,
        truth: Truth | None, options: ReplayOptions, progress: Progress | None,
    ):
        self.notes: list[str] = []
        self.now_ns = source.start_ns
        self.pipeline = Pipeline(options.config, tap := EngineTap(engine), timer=_clock)
        self._tap = tap
        self._source, self._topics, self._options = source, topics, options
        self._outputs, self._truth = outputs, truth
        self._injector = FaultInjector([parse_fault(text) for text in options.inject])
        self._progress = progress or (lambda outputs, part: None)
        self._cameras: dict[str, Camera] = {}
        self._infos: dict[str, Camera] = {}
        pairs: tuple[tuple[Camera, str | None, str | None], ...] = (
            ('thermal', topics.thermal, topics.thermal_info), ('rgb', topics.rgb, topics.rgb_info)
        )
        for camera, images, info in pairs:
            if images:
                self._cameras[images] = camera
            if images and info:
                self._infos[info] = camera
        self._models: dict[Camera, tuple] = {}
        self._decode_ns: dict[tuple[Camera, int], int] = {}
        self._damage: InputError | None = None
        self._undecodable: InputError | None = None
        self._full_ns: int | None = None

    def play(self) -> None:
        """Play to the end or to the limit.

        Raises:
            InputError: the recording is damaged (everything before was processed), frames could
                not be decoded (they were left out), the ground truth does not fit, or the
                results cannot be written.
        """
        self._started_ns = _clock()
        for message in self._messages():
            self.now_ns = message.received_ns
            self._pace()
            if self._full_ns is None:
                self._emit(self.pipeline.due(self.now_ns))
                self._take(message)
            elif not self._after_limit(message):
                return
            self._report_progress()
        if self._full_ns is None:
            self._finish()
        if self._damage:
            raise self._damage
        if self._undecodable:
            raise self._undecodable

    def _messages(self) -> Iterator[Message]:
        """Read; keep the news that the recording is damaged until all before is processed."""
        start_ns = self._source.start_ns + round(self._options.start * 1e9)
        try:
            yield from self._source.messages(self._topics.all(), start_ns)
        except InputError as error:
            self._damage = error

    def _take(self, message: Message) -> None:
        if message.topic == self._topics.truth and self._truth is not None:
            self._truth.take(message)
            self._outputs.settle()
        elif message.topic in self._infos:
            self._take_info(self._infos[message.topic], message)
        elif message.topic in self._cameras:
            self._take_image(self._cameras[message.topic], message)

    def _take_image(self, camera: Camera, message: Message) -> None:
        self._outputs.tally.frames[camera] += 1
        reference = camera == self._options.config.reference
        started = _clock()
        try:
            frame = decode_frame(message, camera, self._options.config.limits.max_pixels)
        except InputError as error:
            self._outputs.tally.undecodable += 1
            count = self._outputs.tally.undecodable
            self._undecodable = self._undecodable or error
            if reference and self._truth is not None:
                self._truth.saw_reference(None)
            if count == 1:
                self.notes.append(f'first frame that could not be decoded: {error}')
            return
        self._remember(camera, frame, _clock() - started)
        if reference and self._truth is not None:
            self._truth.saw_reference(frame.stamp_ns)
        self._offer(self._injector.apply(camera, frame, message.received_ns))

    def _take_info(self, camera: Camera, message: Message) -> None:
        """Pass camera models on when they change; without need for one, K = 0 is only noted."""
        decoded = message.decode()
        model = tuple(
            bytes(value) if hasattr(value, 'tobytes') else value
            for name, value in vars(decoded).items() if name not in ('header', 'roi')
        )
        if self._models.get(camera) == model:
            return
        self._models[camera] = model
        try:
            self.pipeline.camera_info(camera, decode_camera_info(message))
        except InputError as error:
            if needs_camera_info(self._options.config.registration):
                raise
            self.notes.append(f'not used: {error}')

    def _offer(self, frames: list[tuple[Camera, Frame, int]]) -> None:
        for camera, frame, received_ns in frames:
            self._emit(self.pipeline.offer(camera, frame, received_ns))

    def _finish(self) -> None:
        for camera, frame, received_ns in self._injector.flush():
            self.now_ns = max(self.now_ns, received_ns)
            self._offer([(camera, frame, received_ns)])
        self._emit(self.pipeline.flush())

    def _emit(self, pairs: list[FramePair]) -> None:
        for pair in pairs:
            if self._full_ns is not None:
                return
            decode_ns = self._forget(pair)
            started = _clock()
            try:
                perception = self.pipeline.process(pair)
            finally:
                view, self._tap.last = self._tap.last, None
            process_ns = _clock() - started
            if perception is None or view is None:
                continue
            output = Output(pair, perception, view, self.now_ns, decode_ns, process_ns)
            self._outputs.add(output, self.pipeline.health(self.now_ns))
            if self._outputs.tally.outputs == self._options.limit:
                self._full_ns = self.now_ns

    def _after_limit(self, message: Message) -> bool:
        """Read on only for masks of outputs that wait; False when that is over."""
        assert self._full_ns is not None
        late = message.received_ns > self._full_ns + _MASKS_AFTER_LIMIT_NS
        if late or not self._outputs.waiting:
            return False
        if message.topic == self._topics.truth:
            self._take(message)
        return True

    def _remember(self, camera: Camera, frame: Frame, decode_ns: int) -> None:
        self._decode_ns[camera, frame.stamp_ns] = decode_ns
        while len(self._decode_ns) > _REMEMBERED_FRAMES:
            del self._decode_ns[next(iter(self._decode_ns))]

    def _forget(self, pair: FramePair) -> int:
        frames: tuple[tuple[Camera, Frame | None], ...] = (
            ('thermal', pair.thermal), ('rgb', pair.rgb)
        )
        return sum(
            self._decode_ns.pop((camera, frame.stamp_ns), 0) for camera, frame in frames if frame
        )

    def _pace(self) -> None:
        """Wait until the message is due; never skips one, so a slow machine only falls behind."""
        if self._options.rate:
            start_ns = self._source.start_ns + round(self._options.start * 1e9)
            due_ns = (self.now_ns - start_ns) / self._options.rate
            time.sleep(max(0.0, (self._started_ns + due_ns - _clock()) / 1e9))

    def _report_progress(self) -> None:
        read_ns = self.now_ns - self._source.start_ns - self._options.start * 1e9
        whole_ns = self._source.duration_ns - self._options.start * 1e9
        part = read_ns / whole_ns if whole_ns > 0 else 0.0
        outputs = self._outputs.tally.outputs
        if self._options.limit:
            part = max(part, outputs / self._options.limit)
        self._progress(outputs, min(1.0, part))


def needs_camera_info(registration: RegistrationConfig) -> bool:
    """Tell whether the registration is made from camera_info."""
    return registration.source == 'camera_info' or (
        registration.source == 'auto' and bool(registration.t_rgb_thermal)
    )


_clock = time.perf_counter_ns

