"""Every family through the deployed module: any size, every mode, thermal at its own size."""

import numpy as np
import pytest
import torch

from vif_perception.errors import InputError
from vif_perception.models.deploy import Deployed
from vif_perception.models.inputs import MODES
from vif_perception.models.prediction import Prediction
from vif_perception.models.registry import build

#: The smallest of each family: name, preset, options.
FAMILIES = {
    'rt': ('rt', 'n', {}), 'mafs': ('mafs', 'tiny', {}), 'egmt': ('egmt', 'tiny', {}),
    'multitaskvif': ('multitaskvif', 'rt', {}),
    'cascade': ('multitaskvif', 'rt', {'way': 'cascade'}),
    'own': ('multitaskvif', 'rt', {'way': 'own'}),
}
#: Without a stand-in: what they lack is black.
COMPARISON = ('rt_early', 'rt_rgb', 'rt_thermal')
WINDOW = torch.tensor([0.0, 65535.0])


def deployed(family: str) -> Deployed:
    torch.manual_seed(0)
    name, preset, options = FAMILIES.get(family, (family, 's', {}))
    return Deployed(build(name, preset, classes=5, entities=4, options=options).eval()).eval()


def images(rgb_size, thermal_size):
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (*rgb_size, 3), dtype=np.uint8)
    thermal = random.integers(0, 65536, thermal_size, dtype=np.int32)
    return torch.from_numpy(rgb), torch.from_numpy(thermal).to(torch.uint16)


def shifted_grid(size, right: float, down: float) -> torch.Tensor:
    rows, columns = torch.meshgrid(*(torch.arange(float(side)) for side in size), indexing='ij')
    return torch.stack([columns + right, rows + down], -1)


def grey(thermal: torch.Tensor) -> torch.Tensor:
    return (thermal.float() / 65535 * 255).round().to(torch.uint8)


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('size', [(131, 97), (480, 640), (512, 640)])
def test_both_cameras_at_any_size(family, size):
    rgb, thermal = images(size, size)
    with torch.no_grad():
        one = deployed(family)(rgb, thermal, WINDOW, torch.ones(2))
        again = deployed(family)(rgb, thermal, WINDOW, torch.ones(2)) if size[1] < 100 else one
    assert [tuple(x.shape) for x in one] == [(*size, 3), size, size, (4,)]
    assert [x.dtype for x in one] == [torch.uint8] * 3 + [torch.float32]
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert one[1].max() < 5
    assert one[2].min() >= 255 // 5
    assert ((one[3] >= 0) & (one[3] <= 1)).all()
    assert not torch.equal(one[0], rgb)


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('mode', MODES)
def test_thermal_of_its_own_size_with_a_warp(family, mode):
    size, own = (97, 131), (110, 150)
    rgb, thermal = images(size, own)
    grid = shifted_grid(size, 25, 2)  # its last 6 columns lie beyond the thermal image
    with torch.no_grad():
        fused, mask, confidence, scores = deployed(family)(
            rgb, thermal, WINDOW, torch.tensor(MODES[mode]), thermal_grid=grid
        )
    assert mask.shape == confidence.shape == size
    assert scores.isfinite().all()
    unseen = fused[:, 125:]
    if mode == 'THERMAL_ONLY':
        wanted = grey(thermal.int()[2:99, 25:])[..., None].expand(-1, -1, 3)
        assert (fused[:, :125].int() - wanted.int()).abs().max() <= 1
        assert not unseen.any()
    else:
        torch.testing.assert_close(unseen, rgb[:, 125:], atol=1, rtol=0)
    assert torch.equal(fused, rgb) is (mode == 'RGB_ONLY')


@pytest.mark.parametrize('family', [*FAMILIES, *COMPARISON])
@pytest.mark.parametrize('mode', ['RGB_ONLY', 'THERMAL_ONLY'])
def test_the_absent_camera_says_nothing_whatever_it_shows(family, mode):
    size = (33, 47)
    rgb, thermal = images(size, size)
    thermal = thermal.float()
    flags = torch.tensor(MODES[mode])
    module = deployed(family)
    with torch.no_grad():
        seen = module(rgb, thermal, WINDOW, flags)
        if mode == 'RGB_ONLY':
            other = module(rgb, torch.full_like(thermal, torch.nan), WINDOW, flags)
        else:
            other = module(255 - rgb, thermal, WINDOW, flags)
    assert all(torch.equal(a, b) for a, b in zip(seen, other, strict=True))


@pytest.mark.parametrize('family', FAMILIES)
def test_nan_pixels_of_a_present_camera_leave_the_rest_finite(family):
    rgb, thermal = images((33, 47), (33, 47))
    thermal = thermal.float()
    thermal[3:6, 4:9], thermal[10] = torch.nan, torch.inf
    with torch.no_grad():
        fused, mask, confidence, scores = deployed(family)(rgb, thermal, WINDOW, torch.ones(2))
    assert scores.isfinite().all()
    assert confidence.min() >= 255 // 5
    black = thermal.nan_to_num(0, posinf=65535)
    with torch.no_grad():
        wanted = deployed(family)(rgb, black, WINDOW, torch.ones(2))
    torch.testing.assert_close((fused, mask), wanted[:2])


# ---- what no network takes ----

@pytest.mark.parametrize(('rgb', 'thermal', 'said'), [
    ((8, 8, 4), (8, 8), r'\[8, 8, 4\] uint8'),
    ((8, 8), (8, 8), r'\[8, 8\] uint8'),
    ((8, 8, 3), (8, 8, 1), r'\[8, 8, 1\] float32'),
    ((8, 8, 3), (8, 9), 'accepted: one size'),
    ((0, 8, 3), (0, 8), 'rgb h x w x 3 uint8'),
])
def test_raw_images_of_the_wrong_shape(rgb, thermal, said):
    with pytest.raises(InputError, match=said):
        deployed('rt')(
            torch.zeros(rgb, dtype=torch.uint8), torch.zeros(thermal), WINDOW, torch.ones(2)
        )


@pytest.mark.parametrize(('rgb', 'thermal'), [
    (torch.float32, torch.uint8), (torch.uint8, torch.int64), (torch.uint8, torch.float64),
])
def test_raw_images_of_the_wrong_type(rgb, thermal):
    with pytest.raises(InputError, match='thermal h x w uint8, uint16 or float32'):
        deployed('rt')(
            torch.zeros(8, 8, 3, dtype=rgb), torch.zeros(8, 8, dtype=thermal), WINDOW,
            torch.ones(2),
        )


@pytest.mark.parametrize('grid', [
    torch.zeros(8, 8, 3), torch.zeros(8, 8), torch.zeros(8, 8, 2, dtype=torch.float64),
])
def test_grids_of_the_wrong_kind(grid):
    with pytest.raises(InputError, match=r'a grid of .*; accepted: H x W x 2 float32'):
        deployed('rt')(
            torch.zeros(8, 8, 3, dtype=torch.uint8), torch.zeros(8, 8), WINDOW, torch.ones(2),
            None, grid,
        )


@pytest.mark.parametrize('temperature', [
    0.0, -1.0, float('nan'), float('inf'), {'FUSED': 1.0}, {**dict.fromkeys(MODES, 1.0), 'X': 1.0},
    {**dict.fromkeys(MODES, 1.0), 'RGB_ONLY': 0.0},
])
def test_temperatures_that_are_none(temperature):
    with pytest.raises(InputError, match='temperature'):
        Deployed(network('rt'), temperature=temperature)


def network(family: str) -> torch.nn.Module:
    name, preset, options = FAMILIES[family]
    return build(name, preset, classes=5, entities=4, options=options).eval()


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize(('shapes', 'said'), [
    ([(1, 4, 64, 64), (1, 1, 64, 64), (1, 1, 64, 64), (1, 2)], r'\(1, 4, 64, 64\)'),
    ([(1, 3, 64, 64), (1, 1, 64, 64), (1, 3, 64, 64), (1, 2)], 'accepted: N x 3 x H x W'),
    ([(1, 3, 64, 64), (1, 1, 64, 32), (1, 1, 64, 64), (1, 2)], 'accepted: N x 3 x H x W'),
    ([(2, 3, 64, 64), (2, 1, 64, 64), (2, 1, 64, 64), (1, 2)], 'accepted: N x 3 x H x W'),
    ([(3, 64, 64), (1, 64, 64), (1, 64, 64), (2,)], 'accepted: N x 3 x H x W'),
    ([(1, 3, 4, 4), (1, 1, 4, 4), (1, 1, 4, 4), (1, 2)], 'input of 4x4; accepted: multiples of'),
    ([(1, 3, 64, 97), (1, 1, 64, 97), (1, 1, 64, 97), (1, 2)], '97x64.*models.deploy, which pads'),
    ([(1, 3, 0, 64), (1, 1, 0, 64), (1, 1, 0, 64), (1, 2)], 'input of 64x0'),
])
def test_networks_refuse_what_does_not_fit(family, shapes, said):
    with pytest.raises(InputError, match=said):
        network(family)(*(torch.zeros(shape) for shape in shapes))


@pytest.mark.parametrize('family', FAMILIES)
def test_networks_refuse_raw_bytes(family):
    rgb, plane = torch.zeros(1, 3, 64, 64, dtype=torch.uint8), torch.zeros(1, 1, 64, 64)
    with pytest.raises(InputError, match=r"raw images; accepted: floats.*cameras' own bytes"):
        network(family)(rgb, plane, plane, torch.ones(1, 2))


# rt multiplies by its flags: there the deployed module clears what is absent.
@pytest.mark.parametrize('family', [name for name in FAMILIES if name != 'rt'])
def test_networks_read_nothing_of_an_absent_camera_not_even_nan(family):
    generator = torch.Generator().manual_seed(1)
    rgb, plane = (torch.rand(2, c, 64, 64, generator=generator) for c in (3, 1))
    lost = torch.full_like(plane, torch.nan)
    only_rgb, only_thermal = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([[0.0, 1.0]] * 2)
    made = network(family)
    with torch.no_grad():
        for found in (
            made(rgb, plane, lost, only_rgb), made(lost.expand(-1, 3, -1, -1), lost, plane,
                                                   only_thermal),
        ):
            assert isinstance(found, Prediction)
            assert torch.equal(found.fused_y, plane)
            assert found.logits.isfinite().all()
            assert found.entity_logits.isfinite().all()
