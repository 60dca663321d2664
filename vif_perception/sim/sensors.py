"""What the two sensors make of light and heat: vignetting, exposure, blur and noise."""

from __future__ import annotations

import numpy as np

MARGIN = 96


class ColorSensor:
    """Turns linear light into an 8-bit picture.

    Args:
        size: (width, height), px.
        seed: of the noise; noise_8bit: its standard deviation in grey levels in the dark.
    """

    def __init__(self, size: tuple[int, int], seed: int, noise_8bit: float = 1.6):
        width, height = size
        rng = np.random.default_rng((seed, 41))
        self._noise = rng.standard_normal((3, height + MARGIN, width + MARGIN), np.float32)
        self._noise *= np.float32(noise_8bit)
        self._seed = seed
        x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        self._vignette = (1 / (1 + 0.12 * (x * x + y * y)) ** 2).astype(np.float32)

    def expose(self, light: np.ndarray, index: int) -> np.ndarray:
        """Return HxWx3 uint8 for linear light 3xHxW float32 and the frame's number."""
        height, width = light.shape[1:]
        dy, dx = np.random.default_rng((self._seed, 42, index)).integers(0, MARGIN, 2)
        picture = np.empty((height, width, 3), np.uint8)
        for channel in range(3):
            value = light[channel] * self._vignette
            np.sqrt(value, out=value)
            # A soft shoulder: bright lamps saturate, the rest keeps its contrast.
            value *= np.float32(255) / (1 + np.float32(0.08) * value)
            value += self._noise[channel, dy:dy + height, dx:dx + width]
            picture[..., channel] = np.clip(value, 0, 255, out=value)
        return picture


class ThermalSensor:
    """Turns temperatures into what a microbolometer delivers.

    Args:
        size: (width, height), px.
        seed: of the noise; netd_k: temporal noise, K.
    """

    def __init__(self, size: tuple[int, int], seed: int, netd_k: float = 0.06):
        width, height = size
        rng = np.random.default_rng((seed, 43))
        self._noise = rng.standard_normal((height + MARGIN, width + MARGIN), np.float32)
        self._noise *= np.float32(netd_k)
        columns = 0.07 * rng.standard_normal((1, width), np.float32)
        self._fixed = columns + 0.04 * rng.standard_normal((height, width), np.float32)
        self._seed = seed

    def kelvin(self, scene_k: np.ndarray, index: int) -> np.ndarray:
        """Return HxW float32 K for scene temperatures HxW and the frame's number."""
        height, width = scene_k.shape
        dy, dx = np.random.default_rng((self._seed, 44, index)).integers(0, MARGIN, 2)
        soft = _blur(_blur(scene_k, 0), 1)
        soft += self._fixed
        soft += self._noise[dy:dy + height, dx:dx + width]
        return soft

    def centikelvin(self, scene_k: np.ndarray, index: int) -> np.ndarray:
        """Return HxW uint16, Kelvin times 100."""
        return np.clip(self.kelvin(scene_k, index) * 100 + 0.5, 0, 65535).astype(np.uint16)


def _blur(image: np.ndarray, axis: int) -> np.ndarray:
    padded = np.pad(image, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode='edge')
    count = image.shape[axis]
    parts = [
        padded[k:k + count] if axis == 0 else padded[:, k:k + count] for k in range(3)
    ]
    return (parts[0] + parts[2]) * np.float32(0.25) + parts[1] * np.float32(0.5)
