"""What the report says in words, tables and curves."""

import math

import numpy as np
import pytest

from vif_perception.report import summary
from vif_perception.report.charts import axis_marks, bars, clock, lanes, time_chart
from vif_perception.report.series import Series, reason_kind


def rows(count, step_ns=100_000_000, **given):
    return [
        {
            'index': index, 'stamp_ns': index * step_ns, 'thermal_stamp_ns': 1, 'rgb_stamp_ns': 1,
            'skew_ms': -3.0, 'mode': 'FUSED', 'reason': '', 'miou': None,
            'latency_ms': {'a': 1.0, 'total': 4.0}, **{k: v(index) for k, v in given.items()},
        } for index in range(count)
    ]


def test_no_rows():
    series = Series([])
    assert len(series) == 0
    assert series.runs() == []
    assert lanes(series.runs(), {}) == []
    assert time_chart('skew', 'ms', series, series.skew) is None


def test_one_row():
    series = Series(rows(1))
    run, = series.runs()
    assert (run.start, run.end, run.count) == (0, 1, 1)
    assert time_chart('latency', 'ms', series, series.latency).path.startswith('M0.0')


def test_empty_rows_are_tolerated():
    series = Series([{}, {'latency_ms': None, 'skew_ms': None, 'mode': None}])
    assert len(series.runs()) == 1
    assert np.isnan(series.latency).all()


def test_values_of_a_row():
    partial = {'thermal_stamp_ns': lambda i: None if i else 5, 'miou': lambda i: i / 2}
    series = Series(rows(2, latency_ms=lambda i: {'a': 1.0, 'b': 2.0}, **partial))
    assert series.skew[0] == 3.0
    assert series.signed_skew[0] == -3.0
    assert math.isnan(series.skew[1])
    assert series.latency.tolist() == [3.0, 3.0]
    assert series.miou.tolist() == [0, 0.5]


def test_time_axis_shows_gaps():
    series = Series(rows(20, stamp_ns=lambda i: int((i + (4 if i >= 10 else 0)) * 1e8)))
    assert series.axis.kind == 'time'
    assert series.axis.span == pytest.approx(2.4)
    first, = series.runs()[:1]
    assert first.end == pytest.approx(1.0)
    assert series._ends[9] * 2.4 == pytest.approx(1.15)  # 2.5 periods, then nothing


@pytest.mark.parametrize('stamp', [
    lambda i: (i % 10) * 100, lambda i: 0, lambda i: -i, lambda i: i + (10**18 if i > 5 else 0),
])
def test_jumping_stamps_count_outputs(stamp):
    series = Series(rows(30, stamp_ns=stamp))
    assert series.axis.kind == 'output'
    assert series.x[0] == 0
    assert series.runs()[0].end == 1
    assert axis_marks(series.axis)[0].text == '0'


def test_runs_and_kinds():
    modes = ['FUSED', 'RGB_ONLY', 'RGB_ONLY', 'FUSED']
    series = Series(rows(
        4, mode=lambda i: modes[i], reason=lambda i: 'thermal frozen: 2 frames' if i == 2 else ''
    ))
    assert [(run.mode, run.reason, run.first, run.last) for run in series.runs()] == [
        ('FUSED', '', 0, 0), ('RGB_ONLY', '', 1, 1),
        ('RGB_ONLY', 'thermal frozen: 2 frames', 2, 2), ('FUSED', '', 3, 3),
    ]
    assert series.kinds['RGB_ONLY', 'thermal frozen'] == 1


def test_flicker_is_thinned_and_the_severe_stays():
    series = Series(rows(
        20_000, mode=lambda i: 'ERROR' if i == 12_345 else ('FUSED', 'RGB_ONLY')[i % 2],
        reason=lambda i: f'thermal late by {i}', miou=lambda i: 0.1 if i == 777 else 0.8,
    ))
    runs = series.runs()
    assert len(runs) <= 400
    error, = (run for run in runs if run.mode == 'ERROR')
    assert error.count == 1
    assert error.first <= 12_345 <= error.last
    chart = time_chart('miou', '', series, series.miou, top=1.0, worst='lowest')
    assert len(chart.points) <= 400
    assert min((low, index) for _, _, low, _, index in chart.points) == (0.1, 777)
    assert len(series._codes) <= 503


def test_a_line_breaks_where_there_is_nothing():
    series = Series(rows(6, miou=lambda i: None if i in (2, 4) else 0.5))
    path = time_chart('miou', '', series, series.miou, top=1.0).path
    assert path.count('M') == 3
    assert path.count('h0') == 2  # the lone points


def test_lanes_keep_their_order_and_counts():
    series = Series(rows(4, mode=lambda i: ('STALE', 'FUSED')[i % 2]))
    found = lanes(series.runs(), {'STALE': 2, 'FUSED': 2, 'RGB_ONLY': 0})
    assert [(lane.mode, lane.count, len(lane.spans)) for lane in found] == [
        ('FUSED', 2, 2), ('STALE', 2, 2)
    ]


def test_bars_share_a_scale():
    assert [bar.parts for bar in bars([('a', [2.0]), ('b', [4.0])])] == [[50.0], [100.0]]
    assert bars([('a', [0.0])])[0].parts == [0.0]
    assert bars([('a', [1.5])], top=1.0)[0].parts == [100.0]


@pytest.mark.parametrize('seconds, text', [
    (0, '0 s'), (4.5, '4.5 s'), (125, '2:05'), (3725, '1:02:05')
])
def test_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize('reason, kind', [
    (None, ''), ('thermal frozen', 'thermal frozen'), ('thermal late by 4 ms', 'thermal late by'),
    ('rgb dark: p99 0.01', 'rgb dark'), ('12', ''),
])
def test_reason_kind(reason, kind):
    assert reason_kind(reason) == kind


def test_headline_counts_by_reason():
    reasons = {7: 'thermal missing', 15: 'thermal frozen: x', 16: 'thermal frozen: y'}
    series = Series(rows(
        24, mode=lambda i: 'RGB_ONLY' if i in reasons else 'FUSED',
        reason=lambda i: reasons.get(i, ''),
    ))
    report = {'modes': {'FUSED': 21, 'RGB_ONLY': 3}}
    assert summary.headline(report, series) == (
        '21 of 24 outputs fused; thermal frozen 2, missing 1.'
    )
    assert summary.headline({}, series).startswith('21 of 24')


@pytest.mark.parametrize('report, text', [
    ({}, 'No output.'),
    ({'frames': {'rgb': 40, 'thermal': 0}}, 'No output from 40 rgb and 0 thermal frames.'),
    ({'modes': {'FUSED': 24}}, 'All 24 outputs fused.'),
    ({'modes': {'FUSED': 1}}, 'The one output is fused.'),
    ({'modes': {'FUSED': 1, 'RGB_ONLY': 2}}, '1 of 3 outputs fused; 2 RGB_ONLY.'),
])
def test_headline_without_rows(report, text):
    assert summary.headline(report, Series([])) == text


@pytest.mark.parametrize('report, look', [
    ({'status': 'ok'}, 'ok'), ({'status': 'ok', 'gates': [{'passed': False}]}, 'failed'),
    ({'status': 'ok', 'gates': [{'passed': True}]}, 'ok'), ({'status': 'nodata'}, 'nodata'),
    ({}, 'failed'), ({'status': 'strange'}, 'failed'),
])
def test_verdict(report, look):
    assert summary.verdict(report)[0] == look


def test_gates_failed_first():
    given = [
        {'name': 'a', 'value': 3, 'op': '>=', 'limit': 2, 'passed': True},
        {'name': 'b', 'value': None, 'op': '<=', 'limit': 0.5, 'passed': False},
    ]
    assert [(g.name, g.value, g.limit, g.passed) for g in summary.gates(given)] == [
        ('b', None, '≤ 0.500', False), ('a', 3, '≥ 2', True)
    ]
    assert summary.gates(None) == []


def test_a_copied_source_never_wins():
    methods, metrics = summary.fusion_table({
        'VIS': {'VIF': 1.03, 'Nabf': 0.0, 'EN': 9.0}, 'MAX': {'VIF': 0.9, 'Nabf': 0.1, 'EN': 6.0},
        'ours': {'VIF': 0.8, 'Nabf': 0.02, 'EN': 7.0}, 'frames': 12,
    })
    assert methods == ['ours', 'MAX', 'VIS']
    best = {row.name: {methods[i] for i in row.best} for row in metrics}
    assert best == {'EN': set(), 'VIF': {'MAX'}, 'Nabf': {'ours'}}


def test_equal_as_printed_wins_together():
    _, (row,) = summary.fusion_table({'a': {'CC': 0.50001}, 'b': {'CC': 0.50002}, 'c': {}})
    assert row.best == {0, 1}
    assert row.values[2] is None


@pytest.mark.parametrize('value, text', [
    (None, '–'), (float('nan'), '–'), (0.0, '0'), (12, '12'), (0.58312, '0.583'),
    (34.56, '34.6'), (1234.5, '1234'), (1e-6, '1.00e-06'), ('x', 'x'), (True, 'True'),
])
def test_number(value, text):
    assert summary.number(value) == text


@pytest.mark.parametrize('bag, text', [
    (None, ''), ('/data/drive_mcap', 'drive_mcap'), ('/data/a.bag/', 'a.bag'),
    ({'paths': ['/x/a.bag', '/x/b.bag']}, 'a.bag, b.bag'), (list('abcd'), 'a, b, c and 1 more'),
])
def test_bag_name(bag, text):
    assert summary.bag_name(bag) == text
