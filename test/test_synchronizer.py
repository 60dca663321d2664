"""The synchroniser's promises, most of them for any sequence hypothesis can think of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vif_perception.config import SyncConfig
from vif_perception.sync import DROP_CAUSES, RateMeter, Synchronizer
from vif_perception.types import Frame, FramePair

MS = 1_000_000
PIXEL = np.zeros((1, 1), np.uint8)


def frame(stamp_ms: float, frame_id: str = '') -> Frame:
    return Frame(round(stamp_ms * MS), frame_id, PIXEL, 'mono8')


def make(reference='rgb', **keys) -> Synchronizer:
    return Synchronizer(SyncConfig(**keys), reference=reference)


def feed(sync: Synchronizer, events: Iterable[tuple]) -> list[FramePair]:
    """Play (camera, stamp ms, receive ms) through the synchroniser."""
    return [
        pair
        for camera, stamp, received in events
        for pair in sync.add(camera, frame(stamp), round(received * MS))
    ]


def stamps(pairs: Iterable[FramePair]) -> list[tuple]:
    """(rgb ms or None, thermal ms or None) of each output."""
    return [
        tuple(f.stamp_ns / MS if f else None for f in (pair.rgb, pair.thermal)) for pair in pairs
    ]


def latest(both: tuple) -> float:
    return max(stamp for stamp in both if stamp is not None)


def stream(camera, period, count, *, phase=0.0, latency=5.0, missing=()) -> list[tuple]:
    return [
        (camera, phase + i * period, phase + i * period + latency)
        for i in range(count) if i not in missing
    ]


def merged(*streams: list[tuple]) -> list[tuple]:
    return sorted((event for events in streams for event in events), key=lambda e: e[2])


def conserved(sync: Synchronizer, out: list[FramePair]) -> None:
    both = sum(pair.rgb is not None and pair.thermal is not None for pair in out)
    assert sync.pairs == both
    assert sync.partials == len(out) - both
    assert set(sync.drops) <= set(DROP_CAUSES)
    went = 2 * sync.pairs + sync.partials + sum(sync.drops.values()) + sync.queued
    assert sum(sync.received.values()) == went


events = st.lists(
    st.tuples(
        st.sampled_from(['rgb', 'thermal']),
        st.integers(0, 600),
        st.integers(-20, 150).map(lambda step: max(step, -20)),
    ),
    max_size=60,
)
configs = st.fixed_dictionaries({
    'policy': st.sampled_from(['nearest', 'exact']),
    'max_skew_ms': st.integers(0, 60),
    'thermal_offset_ms': st.integers(-50, 50),
    'queue_size': st.integers(1, 5),
    'deadline_ms': st.integers(1, 200),
    'jump_back_ms': st.sampled_from([50, 100, 10_000]),
})


def play(sync: Synchronizer, steps: list[tuple], between: int = 0) -> list[list[FramePair]]:
    """Outputs per event; ``between`` timer calls are put between the events."""
    now, out = 1000, []
    for camera, stamp, step in steps:
        for tick in range(1, between + 1):
            if step > 0:
                out.append(sync.due((now * MS) + step * MS * tick // (between + 1)))
        now += step
        out.append(sync.add(camera, frame(stamp), now * MS))
    out.append(sync.flush())
    return out


@given(configs, events)
@settings(max_examples=300, deadline=None)
def test_whatever_comes_in_the_limits_hold(keys, steps):
    sync = make(**keys)
    out = [pair for pairs in play(sync, steps) for pair in pairs]
    limit = 0 if keys['policy'] == 'exact' else keys['max_skew_ms'] * MS
    offset = keys['thermal_offset_ms'] * MS
    seen: set[int] = set()
    for pair in out:
        if pair.rgb and pair.thermal:
            assert pair.skew_ns == pair.thermal.stamp_ns + offset - pair.rgb.stamp_ns
            assert abs(pair.skew_ns) <= limit
        else:
            assert pair.skew_ns == 0
        for used in (pair.rgb, pair.thermal):
            if used is not None:
                assert id(used) not in seen, 'a frame went out twice'
                seen.add(id(used))
    assert sync.queued == 0
    conserved(sync, out)


@given(configs, events)
@settings(max_examples=200, deadline=None)
def test_memory_is_bounded_and_nothing_is_lost_on_the_way(keys, steps):
    sync, out = make(**keys), []
    now = 0
    for camera, stamp, step in steps:
        now += step
        out += sync.add(camera, frame(stamp), now * MS)
        assert sync.queued <= 2 * keys['queue_size']
        conserved(sync, out)
    sync.reset()
    assert sync.queued == 0
    conserved(sync, out)


@given(configs, events)
@settings(max_examples=200, deadline=None)
def test_outputs_are_in_the_order_of_stamps_unless_the_clock_jumped(keys, steps):
    sync = make(**{**keys, 'jump_back_ms': 10_000})
    offset = keys['thermal_offset_ms'] * MS
    newest = -10**18
    for pairs in play(sync, steps):
        for pair in pairs:
            ours = [pair.rgb.stamp_ns] if pair.rgb else []
            ours += [pair.thermal.stamp_ns + offset] if pair.thermal else []
            assert min(ours) > newest
            newest = max(ours)


@given(configs, events, st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_it_does_not_matter_how_often_the_timer_is_asked(keys, steps, between):
    once = [pair for pairs in play(make(**keys), steps) for pair in pairs]
    often = [pair for pairs in play(make(**keys), steps, between) for pair in pairs]
    assert stamps(once) == stamps(often)


@st.composite
def regular_streams(draw):
    """Two jittering, dropping streams that show their shortest interval now and then."""
    def one(camera):
        period = draw(st.integers(10, 120))
        stamp = draw(st.integers(0, 100))
        events = []
        for i in range(draw(st.integers(0, 40))):
            events.append((camera, stamp))
            plain = i < 5 or i % 8 == 0
            late = 0 if plain else draw(st.integers(0, period // 3))
            gap = 1 if plain else draw(st.sampled_from([1, 1, 1, 1, 2, 3]))
            stamp += gap * period + late
        latency = draw(st.integers(0, 400))
        return [(camera, stamp, stamp + latency) for camera, stamp in events]

    return one('rgb'), one('thermal'), draw(st.integers(0, 60))


def nearest_pairs(rgb: list[int], thermal: list[int], limit: int) -> list[tuple]:
    """Oracle: take the smallest difference first, cross nothing."""
    options = sorted(
        (abs(r - t), min(r, t), r, t) for r in rgb for t in thermal if abs(r - t) <= limit
    )
    chosen: list[tuple] = []
    for _, _, r, t in options:
        if all((r < a and t < b) or (r > a and t > b) for a, b in chosen):
            chosen.append((r, t))
    return sorted(chosen)


@given(regular_streams())
@settings(max_examples=400, deadline=None)
def test_nearest_wins_even_when_it_comes_later(streams):
    rgb, thermal, limit = streams
    sync = make(max_skew_ms=limit, deadline_ms=60_000, queue_size=1000)
    out = feed(sync, merged(rgb, thermal)) + sync.flush()
    pairs = [both for both in stamps(out) if None not in both]
    assert pairs == nearest_pairs([e[1] for e in rgb], [e[1] for e in thermal], limit)


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


@given(
    loops=st.integers(2, 5), count=st.integers(20, 60), period=st.integers(20, 120),
    skew=st.integers(-8, 8), straggler=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_a_bag_loop_costs_a_few_frames_and_no_more(loops, count, period, skew, straggler):
    """Receive time goes on while stamps start again; the last thermal may come after the jump."""
    sync, pairs = make(jump_back_ms=300), 0
    for loop in range(loops):
        start = loop * (count * period + 50)
        events = merged(stream('rgb', period, count, phase=1000),
                        stream('thermal', period, count, phase=1000 + skew))
        events = [(camera, stamp, received + start) for camera, stamp, received in events]
        if straggler and loop + 1 < loops:
            last = max(i for i, e in enumerate(events) if e[0] == 'thermal')
            camera, stamp, received = events.pop(last)
            feed(sync, events)
            feed(sync, [('rgb', 1, received + 1), (camera, stamp, received + 2)])
        else:
            feed(sync, events)
        assert sync.pairs - pairs >= count - 4
        pairs = sync.pairs


@given(
    jump=st.integers(-10**10, 10**10), first=st.sampled_from(['rgb', 'thermal']),
    back=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_pairs_come_again_after_any_clock_jump(jump, first, back):
    """Both clocks jump, one camera first; the receive clock may go back too."""
    sync = make()
    feed(sync, merged(stream('rgb', 33, 30), stream('thermal', 33, 30, phase=5)))
    before = sync.pairs
    now = -5000 if back else 0
    rgb = stream('rgb', 33, 60, phase=1000)
    thermal = stream('thermal', 33, 60, phase=1005, missing=(0,) if first == 'rgb' else ())
    events = [(c, s + jump, r + now) for c, s, r in merged(rgb, thermal)]
    feed(sync, events)
    assert sync.pairs - before >= 30


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
