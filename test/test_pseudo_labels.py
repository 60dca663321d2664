"""Masks for images that nobody labelled: the rules, the folder, the command."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from vif_perception.cli.main import app
from vif_perception.errors import InputError
from vif_perception.models.prediction import Prediction
from vif_perception.models.registry import build
from vif_perception.training.datasets import IGNORED, Boxes, open_dataset
from vif_perception.training.pseudo_labels import Labeller, Rules, box_ids, pseudo_mask

CAR, PERSON = 1, 2


def boxes(*rows):
    """Boxes of (class, x1, y1, x2, y2)."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Boxes(table[:, 1:], table[:, 0].astype(np.int64))


def scores(height=8, width=10, classes=3, sure=0.99):
    """Probabilities that are ``sure`` of the background everywhere."""
    found = np.full((classes, height, width), (1 - sure) / (classes - 1), np.float32)
    found[0] = sure
    return found


def test_without_boxes_only_what_is_sure_is_labelled():
    given_scores = scores()
    given_scores[:, :, 5:] = np.array([0.2, 0.7, 0.1])[:, None, None]
    given_scores[:, 0, 9] = 0.005, 0.99, 0.005
    mask = pseudo_mask(given_scores, None, Rules(sure=0.9))
    assert (mask[:, :5] == 0).all()
    assert mask[0, 9] == CAR
    assert (mask[1:, 5:] == IGNORED).all()


def test_a_box_labels_the_pixels_that_look_most_like_it_however_little_they_do():
    given_scores = scores()
    given_scores[PERSON, 2:6, 3] = 0.02  # still background to the network
    mask = pseudo_mask(given_scores, boxes((PERSON, 2, 2, 6, 6)), Rules(core=0.25))
    assert (mask[2:6, 3] == PERSON).all()
    assert (mask[2:6, [2, 4, 5]] == IGNORED).all()
    assert (mask[:2] == 0).all()


def test_a_class_with_boxes_is_nowhere_else():
    given_scores = scores()
    given_scores[:, 6, 6] = 0.005, 0.005, 0.99
    looked = pseudo_mask(given_scores, boxes(), Rules(), boxed=[PERSON])
    assert looked[6, 6] == IGNORED
    assert pseudo_mask(given_scores, boxes(), Rules(), boxed=[CAR])[6, 6] == PERSON


def test_what_is_surely_another_object_is_not_taken_for_that_of_the_box():
    given_scores = scores(6, 6)
    given_scores[:, :2] = np.array([1e-4, 0.9996, 3e-4])[:, None, None]  # a car
    given_scores[:, 2:] = np.array([0.1, 0.02, 0.88])[:, None, None]
    mask = pseudo_mask(given_scores, boxes((PERSON, 0, 0, 6, 6)), Rules(core=0.5))
    assert (mask[:2] == IGNORED).all()
    assert (mask == PERSON).sum() == 18


def test_boxes_of_a_class_that_the_masks_have_not_are_not_labelled():
    mask = pseudo_mask(scores(), boxes((IGNORED, 2, 2, 5, 5)), Rules(), boxed=[IGNORED])
    assert (mask[2:5, 2:5] == IGNORED).all()
    assert (mask == IGNORED).sum() == 9


def test_the_smaller_of_two_boxes_is_in_front():
    order = (CAR, 0, 0, 10, 8), (PERSON, 3, 3, 5, 5)
    for rows in (order, order[::-1]):
        mask = pseudo_mask(scores(), boxes(*rows), Rules(core=1.0))
        assert (mask[3:5, 3:5] == PERSON).all()
        assert mask[0, 0] == CAR


@pytest.mark.parametrize(
    'corners', [(5, 5, 5, 7), (20, 20, 30, 30), (-9, -9, -1, -1), (7, 5, 3, 6)]
)
def test_boxes_of_no_pixels_change_nothing(corners):
    assert (pseudo_mask(scores(), boxes((CAR, *corners)), Rules()) == 0).all()


@settings(deadline=None, max_examples=60)
@given(
    arrays(np.float32, (3, 6, 7), elements=st.floats(0, 1, width=32)),
    st.lists(st.tuples(st.sampled_from([CAR, PERSON]), *[st.floats(-4, 12)] * 4), max_size=4),
    st.floats(0, 1), st.floats(0, 1),
)
def test_any_boxes_give_known_ids_and_boxed_classes_lie_inside(raw, rows, sure, core):
    mask = pseudo_mask(raw, boxes(*rows), Rules(sure, core), boxed=[CAR, PERSON])
    assert mask.shape == (6, 7)
    assert np.isin(mask, [0, CAR, PERSON, IGNORED]).all()
    y, x = np.nonzero(np.isin(mask, [CAR, PERSON]))
    for one_y, one_x in zip(y, x, strict=True):
        assert any(
            x1 < one_x + 1 and one_x < x2 and y1 < one_y + 1 and one_y < y2
            for _, x1, y1, x2, y2 in rows
        )


@pytest.mark.parametrize(('key', 'value'), [('sure', 1.2), ('core', -0.1), ('sure', float('nan'))])
def test_rules_out_of_range_are_refused(key, value):
    with pytest.raises(InputError, match=key):
        Rules(**{key: value})


def test_boxes_must_be_classes_of_the_masks():
    classes = ['unlabelled', 'car', 'bike']
    assert box_ids(['bicycle', 'car'], classes, {'bicycle': 'bike'}) == [2, 1]
    assert box_ids(['Car', 'Lamp'], classes, {'Lamp': ''}) == [1, IGNORED]
    with pytest.raises(InputError, match='--rename bicycle=CLASS --rename van=CLASS'):
        box_ids(['bicycle', 'car', 'van'], classes, {})
    with pytest.raises(InputError, match='no class of the boxes'):
        box_ids(['car'], classes, {'van': 'car'})
    with pytest.raises(InputError, match='no class'):
        box_ids(['unlabelled'], classes, {})


def test_a_network_that_only_fuses_cannot_label():
    own = build('multitaskvif', 'rt', options={'way': 'own'})
    with pytest.raises(InputError, match='fuses only'):
        Labeller(own, {}, Rules())


@pytest.fixture
def thermal_folder(tmp_path):
    """Two thermal images of odd size, one box of a person in the first."""
    root = tmp_path / 'thermal_only'
    (root / 'ir').mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ('a', 'b'):
        Image.fromarray(rng.integers(0, 255, (45, 70), np.uint8)).save(root / f'ir/{name}.png')
    (root / 'index.csv').write_text('id,ir,day_night\na,ir/a.png,night\nb,ir/b.png,day\n')
    (root / 'boxes.json').write_text(json.dumps({'boxes': {'a': [['pedestrian', 5, 6, 25, 36]]}}))
    return root


class Half(nn.Module):
    """Sees cars on the right half of what it is shown, and checks what it is shown."""

    stride = 32

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, rgb, y, thermal, present):
        assert present.tolist() == [[0.0, 1.0]]
        assert rgb.abs().max() == 0
        logits = torch.zeros(1, 3, *(side // 4 for side in rgb.shape[-2:]))
        logits[:, CAR, :, logits.shape[-1] // 2:] = 8.0
        return Prediction(y, logits, torch.zeros(1, 1))


def test_both_mirror_images_have_a_say(thermal_folder, monkeypatch):
    monkeypatch.setattr(
        'vif_perception.training.pseudo_labels.objective_for',
        lambda network: type('', (), {'selects': 'miou'}),
    )
    dataset = open_dataset({'name': 'folder', 'root': thermal_folder, 'split': 'all'})
    found = Labeller(Half(), {'THERMAL_ONLY': 1.0}, Rules()).scores(dataset[1])
    assert found.shape == (3, 45, 70)
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)
    # 96 wide with padding: cars from 48 in the one, up to 70 - 48 in the other, each half sure
    assert found[CAR, 20, 60] == pytest.approx(found[CAR, 20, 9], abs=1e-3)
    assert 0.6 < found[CAR, 20, 60] < 0.75
    assert found[CAR, 20, 35] == pytest.approx(1 / 3, abs=1e-3)


def test_the_folder_is_read_as_a_data_set(thermal_folder, tmp_path):
    out = tmp_path / 'deep' / 'masks'
    command = ['label', str(thermal_folder), '--split', 'all', '--out', str(out)]
    done = CliRunner().invoke(app, [*command, '--rename', 'pedestrian=person'])
    assert done.exit_code == 0, done.output
    assert '2 masks of split all; boxes of pedestrian in 1 of them' in done.output
    dataset = open_dataset({'name': 'folder', 'root': out, 'split': 'all'})
    first, second = dataset
    assert first.rgb is None
    assert first.day_night == 'night'
    person = dataset.labels.names.index('person')
    inside = first.mask[6:36, 5:25]
    assert set(np.unique(inside)) == {person, IGNORED}
    assert 0.3 < (inside == person).mean() < 0.5
    assert (second.mask != person).all()
    with (out / 'index.csv').open() as lines:
        assert not any(os.path.isabs(row['ir']) for row in csv.DictReader(lines))
    again = CliRunner().invoke(app, [*command, '--rename', 'pedestrian=person'])
    assert again.exit_code == 2
    assert 'holds something already' in again.output


@pytest.mark.parametrize(('more', 'said'), [
    ([], '--rename pedestrian=CLASS'),
    (['--rename', 'pedestrian'], 'BOX=CLASS'),
    (['--rename', 'pedestrian=person', '--rename', 'pedestrian=car'], 'once for each'),
    (['--rename', 'pedestrian=person', '--sure', '2'], 'sure'),
    (['--rename', 'pedestrian=person', '--layout', 'sim', '--split', '0-0'], 'boxes'),
    (['--rename', 'pedestrian=person', '--weights', 'nowhere'], 'nowhere'),
])
def test_bad_usage_is_one_line_and_writes_nothing(thermal_folder, tmp_path, more, said):
    out = tmp_path / 'masks'
    done = CliRunner().invoke(
        app, ['label', str(thermal_folder), '--split', 'all', '--out', str(out), *more]
    )
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert not out.exists()


def labelled(root, out, split='all'):
    return CliRunner().invoke(app, [
        'label', str(root), '--split', split, '--out', str(out), '--rename', 'pedestrian=person',
    ])


@pytest.mark.parametrize('inside', ['', 'label', 'ir'])
def test_the_data_set_itself_is_not_written_into(thermal_folder, inside):
    before = sorted(path for path in Path(thermal_folder).rglob('*'))
    done = labelled(thermal_folder, thermal_folder / inside)
    assert done.exit_code == 2
    assert 'lies in the data set' in done.output
    assert sorted(path for path in Path(thermal_folder).rglob('*')) == before


def test_masks_of_others_are_kept(thermal_folder, tmp_path):
    other = tmp_path / 'mine'
    (other / 'label').mkdir(parents=True)
    (other / 'label/000000.png').write_bytes(b'precious')
    assert labelled(thermal_folder, other).exit_code == 2
    assert (other / 'label/000000.png').read_bytes() == b'precious'


def test_a_try_that_failed_can_be_repeated(thermal_folder, tmp_path):
    good = (thermal_folder / 'ir/b.png').read_bytes()
    (thermal_folder / 'ir/b.png').write_bytes(b'damaged')
    out = tmp_path / 'masks'
    failed = labelled(thermal_folder, out)
    assert failed.exit_code == 2
    assert 'b.png' in failed.output
    assert not (out / 'index.csv').exists()
    (thermal_folder / 'ir/b.png').write_bytes(good)
    assert labelled(thermal_folder, out).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ['classes.json', 'index.csv', 'label']


def test_links_on_the_way_lead_to_the_same_images(thermal_folder, tmp_path):
    far = tmp_path / 'real' / 'deep'
    far.mkdir(parents=True)
    (tmp_path / 'link').symlink_to(far)
    assert labelled(thermal_folder, tmp_path / 'link' / 'masks').exit_code == 0
    for root in (tmp_path / 'link' / 'masks', far / 'masks'):
        found = open_dataset({'name': 'folder', 'root': root, 'split': 'all'})
        np.testing.assert_array_equal(
            found[0].thermal, np.asarray(Image.open(thermal_folder / 'ir/a.png'))
        )


def test_a_part_of_a_split_is_read_back_whole(tmp_path):
    root = tmp_path / 'plain'
    (root / 'thermal').mkdir(parents=True)
    for number in range(20):
        Image.new('L', (32, 32), number).save(root / f'thermal/{number:02d}.png')
    out = tmp_path / 'masks'
    done = CliRunner().invoke(app, ['label', str(root), '--split', 'val10', '--out', str(out)])
    assert done.exit_code == 0, done.output
    assert '2 masks of split val10' in done.output
    assert 'boxes' not in done.output
    found = open_dataset({'name': 'folder', 'root': out, 'split': 'val'})
    assert [record.id for record in found.records] == ['09', '19']


@pytest.mark.parametrize('name', ['a\rb', 'caf\udce9'])
def test_names_that_no_index_can_hold_are_refused_before_the_work(tmp_path, name):
    root = tmp_path / 'plain'
    (root / 'thermal').mkdir(parents=True)
    try:
        Image.new('L', (32, 32)).save(root / f'thermal/{name}.png')
    except OSError:
        pytest.skip('THIS FILE SYSTEM HAS NO SUCH NAMES: nothing to refuse')
    done = CliRunner().invoke(
        app, ['label', str(root), '--split', 'all', '--out', str(tmp_path / 'masks')]
    )
    assert done.exit_code == 2, done.output
    assert 'UTF-8' in done.output
    assert not (tmp_path / 'masks').exists()
