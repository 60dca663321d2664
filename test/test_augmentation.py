"""The steps of the augmentation: what each does, that they repeat and can be left out."""

import sys

import needs
import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from test_datasets import write_folders
from typer.testing import CliRunner

from vif_perception.cli.main import app
from vif_perception.config import ThermalConfig
from vif_perception.errors import InputError
from vif_perception.training import show_batch
from vif_perception.training.augmentation import Augmentation, AugmentationConfig
from vif_perception.training.augmentation.config import (
    BlurStep,
    CropStep,
    DarknessStep,
    DropoutStep,
    FlipStep,
    GlareStep,
    MisregistrationStep,
    NoiseStep,
    PhotometricStep,
    ThermalStep,
)
from vif_perception.training.augmentation.scene import Scene, make_scene
from vif_perception.training.datasets import Boxes, Sample

TILE = show_batch._tile


@pytest.fixture
def _torchvision():
    needs.torchvision()


with_torchvision = pytest.mark.usefixtures('_torchvision')


def square(**changes) -> Sample:
    """A bright square (mask id 3, one box) that all images show at the same place."""
    mask = np.zeros((96, 128), np.uint8)
    mask[30:70, 40:90] = 3
    picture = np.where(mask, 200, 20).astype(np.uint8)
    rng = np.random.default_rng(0)
    rgb = np.repeat(picture[..., None], 3, 2) + rng.integers(0, 20, (96, 128, 3), np.uint8)
    boxes = Boxes(np.array([[40, 30, 90, 70]], np.float32), np.array([2]))
    return Sample(**{'id': 'square', 'rgb': rgb, 'thermal': picture, 'mask': mask, 'boxes': boxes,
                     **changes})


def run(sample: Sample, seed: int = 0, **steps) -> Scene:
    scene = make_scene(sample)
    return Augmentation(AugmentationConfig.only(**steps)).run(scene, seed)


def test_without_steps_everything_comes_out_as_it_went_in():
    sample = square()
    packed = Augmentation(AugmentationConfig.only())(sample, 0)
    np.testing.assert_array_equal(packed['rgb'].permute(1, 2, 0), sample.rgb)
    np.testing.assert_allclose(packed['thermal'][0], sample.thermal / np.float32(255), rtol=1e-6)
    np.testing.assert_array_equal(packed['mask'], sample.mask)
    assert packed['present'].tolist() == [1, 1]
    assert packed['boxes'].tolist() == [[40, 30, 90, 70, 2]]
    assert packed['rgb'].dtype == packed['mask'].dtype == torch.uint8


def test_without_rgb_and_labels():
    packed = Augmentation(AugmentationConfig.only())(square(rgb=None, mask=None, boxes=None), 0)
    assert packed['present'].tolist() == [0, 1]
    assert packed['rgb'].max() == 0
    assert (packed['mask'] == 255).all()
    assert packed['boxes'].shape == (0, 5)


def test_16_bit_thermal_goes_through_the_window_of_the_robot():
    kelvin = np.linspace(283, 313, 96 * 128).reshape(96, 128)
    raw = np.round(kelvin * 100).astype(np.uint16)
    plain = Augmentation(AugmentationConfig.only())
    thermal = plain(square(thermal=raw), 0)['thermal'][0]
    np.testing.assert_allclose(thermal, (kelvin - 278) / 40, atol=1e-3)
    with pytest.raises(InputError, match=r'sample square: .*agc8 cannot describe.*data set'):
        plain(square(thermal=raw, meaning=ThermalConfig(profile='agc8')), 0)


def test_without_torchvision_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    with pytest.raises(InputError, match=r"needs torchvision.*pip install 'vif_perception\[train"):
        Augmentation(AugmentationConfig())


@with_torchvision
def test_the_full_augmentation_is_repeatable_and_in_range():
    augmentation = Augmentation(AugmentationConfig())
    for seed in range(20):
        one, two = (augmentation(square(), (7, seed)) for _ in range(2))
        for name, tensor in one.items():
            torch.testing.assert_close(tensor, two[name], rtol=0, atol=0)
            assert type(tensor) is torch.Tensor
        assert one['rgb'].shape == (3, 256, 320)
        assert 0 <= one['thermal'].min() <= one['thermal'].max() <= 1
        assert set(one['mask'].unique().tolist()) <= {0, 3, 255}
    other = augmentation(square(), (8, 0))
    assert not torch.equal(other['rgb'], augmentation(square(), (7, 0))['rgb'])


@with_torchvision
def test_a_step_less_leaves_the_others_as_they_were():
    steps = {'crop': CropStep(width=64, height=64), 'flip': FlipStep(), 'noise': NoiseStep()}
    whole = run(square(), **steps)
    del steps['noise']
    quiet = run(square(), **steps)
    torch.testing.assert_close(whole.mask, quiet.mask, rtol=0, atol=0)
    assert 0 < (whole.rgb - quiet.rgb.float() / 255).abs().max() < 0.3


@with_torchvision
@pytest.mark.parametrize('seed', range(12))
def test_crops_move_images_mask_and_boxes_together(seed):
    crop = CropStep(width=96, height=64, scale=(0.5, 2.5), degrees=10, turn=0.5, aim=1)
    scene = run(square(), seed, crop=crop, flip=FlipStep())
    assert scene.rgb.shape == (3, 64, 96)
    inside, outside = scene.mask == 3, scene.mask == 0
    assert inside.any()
    for image in (scene.rgb.float().mean(0) / 255, scene.thermal[0]):
        assert image[inside].mean() > 0.6
        assert outside.sum() < 20 or image[outside].mean() < 0.3
    (x1, y1, x2, y2), = scene.boxes.tolist()
    rows, columns = torch.nonzero(inside, as_tuple=True)
    assert x1 - 2 <= columns.min() <= columns.max() <= x2 + 2
    assert y1 - 2 <= rows.min() <= rows.max() <= y2 + 2


@with_torchvision
def test_outside_the_image_nothing_is_labelled():
    scene = run(square(), crop=CropStep(width=320, height=256, scale=(1, 1), turn=0))
    assert (scene.mask == 255).sum() == 320 * 256 - 128 * 96
    assert scene.rgb[:, scene.mask == 255].max() == 0
    assert (scene.mask == 3).sum() == 40 * 50


@with_torchvision
def test_crops_aim_at_objects():
    mask = np.zeros((480, 640), np.uint8)
    mask[16:24, 16:24] = 5
    sample = square(rgb=None, thermal=np.zeros_like(mask), mask=mask, boxes=None)

    def share(aim: float) -> float:
        crop = CropStep(width=64, height=64, scale=(1, 1), turn=0, aim=aim)
        found = [(run(sample, seed, crop=crop).mask == 5).any() for seed in range(40)]
        return sum(map(bool, found)) / len(found)

    assert share(1) == 1
    assert share(0) < 0.3


@with_torchvision
def test_boxes_that_leave_the_crop_are_gone_and_others_are_clipped():
    boxes = Boxes(np.array([[0, 0, 20, 20], [60, 40, 128, 96]], np.float32), np.array([0, 1]))
    left = run(square(boxes=boxes), crop=CropStep(width=128, height=96, scale=(2, 2), turn=0,
                                                    aim=0))
    assert len(left.boxes) == len(left.classes)
    assert (left.boxes >= 0).all()
    assert (left.boxes[:, 2] <= 128).all()


@with_torchvision
def test_flips_mirror_everything():
    flipped = run(square(), flip=FlipStep(chance=1))
    straight = run(square())
    for name in ('rgb', 'thermal', 'mask'):
        torch.testing.assert_close(
            getattr(flipped, name).as_subclass(torch.Tensor), getattr(straight, name).flip(-1))
    assert flipped.boxes.tolist() == [[38, 30, 88, 70]]


@with_torchvision
def test_misregistration_moves_thermal_alone_and_never_too_far():
    still = run(square())
    seen = set()
    for seed in range(20):
        moved = run(square(), seed, misregistration=MisregistrationStep(degrees=0))
        torch.testing.assert_close(moved.rgb, still.rgb)
        torch.testing.assert_close(moved.mask, still.mask)
        columns = torch.nonzero(moved.thermal[0].amax(0) > 0.5).ravel()
        shift = int(columns.min()) - 40
        assert abs(shift) <= 6
        seen.add(shift)
    assert min(seen) < -2
    assert max(seen) > 2


@with_torchvision
@pytest.mark.parametrize('step, camera', [
    ({'photometric': PhotometricStep()}, 'rgb'),
    ({'darkness': DarknessStep(chance=1)}, 'rgb'),
    ({'glare': GlareStep(chance=1)}, 'rgb'),
    ({'thermal': ThermalStep()}, 'thermal'),
    ({'noise': NoiseStep(thermal=0)}, 'rgb'),
    ({'noise': NoiseStep(rgb=0)}, 'thermal'),
])
def test_light_steps_change_their_camera_only(step, camera):
    before, after = run(square()).packed(), run(square(), 3, **step).packed()
    for name in ('rgb', 'thermal', 'mask', 'present'):
        assert torch.equal(before[name], after[name]) == (name != camera), name


@with_torchvision
def test_darkness_and_glare_have_their_direction():
    before = run(square()).rgb.float() / 255
    assert run(square(), darkness=DarknessStep(chance=1)).rgb.mean() < 0.5 * before.mean()
    lit = run(square(), glare=GlareStep(chance=1)).rgb
    assert (lit - before).min() > -0.01
    assert lit.max() > 0.95


@with_torchvision
def test_blur_takes_away_detail():
    blurred = run(square(), blur=BlurStep(chance=1, sigma_px=(2, 2)))
    assert blurred.thermal.diff().abs().max() < 0.6 * run(square()).thermal.diff().abs().max()


@with_torchvision
def test_a_camera_is_dropped_but_never_both_and_never_the_only_one():
    step = {'dropout': DropoutStep()}
    both = [run(square(), seed, **step).packed() for seed in range(400)]
    present = torch.stack([packed['present'] for packed in both])
    assert present.sum(1).min() == 1
    assert ((present.mean(0) - 0.8).abs() < 0.06).all()
    for packed in both:
        assert (packed['rgb'].max() > 0) == bool(packed['present'][0])
        assert (packed['thermal'].max() > 0) == bool(packed['present'][1])
    alone = [run(square(rgb=None), seed, **step).has_thermal for seed in range(50)]
    assert all(alone)
    dark = [run(square(), seed, darkness=DarknessStep(chance=1), **step) for seed in range(50)]
    assert all(scene.has_thermal for scene in dark), 'nothing could be learnt from black and black'


def test_a_title_longer_than_its_tile_is_drawn_whole():
    packed = Augmentation(AugmentationConfig.only())(square(), 0)
    wide, short = (np.asarray(TILE(title, packed, None)) for title in ('gain ' * 50, 'gain'))
    assert short.shape[1] == 3 * packed['mask'].shape[1] < wide.shape[1]
    written = np.flatnonzero((wide[:16] < 128).all(-1).any(0))
    assert written[-1] > wide.shape[1] - 12


@with_torchvision
def test_a_batch_is_drawn_with_every_step_and_its_title(tmp_path, monkeypatch):
    write_folders(tmp_path, ['a', 'b'], thermal='ir', rgb='vi', mask='label')
    tiles = []
    monkeypatch.setattr(show_batch, '_tile', lambda *given: tiles.append(given) or TILE(*given))
    out = tmp_path / 'batch.png'
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text('data: {train: [{name: folder, split: all, labels: mfnet}]}')
    result = CliRunner().invoke(app, [
        'train', str(recipe), '--data', str(tmp_path), '--show-batch', str(out)
    ])
    assert result.exit_code == 0, result.output
    with Image.open(out) as picture:
        assert picture.size == (3 * (3 * 320 + 8), 6 * (256 + 16 + 8))
    titles = [title.partition(' ')[0].rstrip(':') for title, _, _ in tiles]
    assert titles == [*AugmentationConfig().steps(), *['step'] * 6]
    plain = tiles[0][1]
    changed = [
        any(not torch.equal(packed[name], plain[name]) for name in plain)
        for title, packed, _ in tiles[1:10] if not title.startswith('dropout')
    ]
    assert all(changed)
    with pytest.raises(InputError, match='cannot be written'):
        show_batch.save(Image.new('RGB', (2, 2)), tmp_path / 'absent' / 'x.png')


@pytest.mark.parametrize('wrong', [
    {'crop': {'width': 8}}, {'crop': {'scale': (2, 1)}}, {'flip': {'chance': 2}},
    {'rotate': None}, {'dropout': {'rgb': 0.9}}, {'thermal': {'gain': (0, 1)}},
])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        AugmentationConfig.model_validate(wrong)


def test_steps_are_listed_in_their_order():
    assert list(AugmentationConfig().steps())[:3] == ['crop', 'flip', 'misregistration']
    assert list(AugmentationConfig(flip=None).steps())[:2] == ['crop', 'misregistration']
    assert AugmentationConfig.only().steps() == {}
