"""Which geometry an output has, and the calibration for it."""

from __future__ import annotations

from collections.abc import Mapping

from vif_perception.config import RegistrationConfig
from vif_perception.sensing import Camchain, calibrate
from vif_perception.types import Calibration, Camera, CameraModel, Frame, FramePair

Size = tuple[int, int]
Models = Mapping[Camera, CameraModel]


class Geometry:
    """Sizes seen so far and the calibration built for them.

    Attributes:
        rebuilt: how often a calibration had to be replaced because a size or a camera model
            changed.

    Args:
        config: how the cameras are registered.
        reference: the camera whose geometry outputs have.
        camchain: parsed content of ``config.camchain``.
    """

    def __init__(
        self, config: RegistrationConfig, reference: Camera, camchain: Camchain | None
    ) -> None:
        self._config = config
        self._reference = reference
        self._camchain = camchain
        self._sizes: dict[Camera, Size] = {}
        self._frame_id = ''
        self._built: Calibration | None = None
        self._built_for: tuple[CameraModel | None, CameraModel | None] = (None, None)
        self.rebuilt = 0

    def see(self, pair: FramePair) -> None:
        """Take note of the sizes and the reference frame_id of a pair, usable or not."""
        frames: tuple[tuple[Camera, Frame | None], ...] = (
            ('rgb', pair.rgb), ('thermal', pair.thermal)
        )
        for camera, frame in frames:
            if frame is not None:
                self._sizes[camera] = frame.size
                if camera == self._reference:
                    self._frame_id = frame.frame_id

    def calibration(self, rgb: Frame | None, thermal: Frame | None, models: Models) -> Calibration:
        """Return the geometry of an output made from these frames, at least one of them.

        While the reference camera's size is unknown (no frame yet, no camera model) that is the
        geometry of the camera that is there.

        Raises:
            InputError: the other camera is there and cannot be registered (see ``calibrate``).
        """
        reference: Camera = self._reference
        other: Camera = 'thermal' if reference == 'rgb' else 'rgb'
        size = self._size(reference, models)
        if size is None:
            present = self._sizes[other]
            return Calibration(other, present, present, None, f'{other} alone')
        if (thermal if reference == 'rgb' else rgb) is not None:
            return self._registered(size, other, models)
        if self._built is not None and self._built.size == size:
            return self._built
        return Calibration(reference, size, size, None, f'{reference} alone')

    def header(self, pair: FramePair, models: Models) -> tuple[int, str]:
        """Return (stamp_ns, frame_id) of the output for ``pair``.

        Stamp and frame_id of the reference frame; without one, the stamp of the frame that is
        there and the frame_id of the geometry the output has.
        """
        mine, other = (pair.rgb, pair.thermal)
        if self._reference == 'thermal':
            mine, other = other, mine
        if mine is not None:
            return mine.stamp_ns, mine.frame_id
        assert other is not None
        if self._size(self._reference, models) is None:
            return other.stamp_ns, other.frame_id
        model = models.get(self._reference)
        return other.stamp_ns, self._frame_id or (model.frame_id if model else '')

    def _size(self, camera: Camera, models: Models) -> Size | None:
        if camera in self._sizes:
            return self._sizes[camera]
        return models[camera].size if camera in models else None

    def _registered(self, size: Size, other: Camera, models: Models) -> Calibration:
        other_size = self._sizes[other]
        rgb, thermal = models.get('rgb'), models.get('thermal')
        if (
            self._built is not None
            and (self._built.size, self._built.other_size) == (size, other_size)
            and self._built_for[0] is rgb
            and self._built_for[1] is thermal
        ):
            return self._built
        rgb_size, thermal_size = (
            (size, other_size) if self._reference == 'rgb' else (other_size, size)
        )
        calibration = calibrate(
            self._config, self._reference, rgb_size, thermal_size, rgb, thermal, self._camchain
        )
        self.rebuilt += self._built is not None
        self._built, self._built_for = calibration, (rgb, thermal)
        return calibration
