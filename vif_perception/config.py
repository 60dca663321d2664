"""The one configuration schema: YAML files, ``--set`` and ROS parameters all come from here.

Every field has a unit in its name, a range and a description. Files use the ROS form
``/**: {ros__parameters: {...}}`` with nested or dotted keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from vif_perception import schema
from vif_perception.errors import InputError
from vif_perception.schema import Group


class SyncConfig(Group):
    """How the two streams are paired."""

    policy: Literal['nearest', 'exact'] = Field(
        'nearest', description='nearest stamp within max_skew_ms, or equal stamps only'
    )
    max_skew_ms: float = Field(
        25.0, ge=0, le=10_000, description='largest stamp difference of a pair'
    )
    thermal_offset_ms: float = Field(
        0.0, ge=-10_000, le=10_000, description='added to thermal stamps before pairing'
    )
    queue_size: int = Field(8, ge=1, le=1000, description='frames kept per camera while waiting')
    deadline_ms: float = Field(
        120.0, gt=0, le=60_000, description='after this wait a lone frame goes out as a partial'
    )
    jump_back_ms: float = Field(
        500.0, gt=0, le=3_600_000,
        description='stamps this far back mean a clock jump or bag loop: start afresh',
    )
    report_after_s: float = Field(
        5.0, gt=0, le=3600, description='say why after this long without a pair'
    )


class ModelConfig(Group):
    """Which network runs."""

    name: str = Field('rt', description='architecture, see `vif-perception models`')
    preset: str = Field('s', description='size, backbone or host of the architecture')
    options: dict[str, Any] = Field(
        {}, description='further settings of the architecture by name, for training; no ROS '
        'parameter: the card beside the weights holds those of a trained network'
    )
    weights: str = Field('', description='.safetensors file; empty: the packaged weights')
    entities_on: tuple[str, ...] = Field(
        (), description='egmt: entities that guide the fusion whether they are seen or not'
    )
    entities_off: tuple[str, ...] = Field(
        (), description='egmt: entities that never guide the fusion'
    )

    @model_validator(mode='after')
    def _consistent(self) -> ModelConfig:
        for name in self.entities_on:
            if name in self.entities_off:
                raise ValueError(f'{name!r} is in entities_on and in entities_off')
        return self


class InferenceConfig(Group):
    """Where and how the network runs."""

    backend: Literal['torch'] = Field('torch', description='inference library')
    device: str = Field('auto', description='auto, cpu, cuda or cuda:N')
    precision: Literal['auto', 'fp32', 'bf16'] = Field(
        'auto', description='auto: bf16 where the processor has it, else fp32'
    )
    threads: int = Field(0, ge=0, le=256, description='CPU threads; 0: leave the default')


class ThermalConfig(Group):
    """How thermal values become a picture."""

    profile: Literal[
        'auto', 'lepton_tlinear', 'boson_raw', 'counts', 'optris', 'gazebo_l16', 'gazebo_l8',
        'kelvin', 'celsius', 'agc8',
    ] = Field('auto', description='meaning of the thermal values; auto: by encoding and values')
    window_min_k: float = Field(278.0, ge=0, le=2000, description='Kelvin shown as black')
    window_max_k: float = Field(318.0, ge=0, le=2000, description='Kelvin shown as white')
    gain: Literal['percentile', 'per_frame_minmax'] = Field(
        'percentile',
        description='for values without a unit; per_frame_minmax flickers, only on request',
    )
    percentile_low: float = Field(0.5, ge=0, le=50, description='% of pixels below black')
    percentile_high: float = Field(99.5, ge=50, le=100, description='% of pixels below white')
    smoothing_s: float = Field(
        2.0, ge=0, le=600, description='time constant of the automatic gain'
    )

    @model_validator(mode='after')
    def _ordered(self) -> ThermalConfig:
        if self.window_min_k >= self.window_max_k:
            raise ValueError('window_min_k must be below window_max_k')
        return self


class RegistrationConfig(Group):
    """How thermal pixels are found from RGB pixels."""

    source: Literal['auto', 'identity', 'homography', 'camera_info', 'camchain'] = Field(
        'auto',
        description='auto: camera_info with the extrinsic when one is given, else identity',
    )
    homography: tuple[float, ...] = Field(
        (), description='9 numbers, row-major H with [u v 1]_thermal ~ H [u v 1]_rgb'
    )
    t_rgb_thermal: tuple[float, ...] = Field(
        (), description='16 numbers, row-major T with X_rgb = T X_thermal, metres'
    )
    plane_distance_m: float = Field(
        30.0, gt=0, le=100_000, description='distance of the scene plane the warp is exact for'
    )
    camchain: str = Field('', description='path of a Kalibr camchain YAML')

    @model_validator(mode='after')
    def _complete(self) -> RegistrationConfig:
        if self.homography and len(self.homography) != 9:
            raise ValueError(f'homography has {len(self.homography)} numbers, needs 9')
        if self.t_rgb_thermal and len(self.t_rgb_thermal) != 16:
            raise ValueError(f't_rgb_thermal has {len(self.t_rgb_thermal)} numbers, needs 16')
        needs = {'homography': self.homography, 'camchain': self.camchain,
                 'camera_info': self.t_rgb_thermal}
        if self.source in needs and not needs[self.source]:
            key = 't_rgb_thermal' if self.source == 'camera_info' else self.source
            raise ValueError(f'source is {self.source} but {key} is empty')
        return self


class FallbackConfig(Group):
    """When a camera counts as unusable, and what happens then."""

    policy: Literal['partial', 'drop'] = Field(
        'partial', description='partial: go on with one camera; drop: wait for both'
    )
    blank_std: float = Field(
        0.004, ge=0, le=1,
        description='a frame whose standard deviation is below this part of the range is blank',
    )
    dark_below: float = Field(
        0.012, ge=0, le=1, description='RGB whose 99th percentile is below this is dark'
    )
    bright_above: float = Field(
        0.97, ge=0, le=1, description='RGB whose 10th percentile is above this is overexposed'
    )
    recover_frames: int = Field(
        3, ge=1, le=1000, description='good frames in a row before a dark camera counts again'
    )
    stale_ms: float = Field(
        1000.0, gt=0, le=600_000, description='without any output for this long: STALE'
    )


class LimitsConfig(Group):
    """What is refused before memory is taken for it."""

    max_pixels: int = Field(
        16_777_216, ge=1, le=1_000_000_000, description='largest width x height of one image'
    )


class Config(Group):
    """All parameters of the package."""

    reference: Literal['rgb', 'thermal'] = Field(
        'rgb', description='camera whose stamp, frame and size the outputs carry'
    )
    sync: SyncConfig = SyncConfig()
    model: ModelConfig = ModelConfig()
    inference: InferenceConfig = InferenceConfig()
    thermal: ThermalConfig = ThermalConfig()
    registration: RegistrationConfig = RegistrationConfig()
    fallback: FallbackConfig = FallbackConfig()
    limits: LimitsConfig = LimitsConfig()


def load_config(path: Path | None = None, sets: Iterable[str] = ()) -> Config:
    """Build the configuration from an optional YAML file and ``key=value`` overrides.

    Args:
        path: YAML in the ROS parameter form (``/**: ros__parameters:``) or plain nested keys.
        sets: overrides such as ``sync.max_skew_ms=40``; they beat the file. Values are YAML.

    Raises:
        InputError: unreadable file, unknown key, wrong type or range, contradiction.
    """
    trees = [] if path is None else _parameters(schema.read_yaml(path), str(path))
    changes = list(map(schema.override, sets))
    return schema.validated(
        Config, [*trees, *changes], where=str(path or '--set'),
        places=[str(path)] * len(trees) + ['--set'] * len(changes),
        keys='see `vif-perception params`',
    )


def describe(model: type[BaseModel] = Config) -> list[tuple[str, str, Any, str]]:
    """Return (dotted key, accepted values, default, description) of every parameter."""
    return schema.describe(model)


def _parameters(document: Any, where: str) -> list[Mapping[Any, Any]]:
    """Take the parameters of all nodes out of a ROS parameter file; plain files are one."""
    tree = schema.mapping(document, where)
    wrapped = [
        node['ros__parameters'] for node in tree.values()
        if isinstance(node, Mapping) and 'ros__parameters' in node
    ]
    for part in wrapped:
        if not isinstance(part, Mapping):
            raise InputError('ros__parameters is not a mapping', where=where)
    return wrapped or [tree]
