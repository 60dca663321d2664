"""Plays a recording through the pipeline, in receive order and without a clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from vif_perception.errors import InputError
from vif_perception.pipeline import Pipeline
from vif_perception.replay.camera_models import CameraModels
from vif_perception.replay.decode import decode_frame
from vif_perception.replay.ground_truth import Truth
from vif_perception.replay.options import ReplayOptions
from vif_perception.replay.outputs import Output, Sink
from vif_perception.replay.recording import Message, Source
from vif_perception.replay.topics import Topics
from vif_perception.report import EngineTap, Progress, View
from vif_perception.types import Camera, Frame, FramePair, Perception

#: After the limit, masks of the last outputs are awaited for this long, recording time.
_MASKS_AFTER_LIMIT_NS = 1_000_000_000
_REMEMBERED_FRAMES = 256


class Player:
    """One pass over a recording.

    Attributes:
        frames: camera -> images read.
        notes: what is worth knowing but stopped nothing.
        now_ns: receive time of the newest message.

    Args:
        source, topics: what is read.
        pipeline: does the perception.
        tap: the pipeline's engine.
        outputs: takes the results.
        truth: takes the messages of the ground-truth topic.
        injector: a ``sim.faults.FaultInjector``, None for none.
        options: limit, rate, configuration.
        progress: told after every message how far it is.
    """

    def __init__(
        self, source: Source, topics: Topics, pipeline: Pipeline, tap: EngineTap,
        outputs: Sink, truth: Truth | None, injector: Any, options: ReplayOptions,
        progress: Progress | None,
    ):
        self.frames: dict[Camera, int] = {'rgb': 0, 'thermal': 0}
        self.notes: list[str] = []
        self.now_ns = source.start_ns
        self.pipeline, self._tap = pipeline, tap
        self._source, self._topics, self._options = source, topics, options
        self._outputs, self._truth = outputs, truth
        self._injector = injector
        self._progress = progress or (lambda stage, outputs, part: None)
        self._cameras: dict[str, Camera] = {}
        if topics.thermal:
            self._cameras[topics.thermal] = 'thermal'
        if topics.rgb:
            self._cameras[topics.rgb] = 'rgb'
        self._models = CameraModels(
            topics, pipeline, options.config.registration, self._note
        )
        self._decode_ns: dict[tuple[Camera, int], int] = {}
        self._damage: InputError | None = None
        self._unusable: InputError | None = None
        self._full_ns: int | None = None

    def play(self) -> None:
        """Play to the end or to the limit.

        Raises:
            InputError: the recording is damaged (everything before was processed), frames could
                not be decoded (they were left out), the ground truth does not fit, or the
                results cannot be written.
        """
        self._started_ns = _clock()
        self._models.read_first(self._source)
        for message in self._messages():
            self.now_ns = message.received_ns
            self._pace()
            if self._full_ns is None:
                self._emit(self.pipeline.due(self.now_ns))
                self._take(message)
                self._note(self.pipeline.explain(self.now_ns))
            elif not self._after_limit(message):
                break
            self._report_progress()
        if self._full_ns is None:
            self._finish()
        elif self._source.damage and not self._damage:
            self._note(f'behind --limit: {self._source.damage}')
        self._note(self._stuck_stamps())
        self._note(self._refused())
        if self._damage:
            raise self._damage
        if self._unusable:
            raise self._unusable
        if not self._outputs.count:
            self._explain()

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
        elif message.topic in self._models.topics:
            self._models.take(message)
        elif message.topic in self._cameras:
            self._take_image(self._cameras[message.topic], message)

    def _take_image(self, camera: Camera, message: Message) -> None:
        self.frames[camera] += 1
        reference = camera == self._options.config.reference
        started = _clock()
        try:
            frame = decode_frame(message, camera, self._options.config.limits.max_pixels)
        except InputError as problem:
            error = self._placed(problem, message)
            self.pipeline.refuse(camera, error, message.received_ns)
            self._unusable = self._unusable or error
            if reference and self._truth is not None:
                self._truth.saw_reference(None)
            return
        self._remember(camera, frame, _clock() - started)
        if reference and self._truth is not None:
            self._truth.saw_reference(frame.stamp_ns)
        if self._injector is None:
            self._offer(camera, frame, message.received_ns)
        else:
            for arrival in self._injector.apply(camera, frame, message.received_ns):
                self._offer(*arrival)

    def _placed(self, error: InputError, message: Message) -> InputError:
        """Return the error of a message with the file, or the second, where it is found."""
        seconds = (message.received_ns - self._source.start_ns) / 1e9
        place = self._source.names.get(message.received_ns, f'{seconds:.3f} s')
        return InputError(
            error.what, where=f'{message.topic} at {place}', accepted=error.accepted,
            remedy=error.remedy,
        )

    def _offer(self, camera: Camera, frame: Frame, received_ns: int) -> None:
        self._emit(self.pipeline.offer(camera, frame, received_ns))

    def _finish(self) -> None:
        for camera, frame, received_ns in self._injector.flush() if self._injector else ():
            self.now_ns = max(self.now_ns, received_ns)
            self._offer(camera, frame, received_ns)
        self._emit(self.pipeline.flush())

    def _emit(self, pairs: list[FramePair]) -> None:
        for pair in pairs:
            if self._full_ns is not None:
                return
            decode_ns = self._forget(pair)
            started = _clock()
            perception, view = self._process(pair)
            process_ns = _clock() - started
            if perception is None or view is None:
                continue
            output = Output(pair, perception, view, self.now_ns, decode_ns, process_ns)
            self._outputs.add(output, self.pipeline)
            if self._outputs.count == self._options.limit:
                self._full_ns = self.now_ns

    def _process(self, pair: FramePair) -> tuple[Perception | None, View | None]:
        self._tap.last = None
        try:
            perception = self.pipeline.process(pair)
        except InputError as error:
            if self._injector is None:
                raise
            # an injected fault may well be one that the pipeline has to refuse
            self._note(f'first frames refused: {error}')
            return None, None
        if self._tap.error is not None:
            raise InputError(
                f'the engine failed after {self._outputs.count} outputs: '
                f'{type(self._tap.error).__name__}: {self._tap.error}',
                where=self._tap.description, remedy='see the log for where it happened',
            )
        return perception, self._tap.last

    def _explain(self) -> None:
        self._note(self.pipeline.explain(self.now_ns))
        self._note(self.pipeline.health(self.now_ns).reason)

    def _stuck_stamps(self) -> str:
        """Say it when most frames were left out because their stamps do not go on."""
        drops = self.pipeline.health(self.now_ns).drops
        left_out = drops.get('duplicate_stamp', 0) + drops.get('out_of_order', 0)
        if 2 * left_out <= sum(self.frames.values()):
            return ''
        return (
            f'stamps do not go on: {left_out} frames were left out because theirs was not newer '
            'than the one before; does the driver set header.stamp?'
        )

    def _refused(self) -> str:
        """Say why images were refused that came undamaged from the recording."""
        health = self.pipeline.health(self.now_ns)
        refused = health.drops.get('bad_image', 0)
        if not refused or self._unusable:
            return ''
        return f'{refused} images were refused after --inject, the last: {health.last_error}'

    def _note(self, text: str) -> None:
        """Remember what is worth knowing; each kind (up to the first colon) once."""
        kind = text.partition(':')[0]
        if text and not any(note.startswith(kind) for note in self.notes):
            self.notes.append(text)

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
        outputs = self._outputs.count
        if self._options.limit:
            part = max(part, outputs / self._options.limit)
        self._progress('replaying', outputs, min(1.0, part))


_clock = time.perf_counter_ns
