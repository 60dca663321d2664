"""The executables: what is missing is said, and every end is a good one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def test_a_python_package_that_is_missing_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(name: str) -> None:
        raise ModuleNotFoundError('No module named PIL', name='PIL.Image')

    monkeypatch.setattr(main, 'require_ros', lambda: None)
    monkeypatch.setattr(main.importlib, 'import_module', lacking)
    assert main.fusion() == 2
    text = capsys.readouterr().err
    assert text.startswith(f'error: Python: cannot import PIL.Image in {sys.executable}')
    assert 'rosdep install' in text


def test_bad_parameters_end_with_one_line(
    ros: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not REAL:
        pytest.skip('NO ROS 2 IS SOURCED: the double reads no command line')
    arguments = ['--ros-args', '-p', 'sync.max_skew_ms:=-3.0']
    assert main.run('fusion', 'FusionNode', ['fusion', *arguments]) == 2
    assert 'error: sync.max_skew_ms: ' in capsys.readouterr().err


@needs_ros
@pytest.mark.parametrize('text, words', [
    ('{homography: [1, 0.5, 0]}', 'write all numbers of a list with a point, or none'),
    ('{homography: {{', "Couldn't parse params file"),
])
def test_parameter_files_that_ros_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    path = tmp_path / 'p.yaml'
    path.write_text(f'/**: {{ros__parameters: {{registration: {text}}}}}')
    given = ['fusion', '--ros-args', '--params-file', str(path)]
    assert main.run('fusion', 'FusionNode', given) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith('error: ')]
    assert line.startswith('error: command line or parameter file: ')
    assert words in line


@needs_ros
def test_empty_lists_in_a_parameter_file_are_empty_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rclpy

    from vif_perception.ros import fusion

    found = []

    class Looked(fusion.FusionNode):
        def __init__(self) -> None:
            super().__init__()
            found.extend(self.get_parameter(f'registration.{key}').value
                         for key in ('homography', 't_rgb_thermal', 'plane_distance_m'))
            self.create_timer(0.01, rclpy.try_shutdown)

    monkeypatch.setattr(fusion, 'FusionNode', Looked)
    path = tmp_path / 'p.yaml'
    numbers = [1.0, 0.0, 0.0, 0.1, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    path.write_text(
        '/**: {ros__parameters: {registration: {homography: [], plane_distance_m: 12, '
        f't_rgb_thermal: {numbers}}}}}}}'
    )
    given = ['fusion', '--ros-args', '--params-file', str(path)]
    assert main.run('fusion', 'FusionNode', given) == 0
    assert [list(found[0]), list(found[1]), found[2]] == [[], numbers, 12]


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


@pytest.mark.parametrize('ended', [True, False])
def test_what_is_raised_because_of_the_shutdown_is_no_error(
    ros: None, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    import rclpy

    from vif_perception.ros import fusion

    def task() -> None:
        if ended:
            rclpy.try_shutdown()
        raise RuntimeError('failed to initialize wait set')

    class Short(fusion.FusionNode):
        def __init__(self) -> None:
            super().__init__()
            self.create_timer(0.01, task)

    monkeypatch.setattr(fusion, 'FusionNode', Short)
    if ended:
        assert main.run('fusion', 'FusionNode', ['fusion']) == 0
    else:
        with pytest.raises(RuntimeError, match='wait set'):
            main.run('fusion', 'FusionNode', ['fusion'])


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports_is_not_lost(
    ros: None, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def imported(module: str, node: str) -> Any:
        os.kill(os.getpid(), number)
        return lambda: pytest.fail('the node was made')

    monkeypatch.setattr(main, 'require_ros', lambda: None)
    monkeypatch.setattr(main, '_imported', imported)
    assert main.run('fusion', 'FusionNode', ['fusion']) == 0


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
