"""Poses between frames of a tree of static transforms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vif_perception.errors import InputError
from vif_perception.sensing import find_transform, quaternion, rigid

unit = st.floats(-1, 1)
turns = st.tuples(unit, unit, unit, unit).filter(lambda q: np.linalg.norm(q) > 0.1)


@given(turns, st.tuples(unit, unit, unit))
def test_a_pose_is_rigid_and_its_quaternion_comes_back(turn, move) -> None:
    turn = np.array(turn) / np.linalg.norm(turn)
    transform = rigid(move, turn, 'here')
    rotation = transform[:3, :3]
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert transform[:3, 3] == pytest.approx(move)
    again = rigid(move, quaternion(rotation), 'here')
    assert again == pytest.approx(transform, abs=1e-9)


def test_a_quarter_turn_about_z_moves_x_to_y() -> None:
    half = np.sqrt(0.5)
    turned = rigid((1, 2, 3), (0, 0, half, half), 'here') @ (1, 0, 0, 1)
    assert turned == pytest.approx((1, 3, 3, 1))


@pytest.mark.parametrize('turn', [(0, 0, 0, 0), (0, 0, 0, 2), (np.nan, 0, 0, 1)])
def test_what_is_no_rotation_is_refused(turn) -> None:
    with pytest.raises(InputError, match=r'/tf_static, a to b.*quaternion'):
        rigid((0, 0, 0), turn, '/tf_static, a to b')


def test_frames_are_connected_up_and_down_the_tree() -> None:
    def shift(x: float) -> np.ndarray:
        return rigid((x, 0, 0), (0, 0, 0, 1), 'here')

    tree = {('base', 'rgb'): shift(1.0), ('base', 'mast'): shift(5.0), ('mast', 'ir'): shift(0.5),
            ('lost', 'lone'): shift(9.0)}
    found = find_transform(tree, 'rgb', 'ir')
    assert found is not None
    assert found @ (0, 0, 0, 1) == pytest.approx((4.5, 0, 0, 1))
    assert find_transform(tree, 'rgb', 'rgb') == pytest.approx(np.eye(4))
    assert find_transform(tree, 'rgb', 'lone') is None
    assert find_transform({}, 'a', 'b') is None
