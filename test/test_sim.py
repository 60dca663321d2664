"""The synthetic rig: determinism, truth, geometry, physics, and that it never ends."""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.sim import Rig, parse_fault, training_sample
from vif_perception.sim.drawing import draw_body, place_sprite, smear
from vif_perception.sim.rig import START_NS
from vif_perception.sim.scene import Scene
from vif_perception.sim.vehicles import car
from vif_perception.sim.view import View
from vif_perception.types import CameraModel

SMALL = {'size': (320, 240), 'thermal_size': (160, 128)}


def samples(count, seed=1, **options):
    return list(Rig(seed, **{**SMALL, **options}).samples(count))


@pytest.mark.parametrize('options', [
    {'size': (0, 0)}, {'size': (159, 120)}, {'size': (1921, 1080)}, {'thermal_size': (80, 60)},
    {'rate_hz': 0}, {'rate_hz': float('nan')}, {'time_of_day': 'noon'}, {'seed': -1},
])
def test_bad_options_are_refused(options):
    with pytest.raises(InputError) as refused:
        Rig(**{**SMALL, **options})
    assert refused.value.accepted


def test_no_samples():
    assert samples(0) == []


def test_frames_are_what_their_encodings_say():
    (sample,) = samples(1)
    assert sample.rgb.encoding == 'rgb8'
    assert sample.rgb.data.shape == (240, 320, 3)
    assert sample.rgb.data.dtype == np.uint8
    assert sample.thermal.encoding == 'mono16'
    assert sample.thermal.data.shape == (128, 160)
    assert sample.thermal.data.dtype == np.uint16
    assert sample.mask.shape == (240, 320)
    assert sample.mask.dtype == np.uint8
    assert sample.mask.max() < len(MFNET)
    assert all(part.flags.c_contiguous
               for part in (sample.rgb.data, sample.thermal.data, sample.mask))


def test_smallest_and_largest_size():
    (sample,) = samples(1, size=(1920, 1080), thermal_size=(160, 120))
    assert sample.rgb.size == (1920, 1080)
    assert sample.thermal.size == (160, 120)


def test_same_seed_same_bytes_and_another_seed_another_street():
    first, again = samples(3, time_of_day='night'), samples(3, time_of_day='night')
    for a, b in zip(first, again, strict=True):
        assert (a.rgb.data == b.rgb.data).all()
        assert (a.thermal.data == b.thermal.data).all()
        assert (a.mask == b.mask).all()
        assert (a.stamp_ns, a.rgb_received_ns) == (b.stamp_ns, b.rgb_received_ns)
    assert (samples(1, seed=2)[0].mask != first[0].mask).any()


def test_one_rig_can_be_run_twice():
    rig = Rig(1, **SMALL)
    first, again = (list(rig.samples(2)) for _ in range(2))
    assert (first[1].rgb.data == again[1].rgb.data).all()


def test_stamps_have_skew_and_jitter():
    taken = samples(20, size=(160, 120), rate_hz=15)
    skews = np.array([s.thermal.stamp_ns - s.rgb.stamp_ns for s in taken]) / 1e6
    assert 5 < skews.min() < skews.max() < 15
    steps = np.diff([s.rgb.stamp_ns for s in taken]) / 1e6
    assert steps.std() > 0.05
    assert abs(steps.mean() - 1000 / 15) < 0.5
    assert all(s.stamp_ns == s.rgb.stamp_ns >= START_NS for s in taken)
    assert all(s.rgb_received_ns > s.rgb.stamp_ns for s in taken)


def test_things_move_and_every_frame_differs():
    masks = [s.mask for s in samples(4)]
    assert all((a != b).any() for a, b in itertools.combinations(masks, 2))


def test_the_street_has_no_end():
    scene = Scene(1)
    for time_s in (0.0, 3_600.0, 100_000.0):
        things = scene.things(time_s)
        assert 3 < len(things) < 300
        depths = [thing.z for thing in things]
        assert depths == sorted(depths, reverse=True)
    assert Scene(1).things(3_600.0) == scene.things(3_600.0)


def test_people_are_warm_and_the_sky_is_cold():
    warm, cool = [], []
    for seed in range(4):
        _, thermal, mask = training_sample(seed, (320, 240))
        if (mask == 2).sum() > 40:
            warm.append(thermal[mask == 2].mean())
            cool.append(thermal[mask == 0].mean())
    assert len(warm) >= 2
    assert np.mean(warm) > np.mean(cool) + 40
    kelvin = samples(1)[0].thermal.data / 100
    assert 235 < kelvin.min() < 275
    assert 290 < kelvin.max() < 340


def test_night_is_dark_in_rgb_and_not_in_thermal():
    day, night = samples(1)[0], samples(1, time_of_day='night')[0]
    assert night.rgb.data.mean() < 0.5 * day.rgb.data.mean()
    assert night.rgb.data.max() > 240  # lamps
    assert (night.mask == day.mask).all()
    assert abs(night.thermal.data.mean() - day.thermal.data.mean()) < 600


def test_cycle_fades_from_day_to_night():
    rig = Rig(1, **SMALL, time_of_day='cycle', rate_hz=0.5)
    levels = [sample.rgb.data.mean() for sample in rig.samples(7)]
    assert levels[0] > 2.5 * min(levels)


def test_parallax_is_larger_near_than_far():
    rig = Rig(1, size=(640, 480), thermal_size=(640, 480))
    shifts = []
    for distance in (4.0, 40.0):
        point = np.array([[0.0, 0.0, distance]])
        rgb, _ = rig._rgb.view.project(point)
        thermal, _ = rig._thermal.view.project(point)
        shifts.append((rgb - thermal)[0, 0])
    baseline = rig.t_rgb_thermal[0, 3] * rig.thermal_camera.matrix[0, 0]
    assert shifts[0] - shifts[1] == pytest.approx(baseline * (1 / 4 - 1 / 40), rel=0.15)


def test_calibration_brings_thermal_onto_the_truth():
    """Through the package's own registration warm pixels fall onto labelled people."""
    rig = Rig(5, size=(640, 480), thermal_size=(320, 256), rate_hz=1.2)
    grid = rig.calibration.grid
    contrasts = []
    for sample in rig.samples(5):
        x, y = (np.clip(np.rint(grid[..., i]), 0, (319, 255)[i]).astype(int) for i in (0, 1))
        warped = sample.thermal.data[y, x].astype(float) / 100
        person = sample.mask == 2
        if person.sum() > 150:
            contrasts.append(warped[person].mean() - np.median(warped))
    assert contrasts, 'nobody in sight: choose another seed'
    assert np.mean(contrasts) > 5.0


def test_faults_reach_the_samples():
    faulty = samples(12, faults=[parse_fault('drop:thermal:1@0.3+0.2'),
                                 parse_fault('late:rgb:80')])
    lost = [s.index for s in faulty if s.thermal is None]
    assert lost
    assert len(lost) < 5
    assert all(s.rgb_received_ns - s.rgb.stamp_ns > 90_000_000 for s in faulty)
    assert all(s.mask.any() for s in faulty)


def test_training_samples_are_aligned_varied_and_repeatable():
    first, again = training_sample(3, (160, 120)), training_sample(3, (160, 120))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    rgb, thermal, mask = first
    assert rgb.shape == (120, 160, 3)
    assert thermal.shape == mask.shape == (120, 160)
    assert rgb.dtype == thermal.dtype == mask.dtype == np.uint8


def test_training_samples_show_every_class():
    missing = set(range(len(MFNET)))
    for seed in range(60):
        missing -= set(np.unique(training_sample(seed, (160, 120))[2]).tolist())
        if not missing:
            break
    assert not missing, f'never drawn: {[MFNET.names[i] for i in missing]}'


def test_a_glaring_lamp_saturates_its_surroundings():
    night = samples(1, time_of_day='night', seed=0)[0].rgb.data
    bright = (night.min(axis=2) > 240).sum()
    assert 5 < bright < night.size / 50


def test_moving_cars_are_hotter_than_parked_ones():
    body = car(0)
    assert body.heat.mean() > body.rest.mean() + 2


@pytest.mark.parametrize('variant', range(4))
def test_a_car_is_one_closed_shape(variant):
    """No gaps between its faces, from any side."""
    view = View(CameraModel((200, 150), np.array([[180., 0, 100], [0, 180, 75], [0, 0, 1]]),
                            np.zeros(5)), np.eye(4))
    body = car(variant)
    palette = np.repeat((body.alpha * 255).astype(np.uint8)[:, None], 4, axis=1)
    for yaw in np.linspace(0, 2 * np.pi, 24):
        drawn = draw_body(body, yaw, np.array([0.5, 1.2, 8.0]), view, palette)
        assert drawn is not None
        solid = drawn[1][..., 3] > 127
        outline = Image.fromarray(np.pad(solid, 1).astype(np.uint8)).copy()
        ImageDraw.floodfill(outline, (0, 0), 2)
        assert (np.asarray(outline) == 0).sum() <= 6, f'yaw {yaw:.2f}'


def test_place_sprite_outside_and_at_the_edges():
    size, source, image = (1.0, 2.0), (50, 100), (64, 48)
    assert place_sprite(np.array([-500.0, 40.0]), 10.0, size, source, image) is None
    assert place_sprite(np.array([30.0, 40.0]), 0.01, size, source, image) is None
    place = place_sprite(np.array([2.0, 60.0]), 10.0, size, source, image)
    assert place.cells == (slice(40, 48), slice(0, 7))
    assert place.box[0] > 0
    assert place.box[3] < source[1]


def test_smear_keeps_the_amount_of_light():
    tile = np.zeros((3, 5, 4), np.uint8)
    tile[:, 2] = 240
    cells, wide = smear((slice(10, 13), slice(20, 25)), tile, 4, 100)
    assert wide.shape[:2] == (3, cells[1].stop - cells[1].start)
    assert (wide.sum(axis=1) == 240).all()
    cells, cut = smear((slice(0, 3), slice(0, 5)), tile, 4, 6)
    assert (cells[1].start, cells[1].stop) == (0, 6)
    assert cut.shape[1] == 6


@pytest.mark.parametrize('time_of_day', ['day', 'night'])
def test_the_thermal_window_of_the_rig_shows_the_street_and_its_people(time_of_day):
    rig = Rig(1, **SMALL, time_of_day=time_of_day, rate_hz=0.5)
    kelvin = np.concatenate([s.thermal.data.ravel() for s in rig.samples(3)]) / 100
    low, high = rig.thermal.window_min_k, rig.thermal.window_max_k
    assert 0.25 < (np.median(kelvin) - low) / (high - low) < 0.5
    assert (kelvin > high).mean() < 1e-3
