"""Temperatures of the softmax: what a network claims in a mode becomes how often it is right."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from vif_perception.models.prediction import Prediction
from vif_perception.training.calibration import calibrate
from vif_perception.training.data import Triple
from vif_perception.types import LabelSet

LABELS = LabelSet(('nothing', 'thing'), ((0, 0, 0), (255, 255, 255)))
#: How far the logits are apart for one that is right in 3 of 4 pixels.
HONEST = float(np.log(3))


class Sure(nn.Module):
    """Sees a thing everywhere, the surer the higher the factor of the mode."""

    stride = 32

    def __init__(self, inputs='both', **factor):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(inputs=inputs)
        self._factor = {(1.0, 1.0): factor['fused'], (1.0, 0.0): factor.get('rgb'),
                        (0.0, 1.0): factor.get('thermal')}

    def forward(self, rgb, y, thermal, present):
        logits = torch.zeros(1, 2, *(side // 4 for side in y.shape[-2:]))
        logits[:, 1] = HONEST * self._factor[tuple(present[0].tolist())]
        return Prediction(y, logits, torch.zeros(1, 1))


def three_of_four(height=40, width=72) -> Triple:
    truth = (np.arange(height * width).reshape(height, width) % 4 > 0).astype(np.uint8)
    return Triple('a', False, np.zeros((height, width, 3), np.uint8),
                  np.zeros((height, width), np.uint8), truth)


def test_each_mode_gets_the_temperature_that_makes_it_honest():
    network = Sure(fused=2.0, rgb=0.75, thermal=1.0)
    assert calibrate(network, [three_of_four()], LABELS) == {
        'FUSED': 2.0, 'RGB_ONLY': 0.75, 'THERMAL_ONLY': 1.0,
    }


@pytest.mark.parametrize('inputs', ['early', 'rgb', 'thermal'])
def test_a_network_of_one_picture_has_one_temperature(inputs):
    found = calibrate(Sure(inputs, fused=1.5), [three_of_four()], LABELS)
    assert set(found.values()) == {1.5}


def test_beyond_the_range_its_end_is_taken():
    assert calibrate(Sure('rgb', fused=9.0), [three_of_four()], LABELS)['FUSED'] == 3.0
    assert calibrate(Sure('rgb', fused=0.1), [three_of_four()], LABELS)['FUSED'] == 0.5


def test_pixels_without_a_label_do_not_count():
    triple = three_of_four()
    triple.mask[:20] = 255
    assert calibrate(Sure('rgb', fused=2.0), [triple], LABELS)['FUSED'] == 2.0
