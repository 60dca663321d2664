"""Which frames the gallery keeps, what its pictures show, and that its memory is bounded."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vif_perception.labels import MFNET
from vif_perception.report.gallery import Gallery
from vif_perception.report.palette import display_colors
from vif_perception.report.pictures import (
    ERRORS,
    class_layer,
    encode_frame,
    error_layer,
    error_map,
)
from vif_perception.types import Frame, FramePair, LabelSet, Mode, Perception

SIZE = (12, 16)
RGB = np.full((*SIZE, 3), 90, np.uint8)
GREY = np.full(SIZE, 120, np.uint8)
MASK = np.zeros(SIZE, np.uint8)
FRAME = Frame(0, 'camera', RGB, 'rgb8')


def offer(gallery, index, miou=None, mode=Mode.FUSED, reason='', **given):
    row = {'index': index, 'stamp_ns': index, 'mode': mode.value, 'reason': reason, 'miou': miou}
    confidence = np.full(SIZE, given.get('confidence', 200), np.uint8)
    perception = Perception(
        index, 'camera', given.get('fused', RGB), given.get('mask', MASK), confidence, {}, mode
    )
    gallery.add(
        row, given.get('pair', FramePair(FRAME, FRAME)), perception, given.get('truth'),
        given.get('rgb', RGB), given.get('thermal', GREY),
    )


def kept(gallery, why=None):
    return [entry.row['index'] for entry in gallery.entries() if why is None or why in entry.why]


def pixels(file):
    return np.array(Image.open(io.BytesIO(file)).convert('RGBA'))


def test_nothing_offered():
    assert Gallery(MFNET).entries() == []


def test_no_room_is_refused():
    with pytest.raises(ValueError, match='max_frames is 0'):
        Gallery(MFNET, 0)


def test_a_short_bag_is_kept_whole():
    gallery = Gallery(MFNET, 24)
    for index in range(24):
        offer(gallery, index, miou=0.5)
    assert kept(gallery) == list(range(24))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(Mode)), min_size=1, max_size=150),
    st.integers(1, 30),
)
def test_bounded_with_the_worst_frame_in_it(frames, most):
    gallery = Gallery(MFNET, most)
    for index, (miou, mode) in enumerate(frames):
        offer(gallery, index, miou=miou, mode=mode)
        assert len(gallery._entries) <= most
    entries = gallery.entries()
    assert 1 <= len(entries) <= most
    indices = [entry.row['index'] for entry in entries]
    assert indices == sorted(set(indices))
    if most >= 3:
        assert min(entry.row['miou'] for entry in entries) == min(miou for miou, _ in frames)


@pytest.mark.parametrize('count', [49, 1000, 2049])
def test_spread_over_any_length(count):
    gallery = Gallery(MFNET)
    for index in range(count):
        offer(gallery, index, miou=0.5)
    indices = kept(gallery, 'spread')
    assert len(kept(gallery)) <= 48
    assert len(indices) >= 16
    assert len(set(np.diff(indices))) == 1
    assert count - indices[-1] <= np.diff(indices)[0]


def test_worst_frames_come_from_different_times():
    gallery = Gallery(MFNET)
    for index in range(2000):
        bad_second = 1000 <= index < 1015
        offer(gallery, index, miou=0.1 if bad_second else 0.5 + (index * 37 % 100) / 300)
    worst = kept(gallery, 'worst')
    assert len(worst) == 16
    assert 1 <= sum(1000 <= index < 1015 for index in worst) <= 2


def test_without_truth_the_least_confident_is_worst():
    gallery = Gallery(MFNET, 6)
    for index in range(100):
        offer(gallery, index, confidence=40 if index == 61 else 220)
    assert 61 in kept(gallery, 'worst')


def test_frames_with_truth_rank_before_those_without():
    gallery = Gallery(MFNET, 3)
    for index in range(64):
        offer(gallery, index, miou=0.9 if index == 37 else None, confidence=10)
    assert kept(gallery, 'worst') == [37]


def test_mode_changes_are_kept():
    gallery = Gallery(MFNET)
    for index in range(1500):
        lost = 1201 <= index < 1204
        offer(gallery, index, mode=Mode.RGB_ONLY if lost else Mode.FUSED,
              reason='thermal missing' if lost else '')
    assert kept(gallery, 'change') == [1201, 1204]


def test_a_rare_change_is_not_lost_in_flicker():
    gallery = Gallery(MFNET)
    for index in range(900):
        if index == 803:
            offer(gallery, index, mode=Mode.ERROR, reason='worker exception')
        else:
            blink = index % 2
            offer(gallery, index, mode=Mode.RGB_ONLY if blink else Mode.FUSED,
                  reason=f'thermal late by {index} ms' if blink else '')
    changes = kept(gallery, 'change')
    assert 803 in changes
    assert len(changes) <= 12


def test_pictures_are_made_only_for_kept_frames():
    made = []

    def picture():
        made.append(1)
        return RGB

    gallery = Gallery(MFNET)
    for index in range(3000):  # ever worse: the hardest order
        offer(gallery, index, miou=1 - index / 3000, rgb=picture)
    gallery.entries()
    assert len(made) < 300


def test_arrays_an_engine_writes_again_are_copied():
    fused, mask = RGB.copy(), MASK.copy()
    gallery = Gallery(MFNET, 3)
    for index in range(64):
        fused[:] = 250 if index == 37 else 10
        mask[:] = 2 if index == 37 else 0
        offer(gallery, index, miou=0.1 if index == 37 else 0.9, fused=fused, mask=mask)
        fused[:] = mask[:] = 1
    entry = next(entry for entry in gallery.entries() if entry.row['index'] == 37)
    assert entry.classes == {2: 1.0}
    assert pixels(entry.images['fused'])[..., :3].min() > 240


def test_same_sequence_same_bytes():
    def images():
        gallery = Gallery(MFNET, 5)
        for index in range(40):
            offer(gallery, index, miou=(index * 7 % 11) / 11, truth=MASK)
        return [(entry.row, sorted(entry.why), entry.images) for entry in gallery.entries()]

    assert images() == images()


@pytest.mark.parametrize(
    'pair, missing', [(FramePair(None, FRAME), 'thermal'), (FramePair(FRAME, None), 'rgb')]
)
def test_a_missing_camera_has_no_picture(pair, missing):
    gallery = Gallery(MFNET)
    offer(gallery, 0, pair=pair)
    images = gallery.entries()[0].images
    assert set(images) == {'rgb', 'thermal', 'fused', 'overlay'} - {missing}


def test_views_with_truth_and_what_is_in_them():
    mask, truth = MASK.copy(), MASK.copy()
    mask[:6], truth[:3] = 1, 1
    gallery = Gallery(MFNET)
    offer(gallery, 0, miou=0.5, mask=mask, truth=truth)
    entry = gallery.entries()[0]
    assert set(entry.images) == {'rgb', 'thermal', 'fused', 'overlay', 'truth', 'errors'}
    assert entry.classes == {0: 0.5, 1: 0.5}
    assert entry.errors == {'correct': 0.25, 'missed': 0, 'false': 0.25, 'wrong class': 0}


def test_error_map_names_each_case():
    mask = np.array([[0, 1, 0, 1, 1, 1, 0]], np.uint8)
    truth = np.array([[0, 1, 2, 0, 2, 255, 255]], np.uint8)
    assert error_map(mask, truth, 0).tolist() == [[0, 1, 2, 3, 4, 5, 5]]


def test_error_layer_shows_the_colours_of_the_legend():
    layer = error_layer(np.arange(6, dtype=np.uint8)[None])
    shown = pixels(encode_frame({}, {'errors': layer}, 10**6)['errors'])[0]
    assert shown[0, 3] == 0
    for index, (_, color) in enumerate(ERRORS, 1):
        assert tuple(shown[index, :3]) == color
        assert shown[index, 3] > 127


def test_overlay_shows_the_colours_of_the_legend_with_an_outline():
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 2
    mask[0, 0] = 255
    colors = display_colors(MFNET)
    shown = pixels(
        encode_frame({}, {'overlay': class_layer(mask, colors, 0)}, 10**6)['overlay']
    )
    assert shown[2, 2, 3] == shown[0, 0, 3] == 0
    assert tuple(shown[10, 10, :3]) == tuple(shown[5, 10, :3]) == colors[2]
    assert 0 < shown[10, 10, 3] < shown[5, 10, 3] == 255


@pytest.mark.parametrize('count', [1, 127, 128, 254, 255])
def test_any_number_of_classes(count):
    colors = tuple((index, 255 - index, 7) for index in range(count))
    mask = np.full((6, 6), count - 1, np.uint8)
    shown = pixels(encode_frame({}, {'a': class_layer(mask, colors, 0)}, 10**6)['a'])
    assert shown[3, 3, 3] == 0 if count == 1 else tuple(shown[3, 3, :3]) == colors[-1]


def test_noise_stays_within_its_budget_and_large_images_shrink():
    rng = np.random.default_rng(0)
    noise = {name: rng.integers(0, 256, (960, 1280, 3), np.uint8) for name in ('rgb', 'fused')}
    mask = class_layer(rng.integers(0, 9, (960, 1280)).astype(np.uint8), MFNET.colors, 0)
    files = encode_frame(noise, {'overlay': mask}, 166_000)
    assert sum(map(len, files.values())) <= 166_000
    calm = encode_frame({'rgb': np.full((960, 1280, 3), 99, np.uint8)}, {}, 166_000)
    assert Image.open(io.BytesIO(calm['rgb'])).size == (640, 480)


def test_display_colours_are_bright_and_apart():
    colors = display_colors(MFNET)[1:]
    assert min(max(color) for color in colors) > 170
    gaps = [
        np.abs(np.subtract(a, b)).sum() for i, a in enumerate(colors) for b in colors[:i]
    ]
    assert min(gaps) > 60


def test_display_colours_of_awkward_palettes():
    greys = LabelSet(('none', 'road', 'wall', 'wall again'), ((0, 0, 0), *[(70, 70, 70)] * 3))
    shown = display_colors(greys)[1:]
    assert len(set(shown)) == 3
    assert all(max(color) - min(color) <= 1 for color in shown)
    many = LabelSet(tuple(map(str, range(150))), tuple([(255, 0, 0)] * 150))
    assert len(display_colors(many)) == 150
