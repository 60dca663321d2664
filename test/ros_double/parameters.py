"""Parameters as a Jazzy node keeps them: types, ranges, read-only, callbacks."""

from __future__ import annotations

import enum
from array import array
from collections.abc import Callable
from typing import Any

from ros_double import messages
from ros_double.signatures import golden


class InvalidParameterTypeException(Exception):  # noqa: N818
    pass


class InvalidParameterValueException(Exception):  # noqa: N818
    pass


class Type(enum.Enum):
    NOT_SET, BOOL, INTEGER, DOUBLE, STRING, BYTE_ARRAY = range(6)
    BOOL_ARRAY, INTEGER_ARRAY, DOUBLE_ARRAY, STRING_ARRAY = range(6, 10)

    @classmethod
    def of(cls, value: Any) -> Type:
        if value is None:
            return cls.NOT_SET
        for kind, type_ in ((bool, 'BOOL'), (int, 'INTEGER'), (float, 'DOUBLE'), (str, 'STRING')):
            if isinstance(value, kind):
                return cls[type_]
            if isinstance(value, (list, tuple, array)) and value and all(
                isinstance(item, kind) for item in value
            ):
                return cls[f'{type_}_ARRAY']
        assert isinstance(value, (list, tuple, array)), f'{value!r} is no parameter'
        assert not value, f'{value!r} has several types'
        return cls.BYTE_ARRAY  # what rclpy takes every empty list for


class Parameter:
    Type = Type

    def __init__(self, name: str, type_: Type | None = None, value: Any = None) -> None:
        self.name, self.value = name, value
        self.type_ = Type.of(value) if type_ is None else type_


class Parameters:
    """The part of a node that has to do with parameters."""

    def __init__(self, overrides: list[Parameter]) -> None:
        self._parameter_overrides = {item.name: item for item in overrides}
        self._parameters: dict[str, Parameter] = {}
        self.descriptors: dict[str, Any] = {}
        self._on_set: list[Callable[..., Any]] = []
        self._post_set: list[Callable[..., Any]] = []

    @golden('rclpy.node.Node.declare_parameter')
    def declare_parameter(
        self, name: str, value: Any = None, descriptor: Any = None, ignore_override: bool = False
    ) -> Parameter:
        assert name not in self._parameters, f'{name} is declared twice'
        descriptor = descriptor or messages.of('rcl_interfaces/msg/ParameterDescriptor')()
        descriptor.name, descriptor.type = name, Type.of(value).value
        given = self._parameter_overrides.get(name)
        parameter = Parameter(name, value=given.value if given else value)
        reason = self._refusal(parameter, descriptor)
        if reason.startswith('Wrong parameter type'):
            raise InvalidParameterTypeException(reason)
        if reason:
            raise InvalidParameterValueException(reason)
        self._parameters[name], self.descriptors[name] = parameter, descriptor
        return parameter

    @golden('rclpy.node.Node.get_parameter')
    def get_parameter(self, name: str) -> Parameter:
        return self._parameters[name]

    def has_parameter(self, name: str) -> bool:
        return name in self._parameters

    @golden('rclpy.node.Node.add_on_set_parameters_callback')
    def add_on_set_parameters_callback(self, callback: Callable[..., Any]) -> None:
        self._on_set.append(callback)

    @golden('rclpy.node.Node.add_post_set_parameters_callback')
    def add_post_set_parameters_callback(self, callback: Callable[..., Any]) -> None:
        self._post_set.append(callback)

    def set_parameters(self, changed: list[Parameter]) -> list[Any]:
        return [self.set_parameters_atomically([parameter]) for parameter in changed]

    def set_parameters_atomically(self, changed: list[Parameter]) -> Any:
        result = messages.of('rcl_interfaces/msg/SetParametersResult')
        for parameter in changed:
            assert parameter.name in self._parameters, f'{parameter.name} is not declared'
            descriptor = self.descriptors[parameter.name]
            reason = self._refusal(parameter, descriptor)
            if descriptor.read_only:
                reason = f'Trying to set a read-only parameter: {parameter.name}.'
            if reason:
                return result(successful=False, reason=reason)
        for callback in self._on_set:
            said = callback(changed)
            if not said.successful:
                return said
        for parameter in changed:
            self._parameters[parameter.name] = parameter
        for callback in self._post_set:
            callback(changed)
        return result(successful=True)

    @staticmethod
    def _refusal(parameter: Parameter, descriptor: Any) -> str:
        if not descriptor.dynamic_typing and parameter.type_.value != descriptor.type:
            return (f"Wrong parameter type, expected '{Type(descriptor.type)}' got "
                    f"'{parameter.type_}'")
        for kind, ranges in (
            (Type.INTEGER, descriptor.integer_range),
            (Type.DOUBLE, descriptor.floating_point_range),
        ):
            for limits in ranges if parameter.type_ is kind else ():
                if not limits.from_value <= parameter.value <= limits.to_value:
                    return f'Parameter {parameter.name} out of range'
        return ''
