"""Message and service classes with the fields, defaults and checks of the generated ones."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype

from vif_perception.replay.typestore import ros2_types

_CODES = {
    'uint8': 'B', 'int8': 'b', 'uint16': 'H', 'int16': 'h', 'uint32': 'I', 'int32': 'i',
    'uint64': 'Q', 'int64': 'q', 'float32': 'f', 'float64': 'd',
}
_PYTHON: dict[str, type] = {'bool': bool, 'string': str, 'byte': bytes}


def message(name: str) -> type:
    """Make the class of a message type such as sensor_msgs/msg/Image."""
    package, _, short = name.split('/')
    constants, fields = ros2_types().fielddefs[name]
    kinds = dict(fields)

    def init(self: Any, **values: Any) -> None:
        unknown = set(values) - set(kinds)
        assert not unknown, f'{name} has no {unknown}'
        for field, kind in kinds.items():
            setattr(self, field, values.get(field, _default(kind)))

    def assign(self: Any, field: str, value: Any) -> None:
        assert field in kinds, f'{name} has no {field}'
        object.__setattr__(self, field, _taken(kinds[field], value, f'{name}.{field}'))

    def equal(self: Any, other: Any) -> bool:
        return type(other) is type(self) and repr(vars(self)) == repr(vars(other))

    return type(short, (), {
        '__init__': init, '__setattr__': assign, '__eq__': equal, '__hash__': None,
        '__module__': f'{package}.msg._{short.lower()}', '__slots__': tuple(kinds) and (),
        **{key: bytes([value]) if kind == 'byte' else value for key, kind, value in constants},
        '__repr__': lambda self: f'{short}({vars(self)})',
    } | {'__slots__': ('__dict__',)})


def serialised(sent: Any) -> bytes:
    """Return a message as a raw subscription gets it."""
    name = f'{type(sent).__module__.partition(".")[0]}/msg/{type(sent).__name__}'
    return bytes(ros2_types().serialize_cdr(_plain(sent, name), name))


def deserialize_message(data: bytes, kind: type) -> Any:
    """Return the message that ``data`` is."""
    name = f'{kind.__module__.partition(".")[0]}/msg/{kind.__name__}'
    return _made(ros2_types().deserialize_cdr(data, name), name)


def _made(read: Any, name: str) -> Any:
    values = {}
    for field, (kind, detail) in ros2_types().fielddefs[name][1]:
        value = getattr(read, field)
        values[field] = _made(value, detail) if kind == Nodetype.NAME else value
    return of(name)(**values)


def _plain(sent: Any, name: str) -> Any:
    values = {}
    for field, (kind, detail) in ros2_types().fielddefs[name][1]:
        value = getattr(sent, field)
        if kind == Nodetype.NAME:
            value = _plain(value, detail)
        elif kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
            value = np.asarray(value, detail[0][1][0])
        values[field] = value
    return ros2_types().types[name](**values)


class Messages:
    """The ``msg`` module of a package; classes are made when they are asked for."""

    def __init__(self, package: str) -> None:
        self._package = package
        self._made: dict[str, type] = {}

    def __call__(self, short: str) -> type:
        if short not in self._made:
            self._made[short] = message(f'{self._package}/msg/{short}')
        return self._made[short]


CLASSES: dict[str, Messages] = {}


def of(name: str) -> type:
    """Return the one class of a message type."""
    package, _, short = name.split('/')
    return CLASSES.setdefault(package, Messages(package))(short)


def trigger() -> type:
    """Return std_srvs/srv/Trigger."""
    return type('Trigger', (), {
        'Request': SimpleNamespace,
        'Response': type('Response', (SimpleNamespace,), {'success': False, 'message': ''}),
    })


def _default(kind: Any) -> Any:
    node, what = kind
    if node is Nodetype.BASE:
        return {'bool': False, 'string': '', 'byte': b'\0'}.get(
            what[0], 0.0 if what[0].startswith('float') else 0
        )
    if node is Nodetype.NAME:
        return of(what)()
    (inner, base), count = what
    if node is Nodetype.ARRAY:
        return np.zeros(count, base[0])
    return array(_CODES[base[0]]) if inner is Nodetype.BASE and base[0] in _CODES else []


def _taken(kind: Any, value: Any, where: str) -> Any:
    """Return the value as the generated class keeps it; assert that it takes it at all."""
    node, what = kind
    if node is Nodetype.BASE:
        wanted = _PYTHON.get(what[0], float if what[0].startswith('float') else int)
        assert isinstance(value, wanted), f'{where}: {value!r} is no {wanted.__name__}'
        if what[0] in _CODES and wanted is int:
            array(_CODES[what[0]], [value])  # raises when out of range
        return value
    if node is Nodetype.NAME:
        assert isinstance(value, of(what)), f'{where}: {value!r} is no {what}'
        return value
    (inner, base), count = what
    if node is Nodetype.ARRAY:
        assert len(value) == count, f'{where}: {len(value)} values'
        assert all(isinstance(item, float) for item in value), f'{where}: not all are float'
        return np.array(value, base[0])
    if inner is Nodetype.BASE and base[0] in _CODES:
        code = _CODES[base[0]]
        if isinstance(value, array):
            assert value.typecode == code, f'{where}: typecode {value.typecode}'
            return value
        # The real one takes a list, too, and looks at each element: 47 ms for an image.
        assert base[0] != 'uint8', f'{where}: {type(value).__name__} is slow, use array.array'
        number = float if code in 'fd' else int
        assert all(isinstance(item, number) for item in value), f'{where}: wrong elements'
        return array(code, value)
    assert isinstance(value, list), f'{where}: {type(value).__name__} is no list'
    wanted = str if inner is Nodetype.BASE else of(base)
    assert all(isinstance(item, wanted) for item in value), f'{where}: wrong elements'
    return value
