"""Whether a camera can be used: frozen, blank (shutter), dark or overexposed frames."""

from __future__ import annotations

import numpy as np

from vif_perception.config import FallbackConfig
from vif_perception.sensing.encodings import subsample, thermal_view
from vif_perception.types import Camera, Frame

# The value range that blank_std refers to. 16-bit scenes use little of 0..65535: 2000 counts are
# 20 K in centikelvin, so the default (8 counts, 0.08 K) lies between the noise of a closed
# shutter (about 0.05 K) and the flattest real indoor scenes at hand (17 counts).
_RANGE = {'uint8': 255.0, 'uint16': 2000.0, 'float32': 20.0}

#: What ``FrameWatch.check`` may find wrong with a frame.
CONDITIONS: dict[Camera, tuple[str, ...]] = {
    'rgb': ('blank', 'frozen', 'dark', 'overexposed'), 'thermal': ('blank', 'frozen'),
}


class FrameWatch:
    """Judges the frames of one camera, in the order of arrival.

    Keeps a reference to the previous image: its memory must not be overwritten.
    """

    def __init__(self, camera: Camera, config: FallbackConfig):
        self._camera = camera
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget the previous frame and the hysteresis."""
        self._previous: np.ndarray | None = None
        self._bad_light = ''
        self._good_frames = 0
        self._exposure = 0.0

    @property
    def exposure(self) -> float:
        """Mean brightness of the newest rgb frame: 0 black, 1 white; 0 for the thermal camera."""
        return self._exposure

    def check(self, frame: Frame) -> str:
        """Return '' when the frame is usable, else what is wrong with it.

        'blank': uniform, as from a closed shutter (FFC) or a dead sensor. 'frozen': byte for
        byte the previous frame. 'dark', 'overexposed' (rgb only): stays until recover_frames
        frames in a row were good; the last of these counts as usable. Exactly constant frames
        are 'blank' whatever their brightness.
        """
        previous, self._previous = self._previous, frame.data
        sample = _sample(frame, self._camera)
        if self._camera == 'rgb':
            self._exposure = float(sample.mean()) / 255
        if sample.size == 0 or sample.min() == sample.max():
            return self._unusable('blank')
        if previous is not None and _identical(frame.data, previous):
            return self._unusable('frozen')
        if self._camera == 'rgb':
            light = self._light(sample)
            if light:
                return light
        if sample.std(dtype=np.float64) < self._config.blank_std * _value_range(frame, sample):
            return self._unusable('blank')
        return ''

    def _unusable(self, condition: str) -> str:
        self._good_frames = 0
        return condition

    def _light(self, sample: np.ndarray) -> str:
        """Return '', 'dark' or 'overexposed' with hysteresis; sample is brightness 0..255."""
        low, high = np.percentile(sample, (10, 99)) / 255
        if high < self._config.dark_below:
            self._bad_light = 'dark'
        elif low > self._config.bright_above:
            self._bad_light = 'overexposed'
        else:
            self._good_frames += 1
            if self._good_frames >= self._config.recover_frames:
                self._bad_light = ''
            return self._bad_light
        self._good_frames = 0
        return self._bad_light


def _sample(frame: Frame, camera: Camera) -> np.ndarray:
    """Return some thousand values, 1-D; of colour frames of the visible camera brightness."""
    image = frame.data
    if camera == 'thermal' or image.ndim == 2:
        values = subsample(thermal_view(frame), 5000).ravel()
        return values[np.isfinite(values)] if values.dtype.kind == 'f' else values
    colours = subsample(image, 5000).astype(np.uint16)
    # weights 1:2:1 are near enough to luminance and the same for rgb and bgr
    return (colours[..., 0] + 2 * colours[..., 1] + colours[..., 2]).ravel() / np.float32(4)


def _value_range(frame: Frame, sample: np.ndarray) -> float:
    if frame.data.dtype == np.float32 and sample.min() >= 0 and sample.max() <= 1:
        return 1.0  # a picture scaled to 0..1, not degrees
    return _RANGE[frame.data.dtype.name]


def _identical(image: np.ndarray, previous: np.ndarray) -> bool:
    if image.shape != previous.shape or image.dtype != previous.dtype:
        return False
    if image.dtype.kind == 'f':  # compare bits: NaN differs from itself
        image, previous = image.view(np.uint32), previous.view(np.uint32)
    # sensor noise makes nearly every live frame differ in the first few thousand values
    if not np.array_equal(subsample(image, 2000), subsample(previous, 2000)):
        return False
    return np.array_equal(image, previous)
