"""Messages straight from the wire: rclpy would copy every pixel, twice, into Python's own arrays.

A raw subscription hands over the serialised message; rosbags parses it, and the pixels are a view.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from vif_perception.errors import InputError

#: Where a message that begins with a Header goes on behind encapsulation header and stamp.
STAMPED = 12


def parse(data: bytes, kind: type) -> Any:
    """Return the message that ``data`` is, with the fields of ``kind``; arrays are views.

    Args:
        data: CDR with its encapsulation header, as a raw subscription gives it.
        kind: a message class of sensor_msgs, std_msgs or another package of common_interfaces.

    Raises:
        InputError: it is no such message.
    """
    name = f'{kind.__module__.partition(".")[0]}/msg/{kind.__name__}'
    try:
        return _types().deserialize_cdr(data, name)
    except Exception as error:  # damaged bytes make the parser raise nearly anything
        raise InputError(f'is no {name} ({type(error).__name__}: {error})') from None


@lru_cache(maxsize=1)
def _types() -> Typestore:
    return get_typestore(Stores.ROS2_JAZZY)
