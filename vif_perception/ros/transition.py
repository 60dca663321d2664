"""Lifecycle transitions that fail with a reason, and requests that change nothing."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from rclpy.lifecycle import TransitionCallbackReturn

from vif_perception.errors import InputError

_log = logging.getLogger(__name__)

Step = TypeVar('Step', bound=Callable[..., TransitionCallbackReturn])


def told(step: Step) -> Step:
    """Let a transition that raises fail, and say why; rclpy would only swallow it.

    The node's ``trouble`` keeps the reason; a transition that succeeds clears it.
    """

    @functools.wraps(step)
    def guarded(self: Any, state: Any) -> TransitionCallbackReturn:
        name = step.__name__.removeprefix('on_')
        try:
            result = step(self, state)
        except InputError as error:
            self.trouble = f'{name}: {error}'
            self.get_logger().error(f'{name} failed: {error}')
        except Exception as error:
            self.trouble = f'{name}: {type(error).__name__}: {error}'
            _log.exception('%s failed', name)
        else:
            self.trouble = ''
            return result
        return TransitionCallbackReturn.FAILURE

    return guarded  # type: ignore[return-value]  # wraps() forgets the signature


def survive_requests(node: Any) -> None:
    """Let requests for a transition that the state does not have fail.

    rclpy answers them with an exception that ends the process: two managers, or one that is late,
    would take the node down.
    """
    for service in node.services:
        if service.srv_name.endswith('change_state'):
            service.callback = functools.partial(_answer, node, service.callback)


def _answer(node: Any, change: Callable[[Any, Any], Any], request: Any, response: Any) -> Any:
    try:
        return change(request, response)
    except Exception as error:
        text = str(error).partition(', at /')[0]
        node.get_logger().error(f'transition {request.transition.id} refused: {text}')
        response.success = False
        return response
