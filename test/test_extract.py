"""Pairs of recordings as a data set: exact stamps, exact values, nothing broken in between."""

import csv

import bags
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vif_perception.cli.main import app
from vif_perception.config import load_config
from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.replay.extract import extract
from vif_perception.replay.options import ReplayOptions
from vif_perception.replay.record import BagRecorder
from vif_perception.training.datasets import check_samples, open_dataset
from vif_perception.types import Frame, LabelSet


def run(bag, out, *sets, every=1, split='train', **options):
    config = load_config(None, sets)
    return extract(ReplayOptions(bags=[bag], out=out, config=config, **options),
                   every=every, split=split)


def write(path, events):
    return bags.write_mcap(path / 'drive.mcap', events)


def rows(out) -> list[dict[str, str]]:
    with (out / 'index.csv').open(newline='') as lines:
        return list(csv.DictReader(lines))


def test_pairs_have_the_values_and_stamps_of_the_recording(tmp_path):
    out = tmp_path / 'set'
    done = run(write(tmp_path, bags.drive(4)), out)
    assert (done.pairs, done.masks, done.registration) == (4, 4, 'identity')
    dataset = open_dataset({'name': 'folder', 'root': out, 'labels': 'mfnet'})
    check_samples(dataset)
    for index, (sample, row) in enumerate(zip(dataset, rows(out), strict=True)):
        stamp = bags.START_NS + index * bags.PERIOD_NS
        assert sample.id == row['stamp_ns'] == str(stamp)
        assert row['thermal_stamp_ns'] == str(stamp + 8_000_000)
        assert row['ir'] == f'thermal/{stamp + 8_000_000}.png'
        assert row['skew_ms'] == '8.000'
        expected = bags.rgb_frame(index, stamp).data[..., ::-1], bags.thermal_frame(index, 0).data
        np.testing.assert_array_equal(sample.rgb, expected[0])
        np.testing.assert_array_equal(sample.thermal, expected[1])
        np.testing.assert_array_equal(sample.mask, bags.mask_frame(index, stamp).data)
        assert sample.thermal.dtype == np.uint16


def test_frozen_and_blank_frames_are_left_out_and_dark_ones_kept(tmp_path):
    events = bags.drive(6, masks=False)
    at = {event.stamp_ns: number for number, event in enumerate(events)
          if event.topic != '/rgb/camera_info'}
    second = bags.START_NS + bags.PERIOD_NS
    frozen, dark = at[second + 8_000_000], at[second + 2 * bags.PERIOD_NS]
    same = bags.thermal_frame(0, second + 8_000_000)
    night = bags.rgb_frame(3, second + 2 * bags.PERIOD_NS)
    black = np.zeros_like(night.data)
    black[::2] = 3
    night = Frame(night.stamp_ns, night.frame_id, black, night.encoding)
    events[frozen] = events[frozen]._replace(content=same)
    events[dark] = events[dark]._replace(content=night)
    done = run(write(tmp_path, events), tmp_path / 'set')
    assert done.pairs == 5
    assert str(second) not in {row['id'] for row in rows(tmp_path / 'set')}
    assert str(night.stamp_ns) in {row['id'] for row in rows(tmp_path / 'set')}
    assert sum(done.drops.values()) == 2


def test_every_limit_and_several_recordings_in_one_folder(tmp_path):
    out = tmp_path / 'set'
    (tmp_path / 'one').mkdir()
    (tmp_path / 'two').mkdir()
    first = write(tmp_path / 'one', bags.drive(7))
    assert run(first, out, every=3).pairs == 3
    later = [
        event._replace(received_ns=event.received_ns + 10**10, stamp_ns=event.stamp_ns + 10**10,
                       content=moved(event.content, 10**10)) for event in bags.drive(4)
    ]
    assert run(write(tmp_path / 'two', later), out, split='val', limit=2).pairs == 2
    assert [row['split'] for row in rows(out)] == ['train'] * 3 + ['val'] * 2
    for split, count in (('train', 3), ('val', 2)):
        entry = {'name': 'folder', 'root': out, 'split': split, 'labels': 'mfnet'}
        assert len(open_dataset(entry)) == count
    with pytest.raises(InputError, match='is there already'):
        run(first, out)
    assert len(rows(out)) == 5


def moved(content, by_ns):
    if not isinstance(content, Frame):
        return content
    return Frame(content.stamp_ns + by_ns, content.frame_id, content.data, content.encoding)


def test_images_of_two_sizes_are_brought_onto_rgb_in_16_bit(tmp_path):
    events = [
        event._replace(content=Frame(
            event.stamp_ns, 'thermal_optical',
            np.tile(np.arange(32, dtype=np.uint16) * 100 + 29_000, (24, 1)) + np.uint16(number),
            'mono16',
        )) if event.topic == bags.THERMAL else event
        for number, event in enumerate(bags.drive(3, infos=False, masks=False))
    ]
    done = run(write(tmp_path, events), tmp_path / 'set')
    assert '32x24 scaled to 64x48' in done.registration
    sample = open_dataset({'name': 'folder', 'root': tmp_path / 'set'})[0]
    assert sample.thermal.shape == sample.rgb.shape[:2] == (48, 64)
    assert sample.thermal.dtype == np.uint16
    inner = sample.thermal[10, 2:-2].astype(int)
    assert set(np.diff(inner)) == {50}


def test_float_degrees_become_centikelvin_and_unitless_floats_are_refused(tmp_path):
    def floats(low, high):
        ramp = np.linspace(low, high, 48 * 64, dtype=np.float32).reshape(48, 64)
        return write(tmp_path, [
            event._replace(content=Frame(event.stamp_ns, 't', ramp + number / 10, '32FC1'))
            if event.topic == bags.THERMAL else event
            for number, event in enumerate(bags.drive(2, masks=False))
        ])

    run(floats(10.0, 30.0), tmp_path / 'celsius')
    thermal = open_dataset({'name': 'folder', 'root': tmp_path / 'celsius'})[0].thermal
    assert abs(int(thermal[0, 0]) - 28315) < 30
    assert abs(int(thermal[-1, -1]) - 30315) < 30
    with pytest.raises(InputError, match=r'without a unit.*thermal\.profile=kelvin'):
        run(floats(0.0, 1.0), tmp_path / 'counts')


def test_what_was_extracted_can_be_replayed_and_extracted_again(tmp_path):
    first, second = tmp_path / 'first', tmp_path / 'second'
    run(write(tmp_path, bags.drive(3)), first)
    assert run(first, second).pairs == 3
    for row in rows(first):
        for column in ('vi', 'ir', 'label'):
            with Image.open(first / row[column]) as one, Image.open(second / row[column]) as two:
                np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


def test_without_pairs_it_says_why(tmp_path):
    bag = write(tmp_path, bags.drive(3, thermal=False))
    with pytest.raises(InputError, match='no thermal topic found'):
        run(bag, tmp_path / 'set')
    with pytest.raises(InputError, match='both cameras'):
        run(bag, tmp_path / 'set', thermal='none')
    far = write(tmp_path, bags.drive(3))
    with pytest.raises(InputError, match='no pairs; drops:'):
        run(far, tmp_path / 'set', 'sync.policy=exact')
    assert not (tmp_path / 'set' / 'index.csv').exists()


def test_folders_that_cannot_be_used(tmp_path):
    bag = write(tmp_path, bags.drive(2))
    (tmp_path / 'file').write_text('')
    with pytest.raises(InputError, match=r'cannot be written.*: as --out, a folder') as bad:
        run(bag, tmp_path / 'file')
    assert 'make room' not in str(bad.value)
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set' / 'index.csv').write_text('name,price\nx,3\n')
    with pytest.raises(InputError, match='index of something else'):
        run(bag, tmp_path / 'set')


def labelled(path, names, topic='/ground_truth/label_info'):
    """Write a drive with a LabelInfo first."""
    labels = LabelSet(tuple(names), ((0, 0, 0),) * len(names))
    with BagRecorder(path / 'drive.mcap') as recorder:
        recorder.label_info(topic, bags.START_NS, bags.START_NS, 'rgb_optical', labels)
        for event in bags.drive(2, infos=False):
            recorder.image(event.topic, event.received_ns, event.content)
    return path / 'drive.mcap'


def test_the_classes_of_the_recording_are_those_of_the_data_set(tmp_path):
    run(labelled(tmp_path, MFNET.names), tmp_path / 'known')
    assert open_dataset({'name': 'folder', 'root': tmp_path / 'known'}).labels == MFNET
    run(labelled(tmp_path, ['nothing', 'forklift', '']), tmp_path / 'own')
    labels = open_dataset({'name': 'folder', 'root': tmp_path / 'own'}).labels
    assert labels.names == ('nothing', 'forklift', 'class 2')
    assert labels.colors[0] == (0, 0, 0)
    assert len(set(labels.colors)) == 3
    run(tmp_path / 'own', tmp_path / 'again')
    assert open_dataset({'name': 'folder', 'root': tmp_path / 'again'}).labels == labels


def test_a_class_list_that_is_there_is_kept(tmp_path):
    out = tmp_path / 'set'
    out.mkdir()
    (out / 'classes.json').write_text('{"0": {"name": "mine", "rgb": [0, 0, 0]}}')
    done = run(labelled(tmp_path, ['nothing', 'forklift']), out)
    assert any('classes.json differs' in note for note in done.notes)
    assert 'mine' in (out / 'classes.json').read_text()


@pytest.mark.parametrize('names, topic, truth', [
    (['a'], '/network/label_info', None), ([], '/ground_truth/label_info', None),
    (['a'], '/ground_truth/label_info', 'none'),
])
def test_classes_of_something_else_are_none_of_the_masks(names, topic, truth, tmp_path):
    done = run(labelled(tmp_path, names, topic), tmp_path / 'set', truth=truth)
    assert not (tmp_path / 'set' / 'classes.json').exists()
    assert any('set/classes.json, such as {"0"' in note for note in done.notes) == (not truth)


def test_the_command_says_what_it_did(tmp_path):
    bag, out = write(tmp_path, bags.drive(3)), tmp_path / 'set'
    result = CliRunner().invoke(app, ['extract', str(bag), '--out', str(out), '--split', 'val'])
    assert result.exit_code == 0, result.output
    text = ' '.join(result.output.split())
    assert '3 pairs, 3 masks, split val' in text
    assert f'write {out}/classes.json, such as' in result.output.replace('\n', ' ')
    result = CliRunner().invoke(app, ['extract', str(tmp_path / 'no.mcap'), '--out', str(out)])
    assert result.exit_code == 2


@pytest.mark.parametrize('split', ['../x', 'a/b', '..', '.', '/tmp'])
def test_a_split_is_a_plain_name(tmp_path, split):
    bag, out = write(tmp_path, bags.drive(2)), tmp_path / 'set'
    words = ['extract', str(bag), '--out', str(out), '--split', split]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert f"--split: '{split}' is no plain name" in result.stderr
    assert not out.exists()
