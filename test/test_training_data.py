"""What is looked at before hours are spent: damaged files, images of val among those of train."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

pytest.importorskip(
    'lightning_fabric', reason='LIGHTNING FABRIC IS NOT INSTALLED: no training was run'
)

from test_engine import make_data, run, yaml_of
from test_training import write_set

from vif_perception.config import ThermalConfig
from vif_perception.errors import InputError
from vif_perception.training.augmentation import Augmentation, AugmentationConfig
from vif_perception.training.datasets import IGNORED, open_dataset
from vif_perception.training.engine import train
from vif_perception.training.recipe import load_recipe
from vif_perception.training.run_folder import RUN
from vif_perception.training.ship import ship
from vif_perception.training.source import Source


@pytest.fixture
def data(tmp_path):
    return make_data(tmp_path)


def images_of(folder, split):
    """Files of the first thermal and RGB image of a split."""
    record = open_dataset(
        {'name': 'folder', 'root': folder, 'split': split, 'labels': 'mfnet'}
    ).records[0]
    return record.thermal, record.rgb


def test_a_damaged_image_is_found_before_the_first_step_and_no_folder_is_left(data, tmp_path):
    thermal, _ = images_of(data, 'train')
    thermal.write_bytes(thermal.read_bytes()[:60])
    with pytest.raises(InputError, match=thermal.name):
        run(data, tmp_path / 'run', steps=1)
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('camera', [0, 1])
def test_an_image_of_val_that_is_trained_on_is_refused(data, tmp_path, camera):
    shutil.copy(images_of(data, 'val')[camera], images_of(data, 'train')[camera])
    with pytest.raises(InputError, match=r'is the same image as .* of split .train.'):
        run(data, tmp_path / 'run', steps=1)
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(('sets', 'said'), [
    (['data.augmentation.crop.width=33', 'data.augmentation.crop.height=32'],
     'data.augmentation.crop: window of 33x32; accepted: .*multiples of 32'),
    (['data.train=[{name: folder, split: train, labels: mfnet, '
      'thermal: {profile: lepton_tlinear}}]'],
     'sample train0: thermal profile'),
])
def test_what_cannot_be_trained_leaves_no_folder(data, tmp_path, sets, said):
    with pytest.raises(InputError, match=said):
        run(data, tmp_path / 'run', *sets, steps=1)
    assert not (tmp_path / 'run').exists()


def test_val_without_a_labelled_pixel_is_refused(data, tmp_path):
    for mask in data.glob('val*_label.png'):
        Image.fromarray(np.full((64, 96), IGNORED, np.uint8)).save(mask)
    with pytest.raises(InputError, match=r'data\.val: no pixel of folder val is labelled'):
        run(data, tmp_path / 'run', steps=1)
    assert not (tmp_path / 'run').exists()


def test_val_without_a_camera_of_the_network_is_refused(data, tmp_path):
    index = data / 'index.csv'
    index.write_text(index.read_text().replace('val1_vi.png', ''))
    with pytest.raises(InputError, match=r'data\.val: val1 of folder val has no RGB image'):
        run(data, tmp_path / 'run', steps=1)
    run(data, tmp_path / 'thermal', 'network.name=rt_thermal', 'network.preset=s', steps=1)


def test_weights_are_not_reported_on_masks_without_a_labelled_pixel(data, tmp_path):
    run(data, tmp_path / 'run', steps=1, check_every=1)
    for mask in data.glob('test*_label.png'):
        Image.fromarray(np.full((64, 96), IGNORED, np.uint8)).save(mask)
    with pytest.raises(InputError, match='no pixel of folder test is labelled'):
        ship(tmp_path / 'run', data, tmp_path / 'x.safetensors')
    assert not (tmp_path / 'x.safetensors').exists()


@pytest.mark.parametrize('seen', ['train', 'val'])
def test_weights_are_not_reported_on_images_they_have_seen(data, tmp_path, seen):
    run(data, tmp_path / 'run', steps=1, check_every=1)
    shutil.copy(images_of(data, seen)[1], images_of(data, 'test')[1])
    with pytest.raises(InputError, match=f'is the same image as .* of split .{seen}.'):
        ship(tmp_path / 'run', data, tmp_path / 'x.safetensors')
    assert not (tmp_path / 'x.safetensors').exists()


def test_every_data_set_has_its_hash_also_where_two_have_one_name(data, tmp_path):
    other = tmp_path / 'other'
    other.mkdir()
    write_set(other, count=2, splits=('train',))
    entry = {'name': 'folder', 'split': 'train', 'labels': 'mfnet'}
    recipe = load_recipe(str(yaml_of(tmp_path)), [], more=[
        ('study', {'data.train': [entry, {**entry, 'root': str(other)}]})])
    found = Source(recipe.data, data, 0).digests()
    assert list(found) == ['folder train', 'folder train 2', 'folder val', 'class list']
    assert len(set(found.values())) == 4
    train(recipe, data, tmp_path / 'run')
    facts = json.loads((tmp_path / 'run' / RUN).read_text())
    assert facts['data'] == found


def test_a_data_set_says_what_its_thermal_values_mean(tmp_path):
    kelvin = np.linspace(27000, 33000, 64 * 48).reshape(48, 64).astype(np.uint16)
    for name in ('thermal', 'rgb'):
        (tmp_path / name).mkdir()
    Image.fromarray(kelvin).save(tmp_path / 'thermal' / 'a.png')
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / 'rgb' / 'a.png')
    window = {'profile': 'lepton_tlinear', 'window_min_k': 280, 'window_max_k': 320}
    dataset = open_dataset(
        {'name': 'folder', 'root': tmp_path, 'split': 'all', 'thermal': window})
    assert dataset.thermal == ThermalConfig(**window)
    heat = Augmentation(AugmentationConfig.only())(dataset[0], 0)['thermal'][0].numpy()
    np.testing.assert_allclose(heat, np.clip((kelvin / 100 - 280) / 40, 0, 1), atol=1e-5)
    with pytest.raises(InputError, match=r"unknown key 'thermal.window'"):
        open_dataset({'name': 'folder', 'root': tmp_path, 'thermal': {'window': 3}})
