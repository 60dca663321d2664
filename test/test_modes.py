"""The mode follows from the conditions of the two cameras, with a reason."""

import pytest

from vif_perception.pipeline.modes import MISSING, decide
from vif_perception.types import Mode

BAD = [MISSING, 'frozen', 'blank', 'dark', 'overexposed']


def test_two_usable_cameras_are_fused_and_need_no_reason():
    assert decide({'rgb': '', 'thermal': ''}) == (Mode.FUSED, '')


@pytest.mark.parametrize('bad', BAD)
def test_one_usable_camera_is_enough_and_the_other_is_named(bad):
    assert decide({'rgb': '', 'thermal': bad}) == (Mode.RGB_ONLY, f'thermal {bad}')
    assert decide({'rgb': bad, 'thermal': ''}) == (Mode.THERMAL_ONLY, f'rgb {bad}')


@pytest.mark.parametrize('rgb', BAD)
@pytest.mark.parametrize('thermal', BAD)
def test_no_usable_camera_is_no_mode_and_both_are_named(rgb, thermal):
    assert decide({'rgb': rgb, 'thermal': thermal}) == (None, f'rgb {rgb}, thermal {thermal}')
