from pathlib import Path

import numpy as np
import pytest
import yaml

from vif_perception.config import RegistrationConfig
from vif_perception.errors import InputError
from vif_perception.sensing.camchain import parse_camchain
from vif_perception.sensing.registration import calibrate

CALIB = Path(__file__).resolve().parents[1].parent / 'shared' / 'data' / 'calib'


def entry(topic='', size=(64, 48), focal=60.0, shift=None):
    fields = {
        'camera_model': 'pinhole', 'distortion_model': 'radtan',
        'distortion_coeffs': [0.1, 0.02, 0.001, -0.001],
        'intrinsics': [focal, focal, size[0] / 2, size[1] / 2], 'resolution': list(size),
    }
    if topic:
        fields['rostopic'] = topic
    if shift is not None:
        matrix = np.eye(4)
        matrix[:3, 3] = shift
        fields['T_cn_cnm1'] = matrix.tolist()
    return fields


def chain(**cameras):
    return parse_camchain(yaml.safe_dump(cameras), 'chain.yaml')


def test_entries_are_read():
    found = chain(cam0=entry('/rgb/image_raw'), cam1=entry('/thermal', shift=(1, 2, 3)))
    assert found.topics == ('/rgb/image_raw', '/thermal')
    assert found.cameras[0].size == (64, 48)
    assert found.cameras[0].matrix.tolist() == [[60, 0, 32], [0, 60, 24], [0, 0, 1]]
    assert found.cameras[0].distortion.tolist() == [0.1, 0.02, 0.001, -0.001, 0]


def test_transforms_are_chained():
    found = chain(cam0=entry(), cam1=entry(shift=(1, 0, 0)), cam2=entry(shift=(0, 2, 0)))
    assert found.transform(1, 0)[:3, 3].tolist() == [1, 0, 0]
    assert found.transform(2, 0)[:3, 3].tolist() == [1, 2, 0]
    assert found.transform(0, 2)[:3, 3].tolist() == [-1, -2, 0]
    assert found.transform(2, 1)[:3, 3].tolist() == [0, 2, 0]
    assert found.transform(1, 1).tolist() == np.eye(4).tolist()


def test_rotations_are_chained_from_the_first_camera_on():
    turned = entry(shift=(1, 0, 0))
    turned['T_cn_cnm1'][:2] = [[0, -1, 0, 1], [1, 0, 0, 0]]  # (x, y) -> (-y + 1, x)
    found = chain(cam0=entry(), cam1=turned, cam2=entry(shift=(0, 2, 0)))
    assert (found.transform(2, 0) @ (5, 7, 9, 1)).tolist() == [-6, 7, 9, 1]
    assert found.transform(0, 2) @ (-6, 7, 9, 1) == pytest.approx((5, 7, 9, 1))


@pytest.mark.parametrize('first, second, sizes, wanted', [
    ('/boson/image', '/eo/color', ((64, 48), (64, 48)), (1, 0)),
    ('/rgb/image', '/THERMAL/image', ((64, 48), (64, 48)), (0, 1)),
    ('', '', ((64, 48), (32, 24)), (1, 0)),
    ('/a', '/b', ((32, 24), (64, 48)), (0, 1)),
])
def test_which_camera_is_told_by_topic_then_by_size(first, second, sizes, wanted):
    size0, size1 = (sizes[1], sizes[0]) if wanted == (1, 0) else sizes
    found = chain(cam0=entry(first, size0), cam1=entry(second, size1, shift=(0, 0, 0)))
    assert found.which(*sizes) == wanted


@pytest.mark.parametrize('topics', [('', ''), ('/a', '/b'), ('/thermal/left', '/thermal/right')])
def test_cameras_that_cannot_be_told_apart_are_refused(topics):
    found = chain(cam0=entry(topics[0]), cam1=entry(topics[1], shift=(0, 0, 0)))
    with pytest.raises(InputError, match=r'chain.yaml: cannot tell.*64x48.*rostopic'):
        found.which((64, 48), (64, 48))


@pytest.mark.parametrize('order', ['thermal first', 'rgb first'])
def test_direction_does_not_depend_on_the_order_in_the_file(order):
    # the thermal camera stands 0.5 m to the right: X_rgb = X_thermal + 0.5
    if order == 'rgb first':
        found = chain(cam0=entry('/rgb'), cam1=entry('/thermal', shift=(-0.5, 0, 0)))
    else:
        found = chain(cam0=entry('/thermal'), cam1=entry('/rgb', shift=(0.5, 0, 0)))
    assert found.rig((64, 48), (64, 48))[2][:3, 3].tolist() == [0.5, 0, 0]
    config = RegistrationConfig(source='camchain', camchain='chain.yaml', plane_distance_m=20)
    grid = calibrate(config, 'rgb', (64, 48), (64, 48), None, None, found).grid
    assert grid[24, 32] == pytest.approx((32 - 60 * 0.5 / 20, 24), abs=0.01)


def test_camchain_of_other_size_or_not_read_is_refused():
    config = RegistrationConfig(camchain='chain.yaml')
    found = chain(cam0=entry('/rgb'), cam1=entry('/thermal', shift=(0, 0, 0)))
    with pytest.raises(InputError, match='thermal camera is for 64x48, images are 32x24'):
        calibrate(config, 'rgb', (64, 48), (32, 24), None, None, found)
    with pytest.raises(InputError, match='was not read'):
        calibrate(config, 'rgb', (64, 48), (64, 48), None, None)


@pytest.mark.parametrize('text', ['', '[]', 'a: b', '{', 'cam0: 1\ncam1: 2', '12', '\0',
                                  'cam0: {}\ncam1: {}', 'cam1: {}\ncam2: {}'])
def test_text_that_is_no_camchain_is_refused(text):
    with pytest.raises(InputError, match=r'chain.yaml'):
        parse_camchain(text, 'chain.yaml')


@pytest.mark.parametrize('changes, text', [
    ({'camera_model': 'omni'}, 'pinhole'), ({'distortion_model': 'equidistant'}, 'radtan'),
    ({'distortion_coeffs': [1, 2]}, 'distortion_coeffs'), ({'intrinsics': [0, 0, 0, 0]}, 'K is'),
    ({'intrinsics': None}, 'intrinsics'), ({'resolution': 'wide'}, 'resolution'),
    ({'T_cn_cnm1': None}, 'T_cn_cnm1'), ({'T_cn_cnm1': [[1, 2], [3]]}, 'T_cn_cnm1'),
    ({'T_cn_cnm1': [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}, 'rigid'),
])
def test_wrong_entries_are_refused_naming_the_camera(changes, text):
    with pytest.raises(InputError, match=f'(?s)chain.yaml: cam1.*{text}'):
        chain(cam0=entry(), cam1={**entry(shift=(0, 0, 0)), **changes})


@pytest.mark.skipif(not CALIB.is_dir(), reason=f'REAL DATA MISSING: no {CALIB}')
@pytest.mark.parametrize('name, thermal', [
    ('cart_color_thermal_10x10_calib.yaml', 1), ('cart_thermal_mono_10x10_calib.yaml', 0),
])
def test_real_camchains(name, thermal):
    found = parse_camchain((CALIB / name).read_text(), name)
    assert found.which((960, 600), (960, 600)) == (1 - thermal, thermal)
    _, thermal_camera, t_rgb_thermal = found.rig((960, 600), (960, 600))
    assert thermal_camera.matrix[0, 0] == pytest.approx(513, abs=1)
    assert np.linalg.norm(t_rgb_thermal[:3, 3]) == pytest.approx(0.025, abs=0.001)
    config = RegistrationConfig(source='camchain', camchain=name)
    for reference, ratio in (('rgb', 513 / 679), ('thermal', 679 / 513)):
        grid = calibrate(config, reference, (960, 600), (960, 600), None, None, found).grid
        assert np.isfinite(grid).all()
        # near the centre the scale of the warp is the ratio of the focal lengths
        scale = np.linalg.norm(grid[300, 490] - grid[300, 470]) / 20
        assert scale == pytest.approx(ratio, rel=0.02)
