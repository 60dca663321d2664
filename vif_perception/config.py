"""The one configuration schema: YAML files, ``--set`` and ROS parameters all come from here.

Every field has a unit in its name, a range and a description. Files use the ROS form
``/**: {ros__parameters: {...}}`` with nested or dotted keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vif_perception.errors import InputError
from vif_perception.yaml_text import brief, parse_yaml


class _Group(BaseModel):
    model_config = ConfigDict(extra='forbid', frozen=True, allow_inf_nan=False)


class SyncConfig(_Group):
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


class ModelConfig(_Group):
    """Which network runs."""

    name: str = Field('rt', description='architecture, see `vif-perception models`')
    preset: str = Field('s', description='size of the architecture')
    weights: str = Field('', description='.safetensors file; empty: the packaged weights')


class InferenceConfig(_Group):
    """Where and how the network runs."""

    backend: Literal['torch'] = Field('torch', description='inference library')
    device: str = Field('auto', description='auto, cpu, cuda or cuda:N')
    precision: Literal['auto', 'fp32', 'bf16'] = Field(
        'auto', description='auto: bf16 where the processor has it, else fp32'
    )
    threads: int = Field(0, ge=0, le=256, description='CPU threads; 0: leave the default')


class ThermalConfig(_Group):
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


class RegistrationConfig(_Group):
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


class FallbackConfig(_Group):
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


class LimitsConfig(_Group):
    """What is refused before memory is taken for it."""

    max_pixels: int = Field(
        16_777_216, ge=1, le=1_000_000_000, description='largest width x height of one image'
    )


class Config(_Group):
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
    tree: dict[str, Any] = {}
    where = 'configuration'
    if path is not None:
        where = str(path)
        _merge(tree, _parameters(_read_yaml(path), where))
    for item in sets:
        _merge(tree, _override(item))
        where = where if path is not None else '--set'
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise _explain(error, where) from None


def describe(model: type[BaseModel] = Config, prefix: str = '') -> list[tuple[str, str, Any, str]]:
    """Return (dotted key, accepted values, default, description) of every parameter."""
    rows: list[tuple[str, str, Any, str]] = []
    for name, info in model.model_fields.items():
        if isinstance(info.default, BaseModel):
            rows += describe(type(info.default), f'{prefix}{name}.')
        else:
            rows.append((prefix + name, _accepted(info), info.default, info.description or ''))
    return rows


def _accepted(info: Any) -> str:
    if getattr(info.annotation, '__origin__', None) is Literal:
        return ' | '.join(map(str, info.annotation.__args__))
    bounds = [
        f'{sign} {getattr(limit, key):g}'
        for limit in info.metadata
        for key, sign in (('ge', '>='), ('gt', '>'), ('le', '<='), ('lt', '<'))
        if getattr(limit, key, None) is not None
    ]
    kind = getattr(info.annotation, '__name__', str(info.annotation))
    return f'{kind} {", ".join(bounds)}'.strip()


def _read_yaml(path: Path) -> Any:
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'cannot be read ({error})', where=str(path)) from None
    return parse_yaml(text, str(path))


def _parameters(document: Any, where: str) -> dict[str, Any]:
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise InputError(f'holds a {type(document).__name__}', where=where, accepted='a mapping')
    merged: dict[str, Any] = {}
    wrapped = [
        node['ros__parameters'] for node in document.values()
        if isinstance(node, Mapping) and 'ros__parameters' in node
    ]
    for part in wrapped or [document]:
        if not isinstance(part, Mapping):
            raise InputError('ros__parameters is not a mapping', where=where)
        for key, value in part.items():
            _merge(merged, _nest(str(key), value))
    return merged


def _override(item: str) -> dict[str, Any]:
    key, equals, text = item.partition('=')
    if not equals or not key.strip():
        raise InputError(f'{item!r} is not an override', where='--set', accepted='key=value')
    value = parse_yaml(text, f'--set, value of {key.strip()}') if text.strip() else ''
    return _nest(key.strip(), value)


def _nest(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split('.')):
        value = {part: value}
    return value


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _explain(error: ValidationError, where: str) -> InputError:
    known = {key: (accepted, default) for key, accepted, default, _ in describe()}
    first = error.errors()[0]
    key = '.'.join(str(part) for part in first['loc'] if not isinstance(part, int))
    if first['type'] == 'extra_forbidden':
        close = _closest(key, list(known))
        return InputError(
            f'unknown key {key!r}', where=where, accepted='see `vif-perception params`',
            remedy=f'did you mean {close!r}?' if close else 'remove the key',
        )
    accepted = known[key][0] if key in known else ''
    value = '' if first['type'] == 'value_error' else f' (got {brief(first["input"])})'
    remedy = f'the default is {known[key][1]!r}' if key in known else ''
    return InputError(
        f'{key or "configuration"}: {first["msg"]}{value}',
        where=where, accepted=accepted, remedy=remedy,
    )


def _closest(key: str, known: list[str]) -> str:
    import difflib

    names = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return names[0] if names else ''


