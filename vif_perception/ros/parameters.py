"""ROS parameters made from a pydantic schema: the same keys, ranges and texts as everywhere."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from vif_perception import schema
from vif_perception.config import Config
from vif_perception.errors import InputError
from vif_perception.schema import Group

Schema = TypeVar('Schema', bound=Group)
Transport = Literal['raw', 'compressed']


class InputConfig(Group):
    """How images come in over ROS."""

    rgb_transport: Transport = Field(
        'raw', description='compressed: read image_raw/compressed (JPEG, PNG) of the RGB camera'
    )
    thermal_transport: Transport = Field(
        'raw', description='compressed: read image_raw/compressed (8-bit JPEG or PNG, 16-bit PNG)'
    )


class FusionConfig(Config):
    """All parameters of the fusion node: those of the package, and what only ROS has."""

    input: InputConfig = InputConfig()


def declare(node: Node, model: type[Group], read_only: Collection[str] = ()) -> None:
    """Declare every setting of a schema, with description, range and accepted values.

    Numbers with a fraction also take whole numbers, as YAML and ``ros2 param set`` write them.
    Mappings are left out: ROS parameters have no such type.

    Raises:
        InputError: a value from the command line or a parameter file does not fit.
    """
    accepted = {key: text for key, text, _, _ in schema.describe(model)}
    for key, info in settings(model):
        if typing.get_origin(info.annotation) is dict:
            continue
        lists = isinstance(info.default, tuple)
        descriptor = ParameterDescriptor(
            description=info.description or '', additional_constraints=accepted[key],
            read_only=key in read_only, dynamic_typing=lists or info.annotation is float,
        )
        _limit(descriptor, info)
        default = list(info.default) if lists else info.default
        try:
            declared = node.declare_parameter(key, default, descriptor)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise InputError(str(error), where=key, accepted=accepted[key]) from None
        if lists and not declared.value:  # rclpy takes an empty list for bytes, or for nothing
            node.set_parameters([Parameter(key, _list_type(info.annotation), [])])
    read(node, model)


def read(node: Node, model: type[Schema], changes: Mapping[str, Any] | None = None) -> Schema:
    """Return the settings as the parameters are, with ``changes`` made to them.

    Raises:
        InputError: a value out of range, or values that contradict each other.
    """
    values = {
        key: node.get_parameter(key).value for key, _ in settings(model)
        if node.has_parameter(key)
    }
    return schema.validated(
        model, [{**values, **(changes or {})}], where='parameters',
        keys='see `ros2 param list`',
    )


def check_given(node: Node, model: type[Group]) -> None:
    """Refuse given parameters that nobody declared although their group is one of ours.

    rclpy passes over them in silence. Those of other groups may be meant for other nodes.

    Raises:
        InputError: names them, and what was probably meant.
    """
    known = {key for key, _ in settings(model)}
    groups = {key.partition('.')[0] for key in known}
    given = getattr(node, '_parameter_overrides', {})  # rclpy has no public list of them
    found = []
    for key in sorted(key for key in given if not node.has_parameter(key)):
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
        if key.partition('.')[0] in groups and given[key].value is not None:
            found.append(f'{key} (did you mean {close[0]}?)' if close else key)
    if found:
        raise InputError(
            f'unknown {", ".join(found)}', where='parameters', accepted='see `ros2 param list`',
            remedy='correct the parameter file and start the node again',
        )


def settings(model: type[BaseModel], prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, pydantic field) of every setting."""
    for name, info in model.model_fields.items():
        if isinstance(info.default, BaseModel):
            yield from settings(type(info.default), f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}', info


def _limit(descriptor: ParameterDescriptor, info: Any) -> None:
    """Copy closed and open bounds; the schema itself refuses the end of an open one."""
    bounds: dict[str, float] = {}
    for item in info.metadata:
        for name in ('ge', 'gt', 'le', 'lt'):
            value = getattr(item, name, None)
            if value is not None:
                bounds['from_value' if name[0] == 'g' else 'to_value'] = value
    if len(bounds) == 2 and info.annotation is int:
        descriptor.integer_range = [IntegerRange(**{k: int(v) for k, v in bounds.items()})]
    elif len(bounds) == 2 and info.annotation is float:
        ends = {k: float(v) for k, v in bounds.items()}
        descriptor.floating_point_range = [FloatingPointRange(**ends)]


def _list_type(annotation: Any) -> Parameter.Type:
    kinds: Mapping[Any, Callable[..., Any]] = {
        float: Parameter.Type.DOUBLE_ARRAY, int: Parameter.Type.INTEGER_ARRAY,
        str: Parameter.Type.STRING_ARRAY, bool: Parameter.Type.BOOL_ARRAY,
    }
    return kinds[typing.get_args(annotation)[0]]
