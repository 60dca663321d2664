"""The executables: what is missing is said, and every end is a good one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ros_world import REAL, needs_ros, ros

from vif_perception import __version__
from vif_perception.ros import main

__all__ = ['ros']
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_without_ros_everything_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    if REAL:
        pytest.skip('ROS IS SOURCED: nothing is missing')
    assert main.fusion() == 2
    text = capsys.readouterr().err
    assert text.startswith('error: ROS 2: cannot import rclpy, ')
    assert 'vision_msgs' in text
    assert 'source /opt/ros' in text
    assert 'vif-perception replay' in text
    assert text.count('\n') == 1


def test_the_version_needs_no_ros(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, 'argv', ['fusion', '--version'])
    assert main.fusion() == 0
    assert capsys.readouterr().out == f'vif_perception {__version__}\n'


def test_bad_parameters_end_with_one_line(
    ros: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not REAL:
        pytest.skip('NO ROS 2 IS SOURCED: the double reads no command line')
    arguments = ['--ros-args', '-p', 'sync.max_skew_ms:=-3.0']
    assert main.run('fusion', 'FusionNode', ['fusion', *arguments]) == 2
    assert 'error: sync.max_skew_ms: ' in capsys.readouterr().err


def test_a_shutdown_ends_the_node_with_its_exit_code(
    ros: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rclpy

    from vif_perception.ros import fusion

    stopped = []

    class Short(fusion.FusionNode):
        exit_code = 3

        def __init__(self) -> None:
            super().__init__()
            self.create_timer(0.01, rclpy.try_shutdown)

        def stop(self) -> bool:
            stopped.append(True)
            return super().stop()

    monkeypatch.setattr(fusion, 'FusionNode', Short)
    assert main.run('fusion', 'FusionNode', ['fusion']) == 3
    assert stopped == [True]


@needs_ros
@pytest.mark.parametrize('busy', [False, True], ids=['idle', 'a frame in the network'])
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_two_signals_end_the_node_well(busy: bool, number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, HERE / 'ros_node.py', *(['busy'] if busy else [])],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == 'ready\n'
        began = time.monotonic()
        process.send_signal(number)
        time.sleep(0.05)  # as launch does it: while the node is cleaning up
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert 'Traceback' not in err
        assert time.monotonic() - began < 5  # 2 s on a machine with nothing else to do
    finally:
        process.kill()
        process.wait()
