"""The executables: starts a node, spins it, and ends the process well whatever happens.

Without ROS this module can be imported, and the executables say what is missing.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from vif_perception import __version__
from vif_perception.errors import InputError

#: ROS packages that the nodes import; apt has them as ros-<distro>-<name with dashes>.
PACKAGES = (
    'rclpy', 'builtin_interfaces', 'diagnostic_msgs', 'diagnostic_updater', 'lifecycle_msgs',
    'message_filters', 'rcl_interfaces', 'sensor_msgs', 'std_msgs', 'std_srvs', 'vision_msgs',
    'vif_perception.msg',
)
#: After a signal nobody waits longer than this for a node: launch would send the next signal.
PATIENCE_S = 1.2


def fusion() -> int:
    """Run the fusion node; returns the exit code."""
    return run('fusion', 'FusionNode')


def sim() -> int:
    """Run the simulated cameras; returns the exit code."""
    return run('sim', 'SimNode')


def evaluate() -> int:
    """Run the evaluate node, which writes its report at the end; returns the exit code."""
    return run('evaluate', 'EvaluateNode', patience_s=None)


def require_ros() -> None:
    """Check that everything the nodes import is there.

    Raises:
        InputError: names what is missing.
    """
    missing = []
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:  # also a package that is there but made for another Python
            missing.append(name if error.name == name else f'{name} ({error})')
    if missing:
        raise InputError(
            f'cannot import {", ".join(missing)}', where='ROS 2',
            accepted=f'a sourced ROS 2 with a Python {sys.version_info[0]}.{sys.version_info[1]}',
            remedy='source /opt/ros/<distro>/setup.bash and the workspace that this package was '
            'built in; install what is missing as ros-<distro>-<name>. Without ROS: '
            '`vif-perception replay`',
        )


def run(
    module: str, node: str, arguments: Sequence[str] | None = None, *,
    patience_s: float | None = PATIENCE_S,
) -> int:
    """Start a node of this room and spin it until SIGINT, SIGTERM or shutdown.

    Args:
        module: in this room, such as ``fusion``; imported only now.
        node: class in it. Called without arguments; has ``stop()``, which ends threads, may block
            for a while and returns False when one did not end, and ``destroy_node()``. May have
            an attribute ``exit_code``.
        arguments: of the command line; None: those of the process.
        patience_s: after a signal the process ends with 0 when the node has not ended within
            this time; None: it may take as long as it needs.

    Returns:
        0 after a signal, also after several; 2 for bad input, said on stderr; else the node's
        ``exit_code``.
    """
    given = list(sys.argv if arguments is None else arguments)
    if '--version' in given:
        print(f'vif_perception {__version__}')
        return 0
    # Handlers that do not raise: no second Ctrl-C can interrupt the clean-up. rclpy's own ones,
    # installed by init, come before these and end the spinning; what comes earlier is kept.
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: stopped.append(number))
    try:
        require_ros()
        return _spin(_imported(module, node), given, patience_s, stopped)
    except InputError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    finally:
        # Python takes its own handlers away while it ends, which libraries can make long.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _imported(module: str, node: str) -> Any:
    """Return a node's class.

    Raises:
        InputError: a Python package is missing.
    """
    try:
        return getattr(importlib.import_module(f'vif_perception.ros.{module}'), node)
    except ModuleNotFoundError as error:
        if (error.name or 'vif_perception').partition('.')[0] == 'vif_perception':
            raise  # a defect of ours
        raise InputError(
            f'cannot import {error.name} in {sys.executable}', where='Python',
            accepted='an environment that has what package.xml and requirements/pip_only.txt list',
            remedy='`rosdep install --from-paths src`, or pip install it into that environment',
        ) from None


def _spin(
    make: Callable[[], Any], arguments: Sequence[str], patience_s: float | None,
    stopped: Sequence[int],
) -> int:
    import rclpy
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

    try:
        rclpy.init(args=list(arguments))
    except Exception as error:  # of the C library: arguments and parameter files are read there
        text = str(error).partition(', at /')[0]
        mixed = 'same type' in text
        raise InputError(
            text, where='command line or parameter file',
            remedy='write all numbers of a list with a point, or none' if mixed else '',
        ) from None
    done = threading.Event()
    try:
        if stopped:  # by a signal while packages were imported
            return 0
        if patience_s is not None:
            _watch(done, patience_s)
        node = make()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            executor.spin()
        except ExternalShutdownException:
            pass
        except Exception:
            if rclpy.ok():
                raise  # else a signal has just ended what rclpy was about to wait for
        ended = node.stop()
        executor.shutdown()
        node.destroy_node()
        code = int(getattr(node, 'exit_code', 0))
        if ended is False:
            _leave(code)
        return code
    finally:
        rclpy.try_shutdown()
        done.set()


def _watch(done: threading.Event, patience_s: float) -> None:
    """End the process when the node does not end in time: it may be deep inside a library."""
    import rclpy

    def wait() -> None:
        while rclpy.ok():
            if done.wait(0.1):
                return
        if not done.wait(patience_s):
            _leave(0)

    threading.Thread(target=wait, name='shutdown', daemon=True).start()


def _leave(code: int) -> NoReturn:
    """End the process at once: a library at work in another thread would crash an orderly end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
