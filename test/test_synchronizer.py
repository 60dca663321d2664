"""The synchroniser, case by case: holes, outages, jumps, and the words it has for them."""

from __future__ import annotations

import pytest
from two_cameras import MS, conserved, feed, frame, latest, make, merged, stamps, stream

from vif_perception.sync import RateMeter


def test_a_warm_pair_is_not_held_back():
    sync = make()
    rgb, thermal = stream('rgb', 33, 40), stream('thermal', 33, 40, phase=10)
    held = 0
    for event in merged(rgb, thermal):
        out = feed(sync, [event])
        if event[1] > 6 * 33 and event[0] == 'thermal':
            assert stamps(out) == [(event[1] - 10, event[1])]
        held = max(held, sync.queued)
    assert held <= 2


def test_a_skew_above_half_a_period_waits_for_the_next_frame():
    sync = make()
    rgb, thermal = stream('rgb', 33, 20), stream('thermal', 33, 20, phase=20)
    feed(sync, merged(rgb, thermal))
    assert sync.queued == 1, 'an rgb 13 ms after the thermal is nearer than that 20 ms before'
    out = feed(sync, [('rgb', 20 * 33, 20 * 33 + 5)])
    assert stamps(out) == [(20 * 33, 20 + 19 * 33)]


def test_nothing_in_nothing_out():
    sync = make()
    assert sync.due(0) == []
    assert sync.flush() == []
    assert sync.next_deadline_ns() is None
    assert sync.drops == {}
    sync.reset()
    assert sync.received == {'rgb': 0, 'thermal': 0}


def test_the_timer_of_a_lone_frame_is_not_restarted_by_later_ones():
    sync = make(deadline_ms=120)
    assert feed(sync, [('rgb', 0, 7), ('rgb', 33, 40), ('rgb', 66, 73)]) == []
    assert sync.next_deadline_ns() == 127 * MS
    assert sync.due(127 * MS - 1) == []
    assert stamps(sync.due(127 * MS)) == [(0, None)]
    assert sync.next_deadline_ns() == 160 * MS
    assert stamps(feed(sync, [('rgb', 160, 167)])) == [(33, None)]


@pytest.mark.parametrize('camera', ['rgb', 'thermal'])
@pytest.mark.parametrize('policy', ['nearest', 'exact'])
def test_one_camera_alone_goes_out_in_full(camera, policy):
    sync = make(policy=policy)
    out = feed(sync, stream(camera, 33, 200)) + sync.flush()
    assert sync.partials == 200
    assert sync.drops == {}
    conserved(sync, out)


def test_nobody_waits_for_a_camera_that_is_dead():
    sync = make(deadline_ms=120)
    feed(sync, merged(stream('rgb', 33, 10), stream('thermal', 33, 10)))
    feed(sync, stream('rgb', 33, 60, phase=330))
    late = feed(sync, [('rgb', 3000, 3005)])
    assert stamps(late)[-1] == (3000, None)
    assert sync.queued == 0
    again = feed(sync, [('thermal', 3001, 3006), ('rgb', 3033, 3038), ('thermal', 3034, 3039),
                        ('rgb', 3066, 3071), ('thermal', 3067, 3072)])
    assert (3033, 3034) in stamps(again), 'and its return is noticed at once'


@pytest.mark.parametrize('lost', ['rgb', 'thermal'])
@pytest.mark.parametrize('period', [33, 100])
def test_a_missing_frame_makes_its_partner_a_partial(lost, period):
    sync = make()
    rgb = stream('rgb', period, 24, missing=(10,) if lost == 'rgb' else ())
    thermal = stream('thermal', period, 24, phase=10, missing=(10,) if lost == 'thermal' else ())
    out = stamps(feed(sync, merged(rgb, thermal)) + sync.flush())
    expected = [(i * period, i * period + 10) for i in range(24)]
    both = expected[10]
    expected[10] = (None, both[1]) if lost == 'rgb' else (both[0], None)
    assert out == expected
    assert sync.drops == {}


@pytest.mark.parametrize('fast, slow', [(33, 111), (33, 200), (10, 111)])
def test_frames_between_those_of_a_slower_camera_are_no_outage(fast, slow):
    sync = make(queue_size=16)
    thermal = stream('thermal', slow, 3000 // slow)
    out = feed(sync, merged(stream('rgb', fast, 3000 // fast), thermal))
    warm = [both for both in stamps(out) if latest(both) > 10 * slow]
    assert warm
    assert all(None not in both for both in warm), 'the mode would flicker'
    assert set(sync.drops) == {'no_partner'}
    conserved(sync, out)


@pytest.mark.parametrize('reference', ['rgb', 'thermal'])
def test_cameras_that_never_meet_leave_the_reference_alone(reference):
    sync = make(reference, max_skew_ms=25)
    events = merged(stream('rgb', 100, 60), stream('thermal', 100, 60, phase=50))
    index = 0 if reference == 'rgb' else 1
    out = stamps(feed(sync, events))
    assert sync.pairs == 0
    assert all(both[index] is not None for both in out if latest(both) > 1000)
    assert sum(both[index] is not None for both in out) >= 58


@pytest.mark.parametrize('ahead_ms', [3_600_000, -3_600_000])
def test_clocks_an_hour_apart_leave_the_reference_alone(ahead_ms):
    sync = make()
    thermal = [('thermal', s + ahead_ms, r) for _, s, r in stream('thermal', 33, 90)]
    out = feed(sync, merged(stream('rgb', 33, 90), thermal))
    assert sum(pair.rgb is not None for pair in out) >= 85
    assert sum(pair.thermal is not None for pair in out) <= 5
    assert 'nearest skew' in sync.explain(10_000 * MS)


def test_the_limit_is_inclusive_and_exact_means_equal():
    for policy, skew, pairs in (('nearest', 25, 1), ('nearest', 26, 0), ('exact', 0, 1),
                                ('exact', 1, 0)):
        sync = make(policy=policy, max_skew_ms=25)
        feed(sync, [('rgb', 100, 0), ('thermal', 100 + skew, 1)])
        sync.flush()
        assert sync.pairs == pairs, (policy, skew)


def test_equal_stamps_pair_at_once_even_when_nothing_is_known():
    sync = make(policy='exact')
    assert stamps(feed(sync, [('rgb', 5, 0), ('thermal', 5, 1)])) == [(5, 5)]


@pytest.mark.parametrize('offset', [-300, -40, 40, 300])
def test_a_known_offset_is_taken_out_of_the_skew(offset):
    sync = make(max_skew_ms=5, thermal_offset_ms=offset)
    thermal = [('thermal', s - offset, r) for _, s, r in stream('thermal', 33, 30, phase=3)]
    out = feed(sync, merged(stream('rgb', 33, 30), thermal)) + sync.flush()
    assert sync.pairs == 30
    assert {pair.skew_ns for pair in out} == {3 * MS}
    assert out[-1].thermal.stamp_ns == (29 * 33 + 3 - offset) * MS, 'the stamp itself is kept'


def test_every_drop_has_its_cause():
    sync = make(queue_size=2, deadline_ms=1000, jump_back_ms=500)
    feed(sync, [('rgb', 1000, 0), ('rgb', 1000, 1), ('rgb', 900, 2)])
    assert sync.drops == {'duplicate_stamp': 1, 'out_of_order': 1}
    feed(sync, [('rgb', 1100, 3), ('rgb', 1200, 4)])
    assert sync.drops['queue_overflow'] == 1
    assert stamps(sync.due(2000 * MS)) == [(1100, None), (1200, None)]
    feed(sync, [('thermal', 1150, 2001)])
    assert sync.drops['too_old'] == 1
    feed(sync, [('rgb', 1300, 2002), ('rgb', 100, 2003)])
    assert sync.drops['clock_jump'] == 1
    sync.reset()
    assert sync.drops['reset'] == 1
    conserved_frames = sum(sync.drops.values()) + sync.partials
    assert conserved_frames == sum(sync.received.values())


def test_a_single_stamp_from_the_future_does_not_block():
    sync = make()
    feed(sync, merged(stream('rgb', 33, 30), stream('thermal', 33, 30, phase=5)))
    feed(sync, [('rgb', 10**9, 990)])
    before = sync.pairs
    feed(sync, merged(stream('rgb', 33, 30, phase=1000), stream('thermal', 33, 30, phase=1005)))
    assert sync.pairs - before >= 28


def test_a_camera_is_not_too_old_for_ever_after_the_other_ran_ahead_and_died():
    sync = make()
    feed(sync, merged(stream('rgb', 33, 30), stream('thermal', 33, 30)))
    feed(sync, [('rgb', 10**8, 1000)])
    out = feed(sync, stream('thermal', 33, 200, phase=1000))
    assert len(out) > 150


def test_a_receive_clock_that_goes_back_stops_no_timer():
    sync = make(deadline_ms=100)
    sync.add('rgb', frame(0), 10**15)
    assert sync.due(0) == []
    assert stamps(sync.due(100 * MS)) == [(0, None)]


def test_it_says_once_why_nothing_pairs():
    sync = make(report_after_s=5)
    feed(sync, stream('rgb', 100 / 3, 150, latency=0))
    assert sync.explain(4999 * MS) == ''
    text = sync.explain(5000 * MS)
    assert text == (
        'no pair for 5.0 s: rgb 30.0 Hz, thermal 0.0 Hz, nearest skew -, limit 25 ms'
    )
    assert sync.explain(9000 * MS) == ''
    feed(sync, [('thermal', 8900, 8900), ('rgb', 9000, 9000), ('thermal', 9000, 9001)])
    assert sync.pairs == 1
    assert sync.explain(14_000 * MS) == '', 'a pair went out at 9001 ms'
    assert sync.explain(14_001 * MS).startswith('no pair for 5.0 s')


def test_it_says_how_far_apart_the_stamps_are():
    sync = make()
    thermal = stream('thermal', 100, 60, phase=-40)
    feed(sync, merged(stream('rgb', 100, 60), thermal))
    assert 'nearest skew -40.0 ms, limit 25 ms' in sync.explain(6000 * MS)


def test_silence_from_the_start_is_explained_too():
    sync = make(report_after_s=5)
    assert sync.explain(0) == ''
    assert 'rgb 0.0 Hz, thermal 0.0 Hz' in sync.explain(5000 * MS)


def test_rate_meter_counts_decays_and_survives_a_clock_that_goes_back():
    meter = RateMeter()
    assert meter.hz(0) == 0
    for i in range(100):
        meter.tick(i * 10 * MS)
    assert meter.hz(990 * MS) == pytest.approx(100)
    assert meter.hz(1990 * MS) < 60, 'falls while nothing comes'
    assert meter.hz(2_990 * MS) == 0
    meter.tick(5 * MS)
    assert meter.hz(5 * MS) == pytest.approx(0.5)


def test_a_faster_reference_that_never_pairs_is_not_surplus():
    sync = make(policy='exact')
    events = merged(stream('rgb', 33, 90), stream('thermal', 111, 27, phase=1))
    out = feed(sync, events) + sync.flush()
    assert sync.pairs == 0
    assert sum(pair.rgb is not None for pair in out) == 90
