"""What a stranger's files can hold: odd names, odd YAML, odd stamps; one line for each."""

import json
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags import (
    PERIOD_NS,
    RGB,
    START_NS,
    Event,
    drive,
    image_fields,
    rgb_frame,
    write_folder,
    write_mcap,
    write_messages,
    write_rosbag2,
)
from typer.testing import CliRunner

from fakes import FakeEngine
from vif_perception.cli.main import app
from vif_perception.config import load_config
from vif_perception.errors import InputError
from vif_perception.inference.engine import create_engine
from vif_perception.replay import ReplayOptions, ReplayResult, replay
from vif_perception.replay.bag import open_source
from vif_perception.report.gates import load_gates
from vif_perception.resources import weights_file
from vif_perception.sensing import parse_camchain
from vif_perception.sim.faults import FAULTS
from vif_perception.types import Frame
from vif_perception.yaml_text import brief, parse_yaml

#: Nine lines that would print as 9**9 words.
BOMB = 'a: &a [x, x, x, x, x, x, x, x, x]\n' + ''.join(
    f'{name}: &{name} [{", ".join([f"*{before}"] * 9)}]\n'
    for before, name in zip('abcdefgh', 'bcdefghi', strict=True)
)
LONG = 'x' * 300


def run(bag: Path, out: Path, **options: Any) -> ReplayResult:
    return replay(ReplayOptions([bag], out, **{'fusion_frames': 0, **options}), FakeEngine())


def report_of(out: Path) -> dict[str, Any]:
    return json.loads((out / 'report.json').read_text(encoding='utf-8'))


def strange(folder: Path, name: bytes) -> Path:
    """Return a path whose name is no UTF-8."""
    return Path(os.fsdecode(os.fsencode(folder) + b'/' + name))


# --- names ------------------------------------------------------------------------------------


def loop(folder: Path) -> Path:
    (folder / 'loop').symlink_to(folder / 'loop')
    return folder / 'loop'


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / 'pipe.mcap')
    return folder / 'pipe.mcap'


@pytest.mark.parametrize(('make', 'match'), [
    (lambda folder: folder / LONG, 'does not exist'),
    (loop, 'does not exist'),
    (pipe, 'is neither a file nor a folder'),
    (lambda folder: strange(folder, b'\xff.mcap'), r'\\udcff.mcap: does not exist'),
])
def test_paths_that_are_no_recording(
    make: Callable[[Path], Path], match: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=match) as caught:
        run(make(tmp_path), tmp_path / 'out')
    assert report_of(tmp_path / 'out')['error'] == str(caught.value)


def test_output_folders_that_cannot_be(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(1))
    for out in (loop(tmp_path), tmp_path / LONG):
        with pytest.raises(InputError, match='cannot be written'):
            run(bag, out)


def test_truth_whose_name_is_too_long(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(1))
    with pytest.raises(InputError, match='is not in the recording'):
        run(bag, tmp_path / 'out', truth=LONG)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    bag = write_mcap(strange(tmp_path, b'\xff.mcap'), drive(2))
    out = strange(tmp_path, b'out\xfe')
    assert run(bag, out).exit_code == 0
    assert [os.fsencode(path) for path in report_of(out)['bag']['paths']] == [os.fsencode(bag)]
    assert 'ok' in (out / 'report.html').read_text(encoding='utf-8').lower()


def test_folders_of_images_whose_names_are_not_utf8(tmp_path: Path) -> None:
    source = write_folder(tmp_path / 'drive', drive(2, masks=False))
    (source / 'rgb').rename(strange(source, b'rgb_\xff'))
    result = run(source, tmp_path / 'out')
    assert result.exit_code == 0
    assert result.report['topics']['rgb'] == r'/rgb_\xff'


def test_numbers_beyond_the_clock_are_no_stamps(tmp_path: Path) -> None:
    source = write_folder(tmp_path / 'drive', drive(2, masks=False))
    for camera in ('rgb', 'thermal'):
        for index in range(2):
            name = f'{index + 1}{"0" * 24}.png'
            (source / camera / f'{index:04d}.png').rename(source / camera / name)
    assert run(source, tmp_path / 'out').report['modes'] == {'FUSED': 2}


def test_a_message_is_one_line_that_a_terminal_does_not_obey() -> None:
    error = InputError('/rgb/\x1b[31mred\n\x07 \udcff', where='a\tb')
    assert str(error) == r'a b: /rgb/\x1b[31mred \x07 \udcff'
    assert str(InputError('größer 大')) == 'größer 大'


def test_the_place_of_the_results_is_printed_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('vif_perception.inference.create_engine', lambda config: FakeEngine())
    bag = write_mcap(strange(tmp_path, b'\xff.mcap'), drive(2))
    out = strange(tmp_path, b'out\xfe')
    words = ('replay', bag, '--out', out, '--fusion-frames', 0)
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    assert os.fsencode(out) in result.stdout_bytes


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize('command', ['sim', 'demo'])
def test_a_drive_has_an_end(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [command, '--out', str(tmp_path / 'a'), '--seconds', 'inf'])
    assert result.exit_code == 2
    assert 'Traceback' not in result.output


def test_help_names_every_fault() -> None:
    text = CliRunner().invoke(app, ['sim', '--help'], terminal_width=400).stdout
    assert [name for name in FAULTS if name not in text] == []


# --- YAML -------------------------------------------------------------------------------------


@pytest.mark.parametrize('text', [
    '2020-13-45', '9' * 5000, '[' * 400, 'a: [', '!!python/object/apply:os.system [id]',
])
def test_yaml_that_cannot_be_read(text: str, tmp_path: Path) -> None:
    file = tmp_path / 'a.yaml'
    file.write_text(text)
    reads: list[Callable[[], Any]] = [
        lambda: parse_yaml(text, 'a.yaml'),
        lambda: load_config(file),
        lambda: load_config(sets=[f'reference={text}']),
        lambda: load_gates(file),
        lambda: parse_camchain(text, 'a.yaml'),
    ]
    for read in reads:
        with pytest.raises(InputError, match='YAML'):
            read()


def test_aliases_that_multiply_are_not_printed(tmp_path: Path) -> None:
    file = tmp_path / 'a.yaml'
    for text in (BOMB, f'{BOMB}sync: *i\n', f'{BOMB}sync: {{max_skew_ms: *i}}\n'):
        file.write_text(text)
        for read in (load_config, load_gates):
            with pytest.raises(InputError) as caught:
                read(file)
            assert len(str(caught.value)) < 1000


def test_documents_that_hold_themselves(tmp_path: Path) -> None:
    file = tmp_path / 'a.yaml'
    file.write_text('frames: &a {pairs: *a}')
    for read in (load_config, load_gates):
        with pytest.raises(InputError):
            read(file)
    assert len(brief(parse_yaml('&a [*a, *a]', 'here'))) < 100


# --- recordings -------------------------------------------------------------------------------


def test_a_bad_image_file_is_named(tmp_path: Path) -> None:
    source = write_folder(tmp_path / 'drive', drive(3, masks=False))
    (source / 'rgb' / '0001.png').write_bytes(b'')
    result = run(source, tmp_path / 'out')
    assert result.exit_code == 2
    assert result.report['error'].startswith('/rgb at 0001: not a JPEG or PNG image')


@pytest.mark.parametrize('limit', [None, 3])
def test_a_bad_image_is_found_by_its_time(limit: int | None, tmp_path: Path) -> None:
    events = [
        (e.topic, e.received_ns, 'sensor_msgs/msg/Image',
         {'stamp_ns': e.stamp_ns, **image_fields(e.content)})
        for e in drive(6, masks=False, infos=False) if isinstance(e.content, Frame)
    ]
    wrong = next(i for i, e in enumerate(events) if e[0] == RGB and e[1] > START_NS + PERIOD_NS)
    events[wrong][3].update(data=np.zeros(5, np.uint8))
    result = run(write_messages(tmp_path / 'bag', events), tmp_path / 'out', limit=limit)
    assert result.exit_code == 2
    assert f'{RGB} at 0.100 s: data holds 5 bytes' in result.report['error']


def test_stamps_that_stand_still_are_named(tmp_path: Path) -> None:
    events = [
        event._replace(stamp_ns=0, content=rgb_frame(index, 0))
        for index, event in enumerate(drive(6, thermal=False, masks=False, infos=False))
    ]
    result = run(write_mcap(tmp_path / 'a.mcap', events), tmp_path / 'out', thermal='none')
    assert result.report['drops'] == {'duplicate_stamp': 5}
    assert any('header.stamp' in note for note in result.report['notes'])
    fine: list[Event] = drive(6)
    assert run(write_mcap(tmp_path / 'b.mcap', fine), tmp_path / 'out').report['notes'] == []


@pytest.mark.parametrize(('frames', 'notes'), [(2, 1), (0, 0)])
def test_pictures_too_large_for_the_metrics_are_not_scored(
    frames: int, notes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('vif_perception.report.fusion_sample.MAX_PIXELS', 64 * 48 - 1)
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    result = run(bag, tmp_path / 'out', fusion_frames=frames)
    assert (result.exit_code, result.report['fusion']) == (0, None)
    said = [note for note in result.report['notes'] if 'images of 64x48 px' in note]
    assert len(said) == notes


def test_html_in_names_stays_text(tmp_path: Path) -> None:
    topic = '/rgb/</script><script>alert(1)</script>/{{7*7}}'
    events = [e._replace(topic=topic) if e.topic == RGB else e for e in drive(2, masks=False)]
    bag = write_mcap(tmp_path / 'a.mcap', events)
    assert run(bag, tmp_path / 'out', rgb=topic).exit_code == 0
    page = (tmp_path / 'out' / 'report.html').read_text(encoding='utf-8')
    assert '<script>alert(1)' not in page
    assert '{{7*7}}' in page


@pytest.mark.parametrize('lone_file', [False, True])
def test_receive_times_before_1970_are_named(lone_file: bool, tmp_path: Path) -> None:
    bag = write_rosbag2(tmp_path / 'bag', drive(4, masks=False))
    database = next(bag.glob('*.db3'))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute('UPDATE messages SET timestamp = timestamp - 1800000000000000000')
    result = run(database if lone_file else bag, tmp_path / 'out')
    assert result.exit_code == 2
    assert re.search('was received at -[0-9]+ ns.*clock', result.report['error'])


def test_an_injected_fault_that_is_refused_is_explained(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(4))
    result = run(bag, tmp_path / 'out', inject=['wrong_encoding:both'])
    assert result.report['status'] == 'nodata'
    (note,) = [note for note in result.report['notes'] if 'refused' in note]
    assert re.match('8 images were refused after --inject, the last: .*(rgb8|mono16)', note)


# --- results ----------------------------------------------------------------------------------


def test_interrupting_the_scores_keeps_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Any, progress: Any) -> None:
        counted = report_of(tmp_path / 'out')
        assert (counted['status'], counted['modes']) == ('failed', {'FUSED': 3})
        raise KeyboardInterrupt

    monkeypatch.setattr('vif_perception.report.fusion_sample.FusionSample.compute', interrupt)
    bag = write_mcap(tmp_path / 'a.mcap', drive(3))
    with pytest.raises(KeyboardInterrupt):
        run(bag, tmp_path / 'out')
    report = report_of(tmp_path / 'out')
    assert (report['status'], report['modes']) == ('failed', {'FUSED': 3})
    assert 'interrupted' in report['error']
    assert report['segmentation']['frames'] == 3
    source = open_source([tmp_path / 'out' / 'result.mcap'])
    assert source.topics()['/fusion/output/mask'].count == 3
    source.close()
    assert (tmp_path / 'out' / 'report.html').is_file()


@pytest.mark.parametrize(('sets', 'said'), [
    (['model.name=nope'], r"model\.name: unknown network 'nope'; accepted: rt, "),
    (['model.preset=huge'], r"model\.preset: rt has no preset 'huge'; accepted: n, s, m"),
    (['model.name=multitaskvif', 'model.preset=swin'], r'accepted: seafusion, .* \(the host\)'),
    (['model.name=egmt'], r"'egmt-s' is not among the packaged .*remedy: .*model\.weights"),
])
def test_networks_that_are_not_there_and_networks_without_weights(sets, said) -> None:
    with pytest.raises(InputError, match=said):
        create_engine(load_config(None, sets))


def test_weights_that_are_not_packaged_come_with_a_remedy() -> None:
    with pytest.raises(InputError, match=r'remedy: .*model\.weights'):
        weights_file('nope-s')
