"""What thermal values mean: one linear map to Kelvin per profile, or no unit at all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vif_perception.errors import InputError
from vif_perception.sensing.encodings import subsample


class Profile(NamedTuple):
    """Kelvin = scale * value + offset; ``scale`` is None when values have no unit."""

    dtypes: tuple[str, ...]
    scale: float | None = None
    offset: float = 0.0

    def raw(self, kelvin: float) -> float:
        """Return the raw value of a temperature; only for profiles with a unit."""
        assert self.scale is not None
        return (kelvin - self.offset) / self.scale


PROFILES = {
    'lepton_tlinear': Profile(('uint16',), 0.01),
    'optris': Profile(('uint16',), 0.1, 273.15 - 100.0),  # (v - 1000) / 10 + 273.15
    'gazebo_l16': Profile(('uint16',), 0.01),
    'gazebo_l8': Profile(('uint8',), 3.0),
    'kelvin': Profile(('float32',), 1.0),
    'celsius': Profile(('float32',), 1.0, 273.15),
    'boson_raw': Profile(('uint16',)),
    'counts': Profile(('uint16', 'float32')),
    'agc8': Profile(('uint8',)),
}
_ENCODINGS = {
    'uint8': 'mono8, 8UC1, grey rgb8', 'uint16': 'mono16, 16UC1', 'float32': '32FC1',
}
# 5th to 95th percentile of a scene: from polar night to sun-heated metal and engines
_SCENE_K = (230.0, 400.0)


def to_kelvin(profile: str, array: np.ndarray) -> np.ndarray:
    """Return temperatures as float32 Kelvin, same shape.

    Args:
        profile: a key of PROFILES that has a unit.
        array: raw values, uint8, uint16 or float32 as the profile demands.

    Raises:
        InputError: the profile has no unit, or does not fit the type of the values.
    """
    meaning = check_profile(profile, array.dtype)
    if meaning.scale is None:
        known = ', '.join(name for name, other in PROFILES.items() if other.scale is not None)
        raise InputError(
            f'thermal profile {profile} has no temperature unit', accepted=known,
            remedy='set thermal.profile to what the camera really sends',
        )
    kelvin = np.multiply(array, np.float32(meaning.scale), dtype=np.float32)
    kelvin += np.float32(meaning.offset)
    return kelvin


def check_profile(profile: str, dtype: np.dtype) -> Profile:
    """Return the profile when values of this type can have it, else raise InputError."""
    meaning = PROFILES.get(profile)
    if meaning is None:
        raise InputError(f'unknown thermal profile {profile!r}', accepted=', '.join(PROFILES))
    if dtype.name not in meaning.dtypes:
        raise InputError(
            f'thermal profile {profile} cannot describe {_ENCODINGS.get(dtype.name, dtype.name)}',
            accepted=' or '.join(_ENCODINGS[name] for name in meaning.dtypes),
            remedy='set thermal.profile to auto or to the profile of this camera; after a change '
            'of the camera, reset',
        )
    return meaning


def guess_profile(array: np.ndarray, window_k: tuple[float, float]) -> str:
    """Return the likely profile of a frame that shows a scene.

    8 bit: agc8. Otherwise the first unit in which the scene (5th to 95th percentile) is between
    230 and 400 K and overlaps ``window_k``, the temperatures that will be shown: for uint16
    lepton_tlinear, for float32 kelvin, then celsius (not for a picture scaled to 0..1). Else
    counts. Raw counts of 23000..40000 cannot be told from centikelvin: name the profile then.

    Args:
        array: HxW uint8, uint16 or float32; NaN and infinity are left out.
        window_k: (black, white) in Kelvin.
    """
    if array.dtype == np.uint8:
        return 'agc8'
    values = finite_sample(array)
    if values.size == 0:
        return 'counts'
    low, high = np.percentile(values, (5, 95))
    if array.dtype == np.uint16:
        units = ['lepton_tlinear']
    else:
        units = ['kelvin'] if values.min() >= 0 and values.max() <= 1 else ['kelvin', 'celsius']
    for name in units:
        scale, offset = PROFILES[name].scale or 1.0, PROFILES[name].offset
        cold, hot = low * scale + offset, high * scale + offset
        shown = hot > window_k[0] and cold < window_k[1]
        if shown and cold >= _SCENE_K[0] and hot <= _SCENE_K[1]:
            return name
    return 'counts'


def finite_sample(array: np.ndarray) -> np.ndarray:
    """Return about 10000 evenly spread values, 1-D, without NaN and infinity."""
    values = subsample(array, 10_000).ravel()
    return values[np.isfinite(values)] if values.dtype.kind == 'f' else values
