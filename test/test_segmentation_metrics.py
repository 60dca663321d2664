"""Segmentation scores and flicker, against torchmetrics and against counting by hand."""

import json

import numpy as np
import pytest
import torch

pytest.importorskip('torchmetrics', reason='TORCHMETRICS IS NOT INSTALLED: no score was compared')
from torchmetrics.classification import MulticlassCalibrationError
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index

from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.metrics import Flicker, SegmentationScore
from vif_perception.types import LabelSet

LABELS = LabelSet(('nothing', 'car', 'person'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))


def _ids(*rows):
    return np.array(rows, np.uint8)


def _frames(count, size=(48, 64), classes=9, seed=0):
    """Blocky truth with some ignored pixels, a mask that is right in most of them."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        blocks = generator.integers(0, classes, (size[0] // 8, size[1] // 8))
        truth = np.kron(blocks, np.ones((8, 8))).astype(np.uint8)
        guess = generator.integers(0, classes, size)
        mask = np.where(generator.random(size) < 0.7, truth, guess).astype(np.uint8)
        truth[generator.random(size) < 0.05] = 255
        yield mask, truth


# --- nothing and next to nothing ---


def test_no_frame_has_no_score():
    assert SegmentationScore(LABELS).compute() == {
        'miou_present': None, 'miou_foreground': None, 'miou_fixed': None,
        'per_class': {'nothing': None, 'car': None, 'person': None},
        'accuracy': None, 'ece': None, 'frames': 0,
    }


def test_an_unlabelled_or_empty_frame_is_counted_as_a_frame_only():
    score = SegmentationScore(LABELS)
    assert score.update(_ids([0, 1]), _ids([255, 255]), _ids([9, 9])) is None
    assert score.update(np.zeros((0, 5), np.uint8), np.zeros((0, 5), np.uint8)) is None
    assert score.compute()['frames'] == 2
    assert score.compute()['miou_fixed'] is None
    assert score.compute()['ece'] is None


def test_only_background_scores_one_without_a_foreground():
    score = SegmentationScore(LABELS)
    assert score.update(_ids([0, 0]), _ids([0, 0])) == 1
    result = score.compute()
    assert (result['miou_present'], result['miou_foreground']) == (1, None)
    assert result['miou_fixed'] == pytest.approx(1 / 3)


# --- refusals ---


@pytest.mark.parametrize('mask, truth, message', [
    (_ids([0, 3]), _ids([0, 1]), r'mask: ids \[3\] .*nothing, car, person'),
    (_ids([0, 255]), _ids([0, 1]), r'mask: ids \[255\]'),
    (_ids([0, 7]), _ids([0, 255]), r'mask: ids \[7\]'),
    (_ids([0, 1]), _ids([3, 200]), r'truth: ids \[3, 200\] .*255 for not labelled'),
    (_ids([0, 1]), _ids([0], [1]), r'mask: size \(1, 2\).*\(2, 1\)'),
    (_ids([0, 1])[0], _ids([0, 1])[0], 'HxW'),
    (np.array([[0, 1]]), _ids([0, 1]), 'mask: dtype int64; accepted: uint8'),
    (_ids([0, 1]), np.array([[0.0, 1.0]]), 'truth: dtype float64'),
])
def test_unusable_frames_are_refused_and_not_counted(mask, truth, message):
    score = SegmentationScore(LABELS)
    with pytest.raises(InputError, match=message):
        score.update(mask, truth)
    assert score.compute()['frames'] == 0
    assert not score.confusion.any()


def test_a_confidence_map_of_another_size_is_refused():
    with pytest.raises(InputError, match='confidence: size'):
        SegmentationScore(LABELS).update(_ids([0, 1]), _ids([0, 1]), _ids([0]))


# --- by hand ---


def test_the_three_conventions_by_hand():
    score = SegmentationScore(LABELS)
    # background 2 of 3, car 1 of 2, person in neither
    value = score.update(_ids([0, 0, 1, 1], [0, 0, 0, 0]), _ids([0, 0, 0, 1], [255] * 4))
    result = score.compute()
    assert value == result['miou_present'] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert result['miou_foreground'] == pytest.approx(1 / 2)
    assert result['miou_fixed'] == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert result['per_class'] == {'nothing': 2 / 3, 'car': 1 / 2, 'person': None}
    assert result['accuracy'] == 3 / 4
    np.testing.assert_array_equal(score.confusion, [[2, 1, 0], [0, 1, 0], [0, 0, 0]])


def test_a_class_only_predicted_counts_as_present_with_zero():
    score = SegmentationScore(LABELS)
    score.update(_ids([0, 2]), _ids([0, 0]))
    assert score.compute()['per_class'] == {'nothing': 0.5, 'car': None, 'person': 0}
    assert score.compute()['miou_present'] == 0.25


def test_calibration_by_hand():
    score = SegmentationScore(LABELS)
    # certain and half right; the ignored and the later frame without a map do not count
    confidence = _ids([255, 255, 255])
    score.update(_ids([0, 0, 0]), _ids([0, 1, 255]), confidence)
    score.update(_ids([1, 1, 1]), _ids([0, 0, 0]))
    assert score.compute()['ece'] == pytest.approx(0.5)


# --- agreement with torchmetrics ---


def test_agrees_with_torchmetrics_over_a_stream():
    score = SegmentationScore(MFNET)
    frames = list(_frames(6, classes=7))  # classes 7 and 8 never occur
    for mask, truth in frames:
        score.update(mask, truth)
    mask, truth = torch.from_numpy(np.array(frames, np.int64)).unbind(1)
    per_class = multiclass_jaccard_index(
        mask, truth, num_classes=9, average=None, ignore_index=255
    )
    result = score.compute()
    assert result['miou_present'] == pytest.approx(
        multiclass_jaccard_index(mask, truth, num_classes=9, ignore_index=255).item()
    )
    assert result['miou_foreground'] == pytest.approx(per_class[1:7].mean().item())
    assert result['miou_fixed'] == pytest.approx(per_class.sum().item() / 9)
    assert [result['per_class'][name] or 0 for name in MFNET.names] == pytest.approx(
        per_class.tolist()
    )
    assert result['per_class'][MFNET.names[7]] is None
    assert result['accuracy'] == pytest.approx(
        multiclass_accuracy(
            mask, truth, num_classes=9, average='micro', ignore_index=255
        ).item()
    )


def test_each_frame_is_scored_alone_too():
    score = SegmentationScore(MFNET)
    for mask, truth in _frames(3):
        alone = SegmentationScore(MFNET)
        alone.update(mask, truth)
        assert score.update(mask, truth) == alone.compute()['miou_present']


def test_calibration_agrees_with_torchmetrics():
    generator = np.random.default_rng(1)
    # torchmetrics has the other side of each bin closed, so no level on a bin's edge
    levels = np.array([level for level in range(90, 256) if level % 17])
    score = SegmentationScore(MFNET)
    reference = MulticlassCalibrationError(9, n_bins=15, ignore_index=255)
    for mask, truth in _frames(4):
        confidence = generator.choice(levels, mask.shape).astype(np.uint8)
        score.update(mask, truth, confidence)
        claimed = torch.from_numpy(confidence / 255.0).flatten()
        rest = (1 - claimed) / 8
        probabilities = rest[:, None].repeat(1, 9)
        chosen = torch.from_numpy(mask).flatten().long()
        probabilities[torch.arange(len(claimed)), chosen] = claimed
        reference.update(probabilities, torch.from_numpy(truth).flatten().long())
    ece = score.compute()['ece']
    assert ece > 0.01
    assert ece == pytest.approx(reference.compute().item(), abs=1e-6)


def test_padded_rows_and_reports():
    padded = np.zeros((48, 80), np.uint8)
    mask, truth = next(_frames(1))
    padded[:, :64] = mask
    score, same = SegmentationScore(MFNET), SegmentationScore(MFNET)
    assert score.update(padded[:, :64], truth, mask) == same.update(mask, truth, mask)
    assert json.loads(json.dumps(score.compute())) == same.compute()


# --- flicker ---


def test_flicker_is_the_mean_change_between_neighbours():
    flicker = Flicker()
    assert flicker.compute() is None
    assert flicker.update(_ids([10, 250])) is None
    assert flicker.update(_ids([20, 240])) == 10
    assert flicker.update(_ids([20, 238])) == 1
    assert flicker.update(_ids([255, 0], [1, 1])) is None
    assert flicker.compute() == 5.5


def test_flicker_does_not_follow_a_buffer_that_is_written_again():
    flicker, buffer = Flicker(), _ids([1, 1])
    flicker.update(buffer)
    buffer += 4
    assert flicker.update(buffer) == 4
