import numpy as np

from vif_perception.labels import MFNET
from vif_perception.metrics import SegmentationScore
from vif_perception.metrics.table import Score, fusion_table, segmentation_table


def test_fusion_rows_keep_their_order_and_seeds_their_spread():
    rows: dict[str, dict[str, Score]] = {
        'VIS': {'EN': 6.19, 'Nabf': 0.0},
        'ours': {'EN': [6.0, 6.2, 6.4], 'Nabf': None},
    }
    assert fusion_table(rows).splitlines() == [
        '| method | EN | Nabf (lower) |',
        '| --- | ---: | ---: |',
        '| VIS | 6.190 | 0.000 |',
        '| ours | 6.200 ± 0.200 | - |',
    ]


def test_segmentation_rows_print_every_class_and_a_dash_for_the_absent():
    score = SegmentationScore(MFNET)
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    score.update(np.array([[0, 0, 1, 0]], np.uint8), truth, np.full((1, 4), 255, np.uint8))
    header, _, row = segmentation_table({'ours': score.compute()}).splitlines()
    assert [cell.strip() for cell in header.split('|')[1:-1]] == [
        'system', 'mIoU present', 'mIoU foreground', 'mIoU fixed 9', 'accuracy', 'ECE',
        *MFNET.names,
    ]
    assert [cell.strip() for cell in row.split('|')[1:-1]] == [
        'ours', '58.3', '50.0', '13.0', '75.0', '0.250', '66.7', '50.0', *'-------',
    ]


def test_no_rows_make_an_empty_table():
    assert fusion_table({}).splitlines() == ['| method |', '| --- |']
    assert segmentation_table({}).startswith('| system |')
