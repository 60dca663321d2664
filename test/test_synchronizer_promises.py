"""What the synchroniser promises for any sequence hypothesis can think of."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from two_cameras import (
    MS,
    configs,
    conserved,
    events,
    feed,
    frame,
    make,
    merged,
    play,
    stamps,
    stream,
)


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
