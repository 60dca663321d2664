import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vif_perception.config import RegistrationConfig
from vif_perception.errors import InputError
from vif_perception.sensing.lens import distort, undistort
from vif_perception.sensing.registration import calibrate, camera_model
from vif_perception.types import CameraModel

BOSON = (-0.504042, 0.268940, 0.003454, -0.000748, 0.0)
RATIONAL = (0.6, -0.2, 0.001, -0.0005, 0.02, 0.9, -0.1, 0.03)


def camera(size=(64, 48), focal=60.0, d=(), center=None, model='plumb_bob'):
    cx, cy = center or ((size[0] - 1) / 2, (size[1] - 1) / 2)
    return camera_model(
        width=size[0], height=size[1], k=(focal, 0, cx, 0, focal * 1.01, cy, 0, 0, 1), d=d,
        distortion_model=model, frame_id='optical', where='/camera_info',
    )


def transform(angles=(0, 0, 0), translation=(0, 0, 0)):
    cos, sin = np.cos(angles), np.sin(angles)
    x = np.array([[1, 0, 0], [0, cos[0], -sin[0]], [0, sin[0], cos[0]]])
    y = np.array([[cos[1], 0, sin[1]], [0, 1, 0], [-sin[1], 0, cos[1]]])
    z = np.array([[cos[2], -sin[2], 0], [sin[2], cos[2], 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = z @ y @ x, translation
    return matrix


def warp(rgb, thermal, t_rgb_thermal, reference='rgb', distance=20.0):
    config = RegistrationConfig(
        t_rgb_thermal=tuple(np.ravel(t_rgb_thermal)), plane_distance_m=distance
    )
    return calibrate(config, reference, rgb.size, thermal.size, rgb, thermal)


def pixels(size):
    u, v = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    return np.stack((u, v), axis=2).astype(float)


def mapped(homography, points):
    moved = points @ homography[:, :2].T + homography[:, 2]
    return moved[..., :2] / moved[..., 2:]


def sampled(image, grid):
    """Nearest neighbour: what a sampler shows at the positions of the grid."""
    column, row = np.rint(grid).astype(int).transpose(2, 0, 1)
    inside = (column >= 0) & (row >= 0) & (column < image.shape[1]) & (row < image.shape[0])
    return np.where(inside, image[np.where(inside, row, 0), np.where(inside, column, 0)], -1)


lenses = st.sampled_from([(), BOSON, (-0.3, 0.1, 0.001, 0.002), (0.2, 0.05, -0.001, 0, 0.01)])
small = st.floats(-0.1, 0.1)


@given(points=st.lists(st.tuples(st.floats(-0.7, 0.7), st.floats(-0.7, 0.7)), min_size=1),
       lens=st.sampled_from([(), BOSON, (-0.3, 0.1, 0.001, 0.002), RATIONAL]))
@settings(deadline=None)
def test_undistort_is_the_inverse_of_distort(points, lens):
    ideal = np.array(points, dtype=float)
    shown = distort(ideal, np.array(lens))
    known = ~np.isnan(shown).any(axis=1)
    assert np.allclose(undistort(shown[known], np.array(lens)), ideal[known], atol=1e-8)


def test_distortion_by_hand():
    # r^2 = 0.25: 1 + 0.1 * 0.25 + 0.2 * 0.0625 = 1.0375; p1 and p2 as in OpenCV
    k1, k2, p1, p2 = 0.1, 0.2, 0.01, 0.02
    x, y = 0.3, 0.4
    wanted = (0.3 * 1.0375 + 2 * p1 * x * y + p2 * (0.25 + 2 * x * x),
              0.4 * 1.0375 + p1 * (0.25 + 2 * y * y) + 2 * p2 * x * y)
    assert distort(np.array([x, y]), np.array([k1, k2, p1, p2])) == pytest.approx(wanted)
    rational = np.array([0.1, 0.2, 0, 0, 0, 0.4, 0, 0])
    assert distort(np.array([x, y]), rational) == pytest.approx(np.array([x, y]) * 1.0375 / 1.1)


def test_lens_model_is_not_used_beyond_where_it_turns_back():
    lens = np.array([-0.3, 0, 0, 0, 0])  # r (1 - 0.3 r^2) turns at r = 1.054, shows at most 0.703
    assert np.isfinite(distort(np.array([1.0, 0.0]), lens)).all()
    assert np.isnan(distort(np.array([1.2, 0.0]), lens)).all()
    assert np.isfinite(undistort(np.array([0.69, 0.0]), lens)).all()
    assert np.isnan(undistort(np.array([0.8, 0.0]), lens)).all()


@given(lens=lenses, reference=st.sampled_from(('rgb', 'thermal')), distance=st.floats(0.5, 500))
@settings(max_examples=30, deadline=None)
def test_cameras_at_the_same_place_give_the_identity(lens, reference, distance):
    one = camera(d=lens)
    found = warp(one, one, np.eye(4), reference, distance)
    assert found.grid.dtype == np.float32
    assert found.grid.shape == (48, 64, 2)
    assert np.abs(found.grid - pixels((64, 48))).max() < 1e-4


@given(angles=st.tuples(small, small, small), shift=st.tuples(small, small, small),
       distance=st.floats(1, 100), reference=st.sampled_from(('rgb', 'thermal')),
       focal=st.floats(50, 120))
@settings(max_examples=60, deadline=None)
def test_without_distortion_the_warp_is_the_homography_of_the_plane(
    angles, shift, distance, reference, focal
):
    rgb, thermal = camera(), camera((40, 30), focal / 2)
    t_rgb_thermal = transform(angles, shift)
    found = warp(rgb, thermal, t_rgb_thermal, reference, distance)
    first, second, t = rgb, thermal, np.linalg.inv(t_rgb_thermal)
    if reference == 'thermal':
        first, second, t = thermal, rgb, t_rgb_thermal
    normal = np.array([[0, 0, 1]])
    homography = second.matrix @ (t[:3, :3] + t[:3, 3:] @ normal / distance) @ np.linalg.inv(
        first.matrix
    )
    assert found.size == first.size
    assert found.other_size == second.size
    assert np.allclose(found.grid, mapped(homography, pixels(first.size)), atol=1e-3)


@given(angles=st.tuples(small, small, small), shift=st.tuples(small, small, small),
       rgb_lens=lenses, thermal_lens=lenses)
@settings(max_examples=30, deadline=None)
def test_a_point_of_the_plane_is_found_where_both_cameras_show_it(
    angles, shift, rgb_lens, thermal_lens
):
    rgb, thermal = camera(d=rgb_lens), camera((40, 30), 30, thermal_lens)
    t_rgb_thermal = transform(angles, shift)
    grid = warp(rgb, thermal, t_rgb_thermal, distance=5.0).grid
    u, v = 20, 31
    ray = undistort((np.array([u, v]) - rgb.matrix[:2, 2]) / np.diag(rgb.matrix)[:2],
                    rgb.distortion)
    point = np.linalg.solve(t_rgb_thermal, [*(ray * 5.0), 5.0, 1.0])
    x, y = distort(point[:2] / point[2], thermal.distortion)
    shown = thermal.matrix @ (x, y, 1)
    assert grid[v, u] == pytest.approx(shown[:2], abs=1e-3)


def test_direction_of_the_extrinsic():
    # thermal camera 0.5 m to the right of RGB: a point lies further left in the thermal image
    t_rgb_thermal = transform(translation=(0.5, 0, 0))
    shift = 60.0 * 0.5 / 20.0
    one = camera()
    grid = warp(one, one, t_rgb_thermal).grid
    assert grid - pixels((64, 48)) == pytest.approx(
        np.broadcast_to((-shift, 0), grid.shape), abs=1e-4
    )
    back = warp(one, one, t_rgb_thermal, 'thermal').grid
    assert back[5, 7] == pytest.approx((7 + shift, 5), abs=1e-4)


def test_rays_that_miss_the_other_camera_see_nothing():
    one = camera()
    grid = warp(one, one, transform((0, 0.7, 0))).grid
    assert np.isfinite(grid).all()
    seen = ((grid > -0.5) & (grid < (63.5, 47.5))).all(axis=2)
    assert 0 < seen.mean() < 0.5
    with pytest.raises(InputError, match=r'no pixel of the reference.*direction'):
        warp(one, one, transform((0, np.pi, 0)))


def test_a_turned_back_lens_does_not_show_the_scene_twice():
    wide, narrow = camera(focal=12), camera(focal=60, d=(-0.3, 0, 0, 0))
    grid = warp(wide, narrow, np.eye(4)).grid
    seen = ((grid > -0.5) & (grid < (63.5, 47.5))).all(axis=2)
    assert seen[24, 32]
    assert not seen[:, :5].any()
    assert not seen[0].any()
    columns = grid[24, seen[24], 0]
    assert (np.diff(columns) > 0).all()


def test_equal_sizes_without_calibration_need_no_grid():
    found = calibrate(RegistrationConfig(), 'rgb', (64, 48), (64, 48), None, None)
    assert found.grid is None
    assert found.source == 'identity'


@pytest.mark.parametrize('reference', ['rgb', 'thermal'])
@pytest.mark.parametrize('source', ['auto', 'identity'])
def test_aligned_images_of_other_size_are_scaled_corner_to_corner(reference, source):
    found = calibrate(RegistrationConfig(source=source), reference, (64, 48), (32, 24), None, None)
    grid = found.grid
    width, height = found.size
    other = np.array(found.other_size)
    assert grid.shape == (height, width, 2)
    assert grid.dtype == np.float32
    # pixel centres at integers: the outer edges -0.5 and size - 0.5 must meet
    step = other / found.size
    assert grid[0, 0] == pytest.approx(step / 2 - 0.5)
    assert grid[-1, -1] == pytest.approx(other - 0.5 - step / 2)
    assert (grid.mean(axis=(0, 1)) == pytest.approx((other - 1) / 2))
    if reference == 'rgb':
        picture = np.arange(24 * 32).reshape(24, 32)
        assert (sampled(picture, grid) == picture.repeat(2, axis=0).repeat(2, axis=1)).all()


def test_scaling_with_another_aspect_ratio_is_said():
    config = RegistrationConfig()
    assert 'proportions' in calibrate(config, 'rgb', (64, 48), (64, 51), None, None).doubt
    assert calibrate(config, 'rgb', (64, 48), (32, 24), None, None).doubt == ''


@given(shift=st.tuples(small, small, small), perspective=st.tuples(small, small),
       sign=st.sampled_from((1, -3)))
@settings(max_examples=30, deadline=None)
def test_homography_maps_rgb_to_thermal_and_back(shift, perspective, sign):
    matrix = np.array([
        [0.5 + shift[0], shift[1], 2], [shift[2], 0.5, -1],
        [perspective[0] / 100, perspective[1] / 100, 1],
    ])
    config = RegistrationConfig(homography=tuple(np.ravel(sign * matrix)))
    forth = calibrate(config, 'rgb', (64, 48), (32, 24), None, None).grid
    back = calibrate(config, 'thermal', (64, 48), (32, 24), None, None).grid
    assert np.allclose(forth, mapped(matrix, pixels((64, 48))), atol=1e-3)
    assert np.allclose(mapped(matrix, back.astype(float)), pixels((32, 24)), atol=1e-3)


def test_homography_behind_its_horizon_sees_nothing():
    matrix = (1, 0, 0, 0, 1, 0, -0.02, 0, 1)  # w = 1 - 0.02 u is negative from u = 51 on
    grid = calibrate(RegistrationConfig(homography=matrix), 'rgb', (64, 48), (64, 48), None,
                     None).grid
    assert np.isfinite(grid).all()
    assert (grid[:, 51:] < -1000).all()
    assert grid[0, 10] == pytest.approx((12.5, 0))


@pytest.mark.parametrize('numbers', [(0,) * 9, (1, 2, 3, 2, 4, 6, 0, 0, 1)])
def test_singular_homography_is_refused(numbers):
    with pytest.raises(InputError, match='singular'):
        calibrate(RegistrationConfig(homography=numbers), 'rgb', (4, 4), (4, 4), None, None)


def test_homography_in_another_unit_is_refused():
    numbers = (1, 0, 1000, 0, 1, 0, 0, 0, 1)
    with pytest.raises(InputError, match='no pixel of the reference'):
        calibrate(RegistrationConfig(homography=numbers), 'rgb', (64, 48), (64, 48), None, None)


def test_extrinsic_without_camera_info_is_refused():
    config = RegistrationConfig(t_rgb_thermal=tuple(np.eye(4).ravel()))
    one = camera()
    for models, name in (((None, one), 'rgb'), ((one, None), 'thermal')):
        with pytest.raises(InputError, match=f'no usable camera_info of the {name}'):
            calibrate(config, 'rgb', (64, 48), (64, 48), *models)


def test_calibration_of_another_size_is_refused():
    config = RegistrationConfig(t_rgb_thermal=tuple(np.eye(4).ravel()))
    with pytest.raises(InputError, match='thermal camera is for 64x48, images are 32x24'):
        calibrate(config, 'rgb', (64, 48), (32, 24), camera(), camera())


@pytest.mark.parametrize('matrix, text', [
    (np.zeros((4, 4)), 'rigid'), (np.diag([1, 1, -1, 1.0]), 'rigid'),
    (np.diag([2, 2, 2, 1.0]), 'rigid'), (np.ones((4, 4)), 'rigid'),
    (transform(translation=(60, 0, 0)), 'millimetres'),
])
def test_extrinsic_that_is_no_rigid_transform_is_refused(matrix, text):
    with pytest.raises(InputError, match=text):
        warp(camera(), camera(), matrix)


def fields(**changes):
    return {
        'width': 64, 'height': 48, 'k': (60, 0, 32, 0, 60, 24, 0, 0, 1), 'd': (0.1, 0, 0, 0, 0),
        'distortion_model': 'plumb_bob', 'frame_id': 'optical', 'where': '/rgb/camera_info',
        **changes,
    }


def test_zero_k_is_refused_with_the_remedy():
    with pytest.raises(InputError) as caught:
        camera_model(**fields(k=np.zeros(9)))
    assert '/rgb/camera_info: K is all zero' in str(caught.value)
    assert 'calibrate the camera' in caught.value.remedy


@pytest.mark.parametrize('changes', [
    {'width': 0}, {'height': 0}, {'k': ()}, {'k': (1,) * 9}, {'k': (np.nan,) + (1,) * 8},
    {'k': (-60, 0, 32, 0, 60, 24, 0, 0, 1)}, {'k': (60, 0, 32, 0, 60, 24, 0, 0, 0)},
    {'d': (0.1, np.inf, 0, 0)}, {'d': (0.1, 0.2)}, {'d': (0.1,) * 8},
    {'distortion_model': 'rational_polynomial'},
    {'distortion_model': 'rational_polynomial', 'd': (0.1,) * 12},
])
def test_impossible_camera_info_is_refused(changes):
    with pytest.raises(InputError, match='/rgb/camera_info'):
        camera_model(**fields(**changes))


@pytest.mark.parametrize('name', ['equidistant', 'fisheye', 'double_sphere'])
def test_fisheye_is_refused_with_the_remedy(name):
    with pytest.raises(InputError, match=f'{name}.*plumb_bob.*rectify'):
        camera_model(**fields(distortion_model=name, d=(0.1,) * 4))


@pytest.mark.parametrize('name, d, kept', [
    ('plumb_bob', (1, 2, 3, 4, 5), [1, 2, 3, 4, 5]), ('radtan', (1, 2, 3, 4), [1, 2, 3, 4, 0]),
    ('', (), [0] * 5), ('none', (), [0] * 5), ('plumb_bob', (), [0] * 5),
    ('', (1, 2, 3, 4, 5), [1, 2, 3, 4, 5]), ('', (0,) * 14, [0] * 8),
    ('rational_polynomial', tuple(range(8)), list(range(8))),
    ('rational_polynomial', (*range(8), 0, 0, 0, 0), list(range(8))),
])
def test_supported_distortions(name, d, kept):
    model = camera_model(**fields(distortion_model=name, d=d))
    assert isinstance(model, CameraModel)
    assert model.distortion.tolist() == kept
    assert model.size == (64, 48)
    assert model.frame_id == 'optical'


@pytest.mark.parametrize('source, doubted', [('auto', True), ('identity', False)])
def test_camera_matrices_that_differ_throw_doubt_on_unasked_identity(source, doubted):
    config = RegistrationConfig(source=source)
    rgb, wide = camera((64, 48), 60.0), camera((32, 24), 27.0)
    found = calibrate(config, 'rgb', (64, 48), (32, 24), rgb, wide)
    assert bool(found.doubt) == doubted
    same = calibrate(config, 'rgb', (64, 48), (32, 24), rgb, camera((32, 24), 30.0))
    assert same.doubt == ''
    assert calibrate(config, 'rgb', (64, 48), (32, 24), None, wide).doubt == ''
