"""Training data and the losses of rt."""

import csv

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vif_perception.errors import InputError
from vif_perception.training import losses
from vif_perception.training.data import read_split, shuffled

SIZE = (96, 64)


def write_set(root, count=4, splits=('train', 'val')):
    random = np.random.default_rng(0)
    rows = []
    for split in splits:
        for index in range(count):
            name = f'{split}{index}'
            mask = np.zeros(SIZE[::-1], np.uint8)
            mask[20:50, 30:60] = 2
            thermal = np.where(mask, 220, 40).astype(np.uint8)
            thermal += random.integers(0, 3, thermal.shape, dtype=np.uint8)
            rgb = random.integers(0, 90, (*mask.shape, 3), dtype=np.uint8)
            rgb[mask > 0] += 60
            for kind, image in (('vi', rgb), ('ir', thermal), ('label', mask)):
                Image.fromarray(image).save(root / f'{name}_{kind}.png')
            rows.append({
                'id': name, 'split': split, 'day_night': 'night', 'vi': f'{name}_vi.png',
                'ir': f'{name}_ir.png', 'label': f'{name}_label.png',
            })
    with (root / 'index.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return root


def test_reading_a_split(tmp_path):
    triples = read_split(write_set(tmp_path), 'val')
    assert [item.name for item in triples] == [f'val{i}' for i in range(4)]
    assert triples[0].rgb.shape == (64, 96, 3)
    assert triples[0].night


def test_missing_index_and_empty_split(tmp_path):
    with pytest.raises(InputError, match=r'index\.csv: is missing'):
        read_split(tmp_path, 'train')
    write_set(tmp_path)
    with pytest.raises(InputError, match="no rows of split 'test'"):
        read_split(tmp_path, 'test')


def test_corrupt_image_is_named(tmp_path):
    write_set(tmp_path)
    (tmp_path / 'val1_ir.png').write_bytes(b'not an image')
    with pytest.raises(InputError, match=r'val1_ir\.png: cannot be read'):
        read_split(tmp_path, 'val')


def test_size_mismatch_and_unknown_id(tmp_path):
    write_set(tmp_path)
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(tmp_path / 'val1_ir.png')
    with pytest.raises(InputError, match='sizes differ'):
        read_split(tmp_path, 'val')
    write_set(tmp_path)
    Image.fromarray(np.full(SIZE[::-1], 77, np.uint8)).save(tmp_path / 'val2_label.png')
    with pytest.raises(InputError, match=r'val2_label\.png: holds id 77; accepted: 0\.\.8'):
        read_split(tmp_path, 'val')


def test_shuffled_visits_everything_each_epoch():
    order = shuffled(5, 0)
    assert sorted(next(order) for _ in range(5)) == list(range(5))
    assert sorted(next(order) for _ in range(5)) == list(range(5))


def test_rare_classes_weigh_more():
    weights = losses.class_weights(torch.tensor([900, 90, 10, 0]))
    assert weights.tolist() == sorted(weights.tolist())
    assert torch.isfinite(weights).all()
    assert losses.class_weights(torch.tensor([900, 10]), power=0).tolist() == [1, 1]


def test_mask_loss_prefers_the_truth_and_ignores_255():
    mask = torch.zeros(1, 32, 32, dtype=torch.long)
    mask[:, 8:24, 8:24] = 1
    right = torch.zeros(1, 2, 8, 8)
    right[:, 1, 2:6, 2:6] = 20
    right[:, 0] = 10
    weights = torch.ones(2)
    good, bad = (losses.mask_loss(x, mask, weights) for x in (right, -right))
    assert good < 0.3 < bad
    hidden = mask.clone()
    hidden[:, :, 16:] = 255
    left = losses.mask_loss(right, hidden, weights)
    changed = right.clone()
    changed[:, :, :, 6:] = 99
    torch.testing.assert_close(left, losses.mask_loss(changed, hidden, weights))


def test_entities_are_classes_large_enough_to_see():
    mask = torch.zeros(2, 100, 100, dtype=torch.long)
    mask[0, :10, :10] = 2
    mask[0, 50, 50] = 1
    assert losses.entities_in(mask, 4).tolist() == [[0, 1, 0], [0, 0, 0]]


def test_fusion_target_by_hand():
    y, heat = torch.full((1, 1, 128, 96), 0.2), torch.full((1, 1, 128, 96), 0.1)
    heat[..., :64, :] = 0.5  # the upper half is warm, the scene's mean is 0.3
    target, glare = losses.fusion_target(y, heat)
    warm, cold = 0.2 + 0.65 * 0.3 + 0.27 * 0.2, 0.2 - 0.27 * 0.2
    torch.testing.assert_close(target[..., :64, :], torch.full((1, 1, 64, 96), warm))
    torch.testing.assert_close(target[..., 64:, :], torch.full((1, 1, 64, 96), cold))
    assert not glare.any()


def test_lamps_are_cut_at_night_and_bright_skies_never():
    heat = torch.full((1, 1, 128, 128), 0.2)
    lamp = torch.full_like(heat, 0.05)
    lamp[..., 60:68, 60:68] = 1.0
    sky = torch.full_like(heat, 0.05)
    sky[..., :50, :] = 1.0
    (cut, at_lamp), (kept, at_sky) = (losses.fusion_target(y, heat) for y in (lamp, sky))
    assert cut[0, 0, 64, 64] < 0.7
    assert at_lamp[0, 0, 64, 64] == pytest.approx(1)
    assert not at_lamp[..., :50, :].any()
    assert kept[0, 0, 10, 64] == pytest.approx(1)
    assert at_sky[0, 0, 10, 64] == 0
    both = torch.ones(1)
    assert losses.fusion_loss(lamp, lamp, heat, both) > 2 * losses.fusion_loss(
        cut, lamp, heat, both)


@given(seed=st.integers(0, 99), shift=st.floats(-0.2, 0.2))
@settings(deadline=None, max_examples=20)
def test_fusion_target_does_not_depend_on_the_level_of_thermal(seed, shift):
    y, heat = torch.rand(2, 1, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
    y, heat = 0.5 + 0.3 * y, 0.2 + 0.1 * heat  # nowhere brighter than luma, nothing clipped
    torch.testing.assert_close(
        losses.fusion_target(y, heat)[0], losses.fusion_target(y, heat + shift)[0]
    )


def test_fusion_loss_is_least_for_the_target_and_counts_only_pairs():
    y, heat = torch.full((2, 1, 32, 32), 0.3), torch.full((2, 1, 32, 32), 0.1)
    y[..., :4], heat[..., 10:20, 10:20] = 0.6, 0.8
    both = torch.ones(2)
    at_target = losses.fusion_loss(losses.fusion_target(y, heat)[0], y, heat, both)
    for other in (y, 0.5 * (y + heat), torch.zeros_like(y)):
        assert at_target < losses.fusion_loss(other, y, heat, both)
    assert losses.fusion_loss(torch.zeros_like(y), y, heat, torch.zeros(2)) == 0


def test_sobel_of_a_ramp_is_its_slope():
    ramp = torch.arange(16.0).repeat(16, 1)[None, None]
    across, down = losses.sobel(ramp)
    torch.testing.assert_close(across[..., 1:-1], torch.ones(1, 1, 16, 14))
    torch.testing.assert_close(down, torch.zeros(1, 1, 16, 16))
