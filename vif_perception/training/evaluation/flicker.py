"""How much a fused video of a scene in which nothing moves changes from frame to frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from vif_perception.metrics import Flicker
from vif_perception.metrics.fusion import baselines, luma
from vif_perception.sim import still_exposures
from vif_perception.training.evaluation.systems import System

SEED = 7
#: Factor on all thermal values from one frame to the next, as an automatic gain makes it.
GAIN = 1.25
SCENES = (('day', False), ('night', True))

#: Method -> 'noise, day', 'gain step, night' ... -> grey levels, of each seed.
FlickerScores = dict[str, dict[str, list[float]]]


def flicker(
    systems: Sequence[System], frames: int, *, size: tuple[int, int] = (640, 480),
    progress: Callable[[str, int, float], None] | None = None,
) -> FlickerScores:
    """Return the mean absolute change of grey values, of the sources and of the systems.

    Under noise: between consecutive ones of ``frames`` exposures of a rendered scene, which differ
    by the noise of both sensors. Under a gain step: between the last of them and one more,
    whose thermal values are multiplied by GAIN.

    Args:
        systems: those that fuse have rows; size: (width, height), px.
    """
    found: FlickerScores = {}
    done = 0
    for part, night in SCENES:
        pictures: dict[tuple[str, int], list[np.ndarray]] = {}
        exposures = still_exposures(SEED, frames + 1, size, night=night)
        for index, (rgb, thermal, _) in enumerate(exposures):
            if progress is not None:
                progress('flicker', done, done / (len(SCENES) * (frames + 1)))
            if index == frames:
                thermal = np.clip(thermal * GAIN, 0, 255).round().astype(np.uint8)
            for key, picture in _pictures(systems, rgb, thermal):
                pictures.setdefault(key, []).append(picture)
            done += 1
        for (method, _), seen in pictures.items():
            columns = found.setdefault(method, {})
            columns.setdefault(f'noise, {part}', []).append(_change(seen[:-1]))
            columns.setdefault(f'gain step, {part}', []).append(_change(seen[-2:]))
    return found


def _pictures(
    systems: Sequence[System], rgb: np.ndarray, thermal: np.ndarray
) -> Iterator[tuple[tuple[str, int], np.ndarray]]:
    """Grey pictures of the sources and of each seed of each system that fuses."""
    visible, heat = luma(torch.from_numpy(rgb)), torch.from_numpy(thermal)
    for method, image in baselines(heat, visible).items():
        yield (method, 0), image.to(torch.uint8).numpy()
    for system in systems:
        if system.fuses:
            for seed, member in enumerate(system.members):
                fused = torch.from_numpy(member.run(rgb, thermal).fused)
                yield (system.name, seed), luma(fused).to(torch.uint8).numpy()


def _change(pictures: Sequence[np.ndarray]) -> float:
    change = Flicker()
    for picture in pictures:
        change.update(picture)
    found = change.compute()
    assert found is not None, 'two pictures at least'
    return found
