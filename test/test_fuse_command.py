"""``vif-perception fuse``: fused images as a data set again."""

import csv
import re

import numpy as np
import pytest
from evaluation_data import HEIGHT, WIDTH, write_pairs, write_weights
from PIL import Image
from typer.testing import CliRunner

from vif_perception.cli.main import app
from vif_perception.inference.weights import load_network
from vif_perception.labels import MFNET
from vif_perception.training.datasets import open_dataset
from vif_perception.training.evaluation import dataset_config
from vif_perception.training.evaluation.frames import open_frames
from vif_perception.training.evaluation.members import Network


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp('weights') / 'rt.safetensors')


def fuse(data, out, weights, *words):
    return CliRunner().invoke(app, [
        'fuse', str(data), '--out', str(out), '--weights', str(weights), *words
    ])


def index_of(folder):
    with (folder / 'index.csv').open(newline='') as lines:
        return list(csv.DictReader(lines))


def test_what_is_written_is_what_the_robot_makes_beside_what_it_was_made_from(weights, tmp_path):
    data = write_pairs(tmp_path / 'set', 2)
    done = fuse(data, tmp_path / 'out', weights)
    assert done.exit_code == 0, done.output
    assert '2 fused images of split test' in done.output
    network = Network(*load_network(weights), weights)
    config = dataset_config(str(data), 'DATASET')
    before, after = (open_dataset({'name': 'folder', 'root': root, 'split': 'test'})
                     for root in (data, tmp_path / 'out'))
    assert after.labels == MFNET
    for frame, old, new in zip(open_frames(config, labelled=False), before, after, strict=True):
        fused = network.run(frame.rgb, frame.thermal).fused
        assert (fused != frame.rgb).any(), 'a copy would pass'
        np.testing.assert_array_equal(new.rgb, fused)
        np.testing.assert_array_equal(new.thermal, old.thermal)
        np.testing.assert_array_equal(new.mask, old.mask)
        assert (new.id, new.day_night) == (old.id, old.day_night)
        assert (tmp_path / 'out' / 'test' / 'vi' / f'{new.id}.png').is_file()


def test_splits_lie_in_one_folder_and_a_part_is_read_back_whole(weights, tmp_path):
    for split, count in (('train', 20), ('test', 1)):
        for part in ('rgb', 'thermal'):
            (tmp_path / 'set' / split / part).mkdir(parents=True)
        for number in range(count):
            counts = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) + 18000 + number
            for part, image in (('rgb', Image.new('RGB', (32, 32), 'red')),
                                ('thermal', Image.fromarray(counts))):
                image.save(tmp_path / 'set' / split / part / f'{number:02d}.png')
    done = fuse(tmp_path / 'set', tmp_path / 'out', weights, '--split', 'test', '--split', 'test')
    assert done.exit_code == 0, done.output
    assert [row['split'] for row in index_of(tmp_path / 'out')] == ['test']
    assert not (tmp_path / 'out' / 'classes.json').exists()
    both = tmp_path / 'both'
    done = fuse(tmp_path / 'set', both, weights, '--split', 'train', '--split', 'test')
    assert done.exit_code == 0, done.output
    assert '21 fused images of split train, test' in done.output
    found = open_dataset({'name': 'folder', 'root': both, 'split': 'train'})
    assert len(found) == 20
    assert found[1].thermal.dtype == np.uint16
    assert found[1].thermal[0, 0] == 18001
    assert found[1].mask is None


def test_a_split_is_named_once(weights, tmp_path):
    done = fuse('{name: sim, split: 3-3}', tmp_path / 'out', weights, '--split', '4-4')
    assert done.exit_code == 2
    assert "--split: is '4-4', DATASET names '3-3'" in done.output


def test_rendered_scenes_are_fused_too(weights, tmp_path):
    done = fuse('{name: sim, split: 3-3}', tmp_path / 'out', weights)
    assert done.exit_code == 0, done.output
    (row,) = index_of(tmp_path / 'out')
    assert row['id'] == 'sim3'
    found = open_dataset({'name': 'folder', 'root': tmp_path / 'out', 'split': '3-3'})
    assert found[0].mask.max() > 0


def test_ids_that_are_no_file_names_stay_apart(weights, tmp_path):
    data = write_pairs(tmp_path / 'set', 2)
    text = (data / 'index.csv').read_text()
    (data / 'index.csv').write_text(re.sub(r'(?m)^f(\d),', r'../a b\1,', text).replace(
        'b1,', 'b0?,').replace('b0,', 'b0/,'))
    done = fuse(data, tmp_path / 'out', weights)
    assert done.exit_code == 0, done.output
    rows = index_of(tmp_path / 'out')
    assert [row['id'] for row in rows] == ['../a b0/', '../a b0?']
    assert [row['vi'] for row in rows] == ['test/vi/.._a_b0_.png', 'test/vi/.._a_b0__1.png']
    assert (tmp_path / 'out' / rows[1]['vi']).is_file()


def test_no_pair_is_lost_to_a_name_made_up_for_another(weights, tmp_path):
    names = ['a b', 'a b_1', 'a_b', 'a_b_1', 'z']
    for part, mode in (('vi', 'RGB'), ('ir', 'L')):
        (tmp_path / 'set' / 'test' / part).mkdir(parents=True)
        for number, name in enumerate(names):
            Image.new(mode, (64, 64), 40 * number).save(
                tmp_path / 'set' / 'test' / part / f'{name}.png')
    assert fuse(tmp_path / 'set', tmp_path / 'out', weights).exit_code == 0
    rows = index_of(tmp_path / 'out')
    assert [row['id'] for row in rows] == names
    assert len({row['vi'] for row in rows}) == 5
    for number, row in enumerate(rows):
        with Image.open(tmp_path / 'out' / row['ir']) as image:
            assert image.getpixel((0, 0)) == 40 * number


@pytest.mark.parametrize('split', ['../set', '../../evil', './test', 'test/', '..'])
def test_no_split_leads_out_of_the_folder(split, weights, tmp_path):
    data = write_pairs(tmp_path / 'set', 2)
    (data / 'index.csv').write_text(
        (data / 'index.csv').read_text().replace(',test,', f',{split},'))
    before = sorted(tmp_path.rglob('*'))
    done = fuse(data, tmp_path / 'out', weights, '--split', split)
    assert done.exit_code == 2, done.output
    assert 'is no plain name' in done.output
    assert sorted(tmp_path.rglob('*')) == before


def test_what_another_data_set_left_unfinished_is_not_gone_on_with(weights, tmp_path):
    first, other = write_pairs(tmp_path / 'set', 2), write_pairs(tmp_path / 'other', 2)
    (first / 'f1_ir.png').write_bytes(b'damaged')
    assert fuse(first, tmp_path / 'out', weights).exit_code == 2
    done = fuse(other, tmp_path / 'out', weights)
    assert done.exit_code == 2
    assert 'holds something already' in done.output


@pytest.mark.parametrize('words, said', [
    (['--split', 'val', '--split', 'x'], "has no rows of split 'val'"),
    (['--weights', 'rt-x'], "rt-x: is not there"),
    (['--split', 'val'], "has no rows of split 'val'; accepted: test"),
])
def test_bad_words_leave_nothing(words, said, weights, tmp_path):
    data = write_pairs(tmp_path / 'set', 2)
    done = fuse(data, tmp_path / 'out', weights, *words)
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert not (tmp_path / 'out').exists()


def test_pairs_and_a_network_of_both_cameras_are_asked_for(weights, tmp_path):
    data = write_pairs(tmp_path / 'set', 2)
    alone = write_weights(tmp_path / 'rgb.safetensors', network='rt_rgb', preset='s')
    done = fuse(data, tmp_path / 'out', alone)
    assert done.exit_code == 2
    assert 'rgb.safetensors: sees one camera only and cannot fuse' in done.output
    text = (data / 'index.csv').read_text()
    (data / 'index.csv').write_text(text.replace('f1_vi.png', ''))
    done = fuse(data, tmp_path / 'out', weights)
    assert done.exit_code == 2
    assert 'f1 has no RGB image' in done.output
    assert not (tmp_path / 'out').exists()


def test_a_try_that_failed_can_be_repeated_and_a_whole_one_is_kept(weights, tmp_path):
    data, out = write_pairs(tmp_path / 'set', 2), tmp_path / 'out'
    good = (data / 'f1_ir.png').read_bytes()
    (data / 'f1_ir.png').write_bytes(b'damaged')
    done = fuse(data, out, weights)
    assert done.exit_code == 2
    assert 'f1_ir.png' in done.output
    assert not (out / 'index.csv').exists()
    (data / 'f1_ir.png').write_bytes(good)
    assert fuse(data, out, weights).exit_code == 0
    picture = (out / 'test' / 'vi' / 'f1.png').read_bytes()
    done = fuse(data, out, weights)
    assert done.exit_code == 2
    assert 'holds something already' in done.output
    assert (out / 'test' / 'vi' / 'f1.png').read_bytes() == picture
    assert 'lies in the data set' in fuse(data, data / 'fused', weights).output
    with Image.open(out / 'test' / 'vi' / 'f1.png') as image:
        assert (image.size, image.mode) == ((WIDTH, HEIGHT), 'RGB')
