"""The command line as people and CI use it: words, exit codes, one line for each mistake."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from fakes import FakeEngine
from vif_perception import __version__
from vif_perception.cli import console
from vif_perception.cli.main import app, main
from vif_perception.config import describe
from vif_perception.models.registry import families
from vif_perception.pipeline import Pipeline
from vif_perception.types import FramePair, Perception

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    'demo', 'replay', 'sim', 'bench', 'models', 'export', 'entities', 'evaluate', 'params', 'info',
)
SMALL = ('--size', '160x120', '--thermal-size', '160x120', '--rate', '10')


def call(*words: Any) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], terminal_width=200)


def refused(result: Result) -> str:
    """Return the one line on stderr of a command that was refused with exit code 2."""
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1, result.stderr
    assert 'Traceback' not in result.output
    return lines[0]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Put a fake engine in the place of the network."""
    fake = FakeEngine()
    monkeypatch.setattr('vif_perception.inference.create_engine', lambda config: fake)
    return fake


@pytest.fixture(scope='session')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a simulated bag of six frames."""
    bag = tmp_path_factory.mktemp('drive') / 'drive.mcap'
    result = call('sim', '--out', bag, '--frames', 6, *SMALL)
    assert result.exit_code == 0, result.output
    return bag


def report_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / 'report.json').read_text(encoding='utf-8'))


def test_nothing_said_prints_the_help() -> None:
    result = call()
    assert result.exit_code in (0, 2)
    for command in COMMANDS:
        assert command in result.output


@pytest.mark.parametrize('command', COMMANDS)
@pytest.mark.parametrize('option', ['--help', '-h'])
def test_every_command_and_option_has_help(command: str, option: str) -> None:
    result = call(command, option)
    assert result.exit_code == 0
    assert 'Usage' in result.output
    assert len(result.output.splitlines()) > 5


def test_help_imports_nothing_heavy() -> None:
    code = (
        'import sys\n'
        'from vif_perception.cli.main import app\n'
        'try:\n    app(["replay", "--help"])\n'
        'except SystemExit:\n    pass\n'
        'print([m for m in ("torch", "numpy", "rosbags", "yaml") if m in sys.modules])\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == '[]'


def test_version() -> None:
    result = call('--version')
    assert (result.exit_code, result.stdout) == (0, f'vif-perception {__version__}\n')


@pytest.mark.parametrize('words', [
    ['nonsense'], ['replay'], ['replay', '--limit', 'few', 'x.bag'], ['sim', '--frames', '0'],
    ['sim', '--time-of-day', 'dawn'], ['demo', '--nonsense'], ['bench', '--runs', '0'],
    ['params', '--format', 'xml'],
])
def test_bad_usage_is_2(words: list[str]) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert 'Usage' in result.stderr


@pytest.mark.parametrize('words', [
    ['models', '--config', 'x' * 300], ['entities', 'x' * 300], ['bench', '--replay', 'x' * 300],
    ['export', 'rt/n', '--out', 'x' * 300],
])
def test_names_that_no_file_can_have_are_bad_input(words: list[str]) -> None:
    assert 'xxx: ' in refused(call(*words))


def test_models_lists_every_network() -> None:
    rows = json.loads(call('models', '--json').stdout)
    assert [(row['name'], row['preset']) for row in rows] == [
        (name, preset) for name, family in families().items() for preset in family.presets
    ]


def test_info_names_versions_and_devices() -> None:
    facts = json.loads(call('info', '--json').stdout)
    assert facts['versions']['vif_perception'] == __version__
    assert re.match(r'\d+\.\d+', facts['versions']['torch'])
    assert 'cpu' in facts['devices']
    assert 'torch' in facts['backends']
    assert 'torch' in call('info').stdout


def test_params_lists_every_parameter() -> None:
    output = CliRunner().invoke(app, ['params', '-f', 'markdown']).stdout
    for key, *_ in describe():
        assert f'`{key}`' in output
    assert 'max_skew_ms' in call('params').stdout


def test_tables_that_are_piped_are_not_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('COLUMNS', raising=False)
    table = console.table(*'abcdef')
    table.add_row(*['0.040 ± 0.000'] * 5, 'x' * 500)
    console.show(table)
    assert ' '.join(capsys.readouterr().out.splitlines()[3].split()) == ' '.join(
        ['0.040 ± 0.000'] * 5 + ['x' * 500])


@pytest.mark.parametrize('words, said', [
    (['--size', 'large'], '640x480'),
    (['--size', '0x0'], '160x120'),
    (['--thermal-size', '99999x99999'], '1920x1080'),
    (['--rate', '0'], '0.1'),
    (['--seed', '-1'], 'seed'),
    (['--fault', 'explode:rgb'], 'freeze'),
    (['--fault', 'freeze'], 'NAME:CAMERA'),
    (['--seconds', '1', '--frames', '3'], 'one of them'),
    (['--out', 'drive.bag'], '.mcap'),
])
def test_sim_refuses(tmp_path: Path, words: list[str], said: str) -> None:
    start = ['sim', '--out', tmp_path / 'x.mcap', '--frames', 1]
    if '--seconds' in words:
        start = start[:3]
    assert said in refused(call(*start, *words))
    assert not list(tmp_path.iterdir())


def test_sim_writes_a_bag_and_how_to_replay_it(drive: Path, tmp_path: Path) -> None:
    assert drive.stat().st_size > 6 * 160 * 120 * 5
    again = tmp_path / 'again.mcap'
    result = call('sim', '--out', again, '--frames', 6, *SMALL)
    assert again.read_bytes() == drive.read_bytes()
    assert f'vif-perception replay {again} --config {again.with_suffix(".yaml")}' in result.stdout


def test_sim_replaces_nothing_unless_it_is_told_to(tmp_path: Path) -> None:
    bag, config = tmp_path / 'drive.mcap', tmp_path / 'drive.yaml'
    for path in (bag, config):
        path.write_text('mine')
        said = refused(call('sim', '--out', bag, '--frames', 1, *SMALL))
        assert f'{path} exists already' in said
        assert '--force' in said
        assert path.read_text() == 'mine'
        path.unlink()
    bag.write_text('mine')
    assert call('sim', '--out', bag, '--frames', 1, *SMALL, '--force').exit_code == 0
    assert bag.stat().st_size > 1000


@pytest.mark.parametrize('command', [['replay', 'x.mcap'], ['demo'], ['sim']])
def test_an_empty_name_is_not_the_current_folder(command: list[str]) -> None:
    result = call(*command, '--out', '')
    assert result.exit_code == 2
    assert 'is empty' in result.stderr


@pytest.mark.usefixtures('engine')
def test_a_defect_is_not_a_failed_gate_and_keeps_what_was_done(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    working = Pipeline.process

    def breaks(self: Pipeline, pair: FramePair) -> Perception | None:
        if self.health(0).processed == 3:
            raise ZeroDivisionError('our mistake')
        return working(self, pair)

    monkeypatch.setattr(Pipeline, 'process', breaks)
    words = ['vif-perception', 'replay', str(drive), '--out', str(tmp_path / 'out')]
    monkeypatch.setattr(sys, 'argv', words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 70
    said = capsys.readouterr().err
    for words in ('Traceback', 'ZeroDivisionError', 'defect', f'is in {tmp_path / "out"}'):
        assert words in said
    report = report_of(tmp_path / 'out')
    assert (report['status'], report['error']) == ('failed', 'ZeroDivisionError: our mistake')
    assert sum(report['modes'].values()) == 3


@pytest.mark.usefixtures('engine')
def test_replay_of_a_simulated_bag(drive: Path, tmp_path: Path) -> None:
    result = call('replay', drive, '--config', drive.with_suffix('.yaml'), '--out', tmp_path)
    assert result.exit_code == 0, result.output
    report = report_of(tmp_path)
    assert report['status'] == 'ok'
    assert report['frames'] == {'rgb': 6, 'thermal': 6, 'pairs': 6, 'partials': 0}
    assert report['segmentation']['frames'] == 6
    for said in ('6 rgb, 6 thermal', 'FUSED 6', 'mIoU', str(tmp_path / 'report.html')):
        assert said in result.stdout


@pytest.mark.usefixtures('engine')
def test_a_simulated_bag_says_itself_how_the_cameras_are_mounted(
    drive: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    result = call('replay', drive, '--out', tmp_path / 'a')
    assert 'extrinsic' in result.stdout
    report = report_of(tmp_path / 'a')
    assert report['topics']['extrinsic'] == '/tf_static'
    assert report['registration'].startswith('camera_info')
    found = engine.calls[-1][4].grid
    call('replay', drive, '--out', tmp_path / 'b', '--config', drive.with_suffix('.yaml'),
         '--set', 'registration.plane_distance_m=30')
    np.testing.assert_allclose(found, engine.calls[-1][4].grid, atol=1e-3)
    assert 'extrinsic' not in report_of(tmp_path / 'b')['topics']


@pytest.mark.usefixtures('engine')
def test_replay_of_a_compressed_bag_with_faults(tmp_path: Path) -> None:
    bag = tmp_path / 'drive.mcap'
    call('sim', '--out', bag, '--frames', 6, *SMALL, '--compressed', '--fault',
         'drop:thermal@0.25')
    result = call('replay', bag, '--out', tmp_path / 'result')
    assert result.exit_code == 0, result.output
    report = report_of(tmp_path / 'result')
    assert report['topics']['rgb'] == '/rgb/image_raw/compressed'
    assert report['frames'] == {'rgb': 6, 'thermal': 3, 'pairs': 3, 'partials': 3}
    assert report['modes'] == {'FUSED': 3, 'RGB_ONLY': 3}
    assert 'RGB_ONLY 3: thermal missing 3' in result.stdout


@pytest.mark.usefixtures('engine')
def test_every_option_reaches_the_replay(drive: Path, tmp_path: Path) -> None:
    result = call(
        'replay', drive, '--out', tmp_path, '--thermal', 'none', '--rgb', '/rgb/image_raw',
        '--truth', 'none', '--limit', 2, '--start', 0.15, '--rate', 0, '--inject',
        'gain_step:rgb:0.9', '--set', 'sync.deadline_ms=30', '--fusion-frames', 0,
    )
    assert result.exit_code == 0, result.output
    report = report_of(tmp_path)
    assert report['topics']['thermal'] is None
    assert report['topics']['truth'] is None
    assert report['modes'] == {'RGB_ONLY': 2}
    assert report['segmentation'] is None


@pytest.mark.usefixtures('engine')
@pytest.mark.parametrize('limit, code, word', [(1, 0, 'passed'), (1000, 1, 'FAILED')])
def test_gates_decide_the_exit_code(
    drive: Path, tmp_path: Path, limit: int, code: int, word: str
) -> None:
    gate = tmp_path / 'gate.yaml'
    gate.write_text(f'frames.pairs: {{min: {limit}}}', encoding='utf-8')
    result = call('replay', drive, '--out', tmp_path / 'out', '--gate', gate)
    assert result.exit_code == code, result.output
    assert word in result.stdout


@pytest.mark.usefixtures('engine')
@pytest.mark.parametrize('words, said', [
    (['--set', 'sync.max_skew=3'], "did you mean 'sync.max_skew_ms'"),
    (['--set', 'reference=left'], 'rgb | thermal'),
    (['--config', 'absent.yaml'], 'absent.yaml'),
    (['--gate', 'absent.yaml'], 'absent.yaml'),
    (['--thermal', '/nothing'], '/thermal/image_raw'),
    (['--limit', '0'], 'at least 1'),
    (['--start', '900'], '--start'),
    (['--inject', 'melt:rgb'], 'freeze'),
])
def test_replay_refuses(drive: Path, tmp_path: Path, words: list[str], said: str) -> None:
    assert said in refused(call('replay', drive, '--out', tmp_path / 'out', *words))


def test_replay_of_nothing(tmp_path: Path) -> None:
    absent = tmp_path / 'absent.mcap'
    assert str(absent) in refused(call('replay', absent, '--out', tmp_path / 'out'))
    (tmp_path / 'empty.mcap').touch()
    refused(call('replay', tmp_path / 'empty.mcap', '--out', tmp_path / 'out'))
    assert report_of(tmp_path / 'out')['status'] == 'failed'


@pytest.mark.usefixtures('engine')
def test_what_was_processed_before_the_damage_is_kept(tmp_path: Path) -> None:
    bag = tmp_path / 'drive.mcap'
    call('sim', '--out', bag, '--frames', 16, *SMALL)
    whole = bag.read_bytes()
    bag.write_bytes(whole[: len(whole) * 3 // 4])  # after the first chunk, which holds 1 MiB
    result = call('replay', bag, '--out', tmp_path / 'out')
    refused(result)
    assert sum(report_of(tmp_path / 'out')['modes'].values()) > 3
    assert f'what was processed is in {tmp_path / "out"}' in result.stderr


def test_an_unusable_network_is_one_line(drive: Path, tmp_path: Path) -> None:
    words = ['--out', tmp_path / 'out', '--set', f'model.weights={tmp_path / "none.safetensors"}']
    assert 'none.' in refused(call('replay', drive, *words))


def test_interrupting_keeps_what_was_done(
    drive: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    run = engine.run

    def interrupted(*arguments: Any, **named: Any) -> Any:
        if len(engine.calls) == 3:
            raise KeyboardInterrupt
        return run(*arguments, **named)

    engine.run = interrupted  # type: ignore[method-assign]
    result = call('replay', drive, '--out', tmp_path)
    assert result.exit_code == 130
    assert str(tmp_path) in result.stderr
    assert 'Traceback' not in result.output
    report = report_of(tmp_path)
    assert report['status'] == 'failed'
    assert sum(report['modes'].values()) == 3
    assert len((tmp_path / 'frames.jsonl').read_text().splitlines()) == 3


def test_ctrl_c_ends_the_process_with_130(tmp_path: Path) -> None:
    bag = tmp_path / 'long.mcap'
    code = 'from vif_perception.cli.main import main; main()'
    words = ['sim', '--out', str(bag), '--frames', '100000', *SMALL]
    process = subprocess.Popen(
        [sys.executable, '-c', code, *words], cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**os.environ, 'OMP_NUM_THREADS': '1'},
        preexec_fn=listen_to_ctrl_c,
    )
    try:
        wait_until(lambda: bag.is_file() and bag.stat().st_size > 100_000)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert 'interrupted' in said
    assert 'Traceback' not in said


def listen_to_ctrl_c() -> None:
    """Undo what a shell does to the jobs it starts in the background: they ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_until(condition: Callable[[], bool], timeout_s: float = 120.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, 'it did not happen'
        time.sleep(0.05)


def test_the_demo_shows_every_mode(tmp_path: Path) -> None:
    result = call('demo', '--out', tmp_path, '--seconds', 3)
    assert result.exit_code == 0, result.output
    report = report_of(tmp_path)
    assert report['status'] == 'ok'
    assert report['modes']['FUSED'] > report['modes']['RGB_ONLY'] > 0
    assert report['modes']['THERMAL_ONLY'] > 0
    assert report['segmentation']['frames'] == sum(report['modes'].values())
    for name in ('report.html', 'result.mcap', 'drive.mcap', 'drive.yaml', 'frames.jsonl'):
        assert (tmp_path / name).stat().st_size > 0
    assert str(tmp_path / 'report.html') in result.stdout


def test_bench_measures_the_network() -> None:
    figures = json.loads(call('bench', '--runs', 2, '--json').stdout)
    assert 0 < figures['latency p50, ms'] <= figures['latency p95, ms']
    assert figures['peak memory, MB'] > 10


def test_bench_measures_a_replay(drive: Path, engine: FakeEngine) -> None:
    figures = json.loads(call('bench', '--replay', drive, '--json').stdout)
    assert figures['results'] == 6
    assert figures['network'] == engine.weights.name
    assert figures['results/s, with report and scores'] > 0
    assert 'results/s' in call('bench', '--replay', drive, '--limit', 2).stdout


def test_bench_of_a_bad_recording_is_refused(tmp_path: Path, engine: FakeEngine) -> None:
    assert not engine.calls
    refused(call('bench', '--replay', tmp_path / 'absent.mcap'))
