"""Passes the camera models of a recording on to the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vif_perception.config import RegistrationConfig
from vif_perception.errors import InputError
from vif_perception.pipeline import Pipeline
from vif_perception.replay.decode import decode_camera_info
from vif_perception.replay.recording import Message, Source
from vif_perception.replay.topics import Topics
from vif_perception.types import Camera


class CameraModels:
    """Tells the pipeline of a camera model when it changes.

    Attributes:
        topics: the CameraInfo topics and their cameras.

    Args:
        found: the topics of the recording.
        pipeline: takes the models.
        registration: decides whether a model that cannot be used (K = 0) is an error.
        note: told of models that cannot be used and are not needed.
    """

    def __init__(
        self, found: Topics, pipeline: Pipeline, registration: RegistrationConfig,
        note: Callable[[str], None],
    ):
        pairs: tuple[tuple[Camera, str | None], ...] = (
            ('thermal', found.thermal_info), ('rgb', found.rgb_info)
        )
        self.topics: dict[str, Camera] = {info: camera for camera, info in pairs if info}
        self._pipeline = pipeline
        self._needed = registration.source == 'camera_info' or (
            registration.source == 'auto' and bool(registration.t_rgb_thermal)
        )
        self._note = note
        self._known: dict[Camera, tuple[Any, ...]] = {}

    def read_first(self, source: Source) -> None:
        """Take the first model of each camera: the first image may be older than it."""
        for topic in self.topics:
            first = next(source.messages([topic]), None)
            if first is not None:
                self.take(first)

    def take(self, message: Message) -> None:
        """Take a CameraInfo message.

        Raises:
            InputError: the model cannot be used although the registration needs it.
        """
        camera = self.topics[message.topic]
        model = tuple(
            value.tobytes() if hasattr(value, 'tobytes') else value
            for name, value in vars(message.decode()).items() if name not in ('header', 'roi')
        )
        if self._known.get(camera) == model:
            return
        self._known[camera] = model
        try:
            self._pipeline.camera_info(camera, decode_camera_info(message))
        except InputError as error:
            if self._needed:
                raise
            self._note(f'{error} (not used)')
