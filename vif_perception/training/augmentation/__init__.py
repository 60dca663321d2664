"""Joint augmentation of RGB, thermal, mask and boxes: named steps, seeded, set by the recipe.

``Augmentation(config)(sample, seed)`` returns the tensors of :meth:`Scene.packed`. The same seed
gives the same tensors, in whatever process and order. The steps run on torchvision, which is
imported only when a step is on.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from vif_perception.errors import InputError
from vif_perception.training.augmentation.config import AugmentationConfig
from vif_perception.training.augmentation.scene import Scene, make_scene
from vif_perception.training.datasets import Sample

__all__ = ['Augmentation', 'AugmentationConfig', 'Scene']

_GEOMETRY = ('crop', 'flip', 'misregistration')
Step = Callable[[Scene, Any, np.random.Generator], None]


class Augmentation:
    """The steps of a configuration, ready to run.

    Args:
        config: which steps, and how strong.

    Raises:
        InputError: a step is on and torchvision cannot be loaded.
    """

    def __init__(self, config: AugmentationConfig):
        known = _known_steps() if config.steps() else {}
        self._steps = [(name, known[name], step) for name, step in config.steps().items()]

    def __call__(self, sample: Sample, seed: int | tuple[int, ...]) -> dict[str, Tensor]:
        """Return the augmented sample as small tensors.

        Raises:
            InputError: the thermal values do not fit the profile of their data set.
        """
        return self.run(make_scene(sample), seed).packed()

    def run(self, scene: Scene, seed: int | tuple[int, ...]) -> Scene:
        """Run the steps on a scene, in place, and return it."""
        words = (seed,) if isinstance(seed, int) else seed
        for name, function, step in self._steps:
            if name not in _GEOMETRY:
                scene.begin_light()
            # A stream per step: switching one off leaves the others as they were.
            function(scene, step, np.random.default_rng((*words, zlib.crc32(name.encode()))))
        return scene


def _known_steps() -> dict[str, Step]:
    try:
        import torchvision  # noqa: F401
    except Exception as error:  # beside another build of torch it raises RuntimeError
        raise InputError(
            f'augmentation needs torchvision, which cannot be loaded ({error})',
            accepted='torchvision made for the installed torch',
            remedy="pip install 'vif_perception[train]', with torch and torchvision from one "
            'index; or switch every augmentation step off',
        ) from None
    from vif_perception.training.augmentation import geometry, light

    return {
        'crop': geometry.crop, 'flip': geometry.flip, 'misregistration': geometry.misregister,
        'thermal': light.thermal_gain, 'photometric': light.photometric,
        'darkness': light.darken, 'glare': light.glare, 'blur': light.blur, 'noise': light.noise,
        'dropout': light.drop,
    }
