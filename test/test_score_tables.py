import numpy as np

from vif_perception.labels import MFNET
from vif_perception.metrics import SegmentationScore
from vif_perception.metrics.table import Score, fusion_table, segmentation_table


def test_fusion_rows_keep_their_order_and_seeds_their_spread():
    rows: dict[str, dict[str, Score]] = {
        'VIS': {'EN': 6.19, 'Nabf': 0.0},
        'ours': {'EN': [6.0, 6.2, 6.4], 'Nabf': None},
    }
    assert fusion_table(rows).markdown().splitlines() == [
        '| method | seeds | EN | Nabf (lower) |',
        '| --- | ---: | ---: | ---: |',
        '| VIS | 1 | 6.190 | 0.000 |',
        '| ours | 3 | 6.200 ± 0.200 | - |',
    ]


def test_no_name_breaks_a_table():
    lines = fusion_table({'a|b\nc': {'EN': 1.0}}).markdown().splitlines()
    assert lines[2] == r'| a\|b c | 1 | 1.000 |'


def test_segmentation_rows_print_every_class_and_a_dash_for_the_absent():
    score = SegmentationScore(MFNET)
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    score.update(np.array([[0, 0, 1, 0]], np.uint8), truth, np.full((1, 4), 255, np.uint8))
    table = segmentation_table({'ours': score.compute()})
    assert list(table.header) == [
        'system', 'seeds', 'frames', 'mIoU present', 'mIoU foreground', 'mIoU fixed 9', 'accuracy',
        'ECE', *MFNET.names,
    ]
    assert list(table.rows[0]) == [
        'ours', '1', '1', '58.3', '50.0', '13.0', '75.0', '25.0', '66.7', '50.0', *'-------',
    ]


def test_a_class_that_is_absent_in_one_seed_is_averaged_over_the_others():
    row = {'miou_present': [0.5, 0.7, 0.6], 'frames': 4, 'per_class': {
        'car': [None, 0.2, 0.4], 'person': [None, None, 0.3], 'bike': [None, None, None],
    }}
    (cells,) = segmentation_table({'ours': row}).rows
    assert cells[1:4] == ('3', '4', '60.0 ± 10.0')
    assert cells[-3:] == ('30.0 ± 14.1', '30.0', '-')


def test_no_rows_make_an_empty_table():
    assert fusion_table({}).markdown().splitlines() == ['| method | seeds |', '| --- | ---: |']
    assert segmentation_table({}).markdown().startswith('| system |')
