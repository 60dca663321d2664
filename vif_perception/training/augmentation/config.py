"""What a recipe may set of the augmentation: one group per step, ``null`` switches a step off."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from vif_perception.schema import Group


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError('the first limit is above the second')
    return limits


Factor = Annotated[float, Field(gt=0, le=100)]
Chance = Annotated[float, Field(ge=0, le=1)]
Factors = Annotated[tuple[Factor, Factor], AfterValidator(_ordered)]
Part = Annotated[float, Field(ge=-1, le=1)]
Parts = Annotated[tuple[Part, Part], AfterValidator(_ordered)]


class CropStep(Group):
    """Scale, rotate and cut a window out of all images and boxes."""

    width: int = Field(320, ge=32, le=4096, description='of the window, px')
    height: int = Field(256, ge=32, le=4096, description='of the window, px')
    scale: Factors = Field((0.7, 1.8), description='enlargement of the picture, log-uniform')
    degrees: float = Field(3.0, ge=0, le=45, description='largest rotation')
    turn: Chance = Field(0.3, description='chance to rotate; the others stay as sharp as they are')
    aim: Chance = Field(0.5, description='chance to aim at a random object instead of anywhere')


class FlipStep(Group):
    """Swap left and right of all images and boxes."""

    chance: Chance = 0.5


class MisregistrationStep(Group):
    """Move the thermal image against the others: no mount is perfect."""

    shift_px: float = Field(6.0, ge=0, le=64, description='largest shift in x and in y')
    degrees: float = Field(0.5, ge=0, le=10, description='largest rotation')


class ThermalStep(Group):
    """Another gain control of the thermal camera: picture x gain + offset."""

    gain: Factors = (0.75, 1.3)
    offset: Parts = Field((-0.05, 0.08), description='parts of the range black to white')


class PhotometricStep(Group):
    """Another exposure and colour rendering of the RGB camera."""

    brightness: Factors = (0.6, 1.5)
    contrast: Factors = (0.7, 1.4)
    saturation: Factors = (0.6, 1.4)
    gamma: Factors = (0.7, 1.4)
    white_balance: Factors = Field((0.9, 1.1), description='per colour channel')


class DarknessStep(Group):
    """Too little light for the RGB camera."""

    chance: Chance = 0.15
    brightness: Factors = (0.05, 0.4)


class GlareStep(Group):
    """Lamps that shine into the RGB camera."""

    chance: Chance = 0.15
    lights: int = Field(3, ge=1, le=20, description='at most')
    radius: Factors = Field((0.01, 0.06), description='of the bright disc, parts of the width')


class BlurStep(Group):
    """Lenses out of focus, each camera by itself."""

    chance: Chance = 0.2
    sigma_px: Factors = (0.3, 1.8)


class NoiseStep(Group):
    """Sensor noise; its strength is uniform from none to these."""

    rgb: Annotated[float, Field(ge=0, le=1)] = 0.03
    thermal: Annotated[float, Field(ge=0, le=1)] = 0.02


class DropoutStep(Group):
    """One camera is absent: black, and the network is told by the presence flag; never both."""

    rgb: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    thermal: Annotated[float, Field(ge=0, le=0.5)] = 0.2


class AugmentationConfig(Group):
    """The steps in their order. ``flip: null`` in a recipe switches the flips off.

    Each step has a random stream of its own: without one step, all others do what they did.
    """

    crop: CropStep | None = CropStep()
    flip: FlipStep | None = FlipStep()
    misregistration: MisregistrationStep | None = MisregistrationStep()
    thermal: ThermalStep | None = ThermalStep()
    photometric: PhotometricStep | None = PhotometricStep()
    darkness: DarknessStep | None = DarknessStep()
    glare: GlareStep | None = GlareStep()
    blur: BlurStep | None = BlurStep()
    noise: NoiseStep | None = NoiseStep()
    dropout: DropoutStep | None = DropoutStep()

    @classmethod
    def only(cls, **steps: Any) -> AugmentationConfig:
        """Return a configuration with these steps and no other: none at all for validation."""
        return cls(**{**dict.fromkeys(cls.model_fields), **steps})

    def steps(self) -> dict[str, Group]:
        """Return the steps that are on, in order."""
        return {
            name: getattr(self, name) for name in type(self).model_fields
            if getattr(self, name) is not None
        }
