"""Frames in, Perception out: the one way from cameras to results, whatever the door."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vif_perception.config import Config
from vif_perception.errors import InputError
from vif_perception.pipeline.health import CAMERAS, HealthLog
from vif_perception.pipeline.modes import decide
from vif_perception.pipeline.registration_monitor import RegistrationMonitor
from vif_perception.pipeline.senses import Senses
from vif_perception.pipeline.stages import StageTimes
from vif_perception.pipeline.view import View
from vif_perception.sensing import Camchain, check_frame, rgb_view, thermal_view
from vif_perception.sync import Synchronizer
from vif_perception.types import (
    Calibration,
    Camera,
    CameraModel,
    Frame,
    FramePair,
    Health,
    Mode,
    Perception,
)

if TYPE_CHECKING:
    from vif_perception.inference.engine import Engine, EngineOutput

_log = logging.getLogger(__name__)


class Pipeline:
    """Synchronises, judges and fuses.

    ``offer`` and ``due`` only queue and return what is ready; ``process`` does the work. They
    may be called from different threads: one lock guards what they share, and it is never held
    while the engine runs. ``process`` itself belongs to one worker at a time.

    ``drops`` in the health add to the synchroniser's: ``<camera>_<condition>`` (``rgb_dark``,
    ``thermal_frozen``, ...), frames of a pair in which no camera was usable;
    ``fallback_policy``, a usable frame without usable partner while fallback.policy is ``drop``;
    ``engine_error``, ``input_error``; ``bad_image``, not decoded or not as its encoding says;
    ``superseded``, discarded by a live door because a newer pair was there.

    Stages in ``timings_ns``: ``watch`` (are the cameras usable), ``window`` (thermal window and
    calibration), ``network`` (the engine), ``total``.

    Args:
        config: all parameters.
        engine: runs the network; see ``inference.Engine``.
        timer: gives ns for the timings; None: no timings and no clock inside.
        camchain: parsed content of ``registration.camchain``, when that is set.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        *,
        timer: Callable[[], int] | None = None,
        camchain: Camchain | None = None,
    ) -> None:
        self.engine = engine
        self._config = config
        self._timer = timer
        self._camchain = camchain
        self._lock = threading.Lock()
        self._sync = Synchronizer(config.sync, reference=config.reference)
        self._tally = HealthLog(round(config.fallback.stale_ms * 1e6))
        self._models: dict[Camera, CameraModel] = {}
        self._senses = Senses(config, camchain)
        self._monitor = RegistrationMonitor()
        self._recalibrations = 0

    @property
    def thermal_profile(self) -> str:
        """What thermal values mean: the configured profile, or the one decided by ``auto``."""
        return self._senses.window.profile

    def warm_up(self) -> None:
        """Run the engine once, so that the first frame does not wait for its preparations.

        Raises what the engine raises: better now than with the first frame.
        """
        width, height = size = 640, 480
        calibration = Calibration(self._config.reference, size, size, None, 'warm-up')
        self.engine.run(
            np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint16),
            bgr=False, window=(0.0, 1.0), calibration=calibration,
        )

    def camera_info(self, camera: Camera, model: CameraModel) -> None:
        """Take the model of a camera; the calibration is rebuilt when it differs from before."""
        with self._lock:
            if not _same(self._models.get(camera), model):
                self._models[camera] = model

    def offer(self, camera: Camera, frame: Frame, now_ns: int) -> list[FramePair]:
        """Take a frame as ``sensing.decode_image`` made it; return the pairs ready to process.

        A frame whose data does not fit its encoding is refused: counted and told, not raised.
        """
        try:
            check_frame(frame, camera)
        except InputError as error:
            self.refuse(camera, error, now_ns)
            return self.due(now_ns)
        with self._lock:
            self._tally.arrived(camera, now_ns)
            return self._sync.add(camera, frame, now_ns)

    def refuse(self, camera: Camera, error: InputError, now_ns: int) -> None:
        """Count a frame that could not be decoded as ``bad_image``; the health keeps the text."""
        with self._lock:
            self._tally.arrived(camera, now_ns)
            self._tally.refused(error)

    def discard(self, pair: FramePair, cause: str) -> None:
        """Count a pair that the door will not process; ``cause`` is one of DROP_CAUSES."""
        with self._lock:
            self._tally.dropped(cause, sum(f is not None for f in (pair.rgb, pair.thermal)))

    def due(self, now_ns: int) -> list[FramePair]:
        """Return what became ready by the passing of time."""
        with self._lock:
            self._tally.tick(now_ns)
            return self._sync.due(now_ns)

    def next_deadline_ns(self) -> int | None:
        """Return the receive time at which ``due`` should be called, None when nothing waits."""
        with self._lock:
            return self._sync.next_deadline_ns()

    def flush(self) -> list[FramePair]:
        """Return everything that still waits, at the end of a recording."""
        with self._lock:
            return self._sync.flush()

    def explain(self, now_ns: int) -> str:
        """Return once why nothing has paired for sync.report_after_s; '' otherwise."""
        with self._lock:
            return self._sync.explain(now_ns)

    def health(self, now_ns: int) -> Health:
        """Return a snapshot; now and then this compares the edges of a pair, 3 ms."""
        self._monitor.look()
        with self._lock:
            recalibrations = self._recalibrations + self._senses.geometry.rebuilt
            health = self._tally.snapshot(now_ns, self._sync, recalibrations)
        return replace(
            health, registration_score=self._monitor.score,
            registration_shift_px=self._monitor.shift_px,
        )

    def report(self, error: Exception) -> bool:
        """Count and tell an error of the door, as in publishing; return whether it is news."""
        with self._lock:
            return self._tally.failed(error)

    def reset(self) -> None:
        """Forget what waits, gains, hysteresis and sizes; counts and camera models stay."""
        with self._lock:
            self._sync.reset()
            self._forget()

    def reconfigure(self, config: Config, *, camchain: Camchain | None = None) -> None:
        """Take other settings for everything but the engine; otherwise as reset."""
        with self._lock:
            self._config, self._camchain = config, camchain
            self._sync.configure(config.sync)
            self._tally.stale_ns = round(config.fallback.stale_ms * 1e6)
            self._forget()

    def process(self, pair: FramePair) -> Perception | None:
        """Make the result for a pair or partial.

        Returns:
            None when the frames were dropped, which is counted by cause: no camera is usable,
            the fallback policy wants both, or the engine raised. The engine's exception is
            logged, counted and told by the health; the next pair goes on.

        Raises:
            InputError: the cameras cannot be registered, or the thermal values do not fit the
                configured profile. The frames are counted, the next pair may be processed.
        """
        stages = StageTimes(self._timer)
        with self._lock:
            senses, models = self._senses, dict(self._models)
        conditions = senses.check(pair)
        mode, reason = self._judge(pair, conditions)
        stages.end('watch')
        if mode is None:
            return None
        rgb = None if conditions['rgb'] else pair.rgb
        thermal = None if conditions['thermal'] else pair.thermal
        try:
            window = senses.window.update(thermal) if thermal else (0.0, 1.0)
            calibration = senses.geometry.calibration(rgb, thermal, models)
        except InputError as error:
            self._failed(pair, 'input_error', error)
            raise
        stages.end('window')
        try:
            output = self._run(rgb, thermal, window, calibration)
        except Exception as error:
            if self._failed(pair, 'engine_error', error):
                _log.exception('the engine failed; the next pair goes on')
            return None
        stages.end('network')
        stamp_ns, frame_id = senses.geometry.header(pair, models)
        perception = Perception(
            stamp_ns=stamp_ns,
            frame_id=frame_id,
            fused=output.fused,
            mask=output.mask,
            confidence=output.confidence,
            entities=dict(zip(self.engine.entity_names, output.entities.tolist(), strict=True)),
            mode=mode,
            reason=reason,
            skew_ns=pair.skew_ns,
            timings_ns=stages.all(),
        )
        with self._lock:
            self._tally.produced(perception, pair)
        return perception

    def _forget(self) -> None:
        self._recalibrations += self._senses.geometry.rebuilt
        self._senses = Senses(self._config, self._camchain)
        self._monitor.reset()

    def _judge(self, pair: FramePair, conditions: dict[Camera, str]) -> tuple[Mode | None, str]:
        """Return mode and reason; without a mode the pair is dropped and counted."""
        mode, reason = decide(conditions)
        if mode is not Mode.FUSED and self._config.fallback.policy == 'drop':
            mode = None
        with self._lock:
            self._tally.judged(conditions)
            if mode is None:
                self._tally.nothing(reason)
                for camera, frame in zip(CAMERAS, (pair.rgb, pair.thermal), strict=True):
                    if frame is not None:
                        bad = conditions[camera]
                        self._tally.dropped(f'{camera}_{bad}' if bad else 'fallback_policy')
        return mode, reason

    def _run(
        self,
        rgb: Frame | None,
        thermal: Frame | None,
        window: tuple[float, float],
        calibration: Calibration,
    ) -> EngineOutput:
        pixels, bgr = rgb_view(rgb) if rgb else (None, False)
        heat = thermal_view(thermal) if thermal else None
        self._monitor.keep(View(pixels, heat, bgr, window, calibration))
        return self.engine.run(pixels, heat, bgr=bgr, window=window, calibration=calibration)

    def _failed(self, pair: FramePair, cause: str, error: Exception) -> bool:
        self.discard(pair, cause)
        with self._lock:
            return self._tally.failed(error)


def _same(known: CameraModel | None, model: CameraModel) -> bool:
    return (
        known is not None
        and (known.size, known.frame_id) == (model.size, model.frame_id)
        and np.array_equal(known.matrix, model.matrix)
        and np.array_equal(known.distortion, model.distortion)
    )
