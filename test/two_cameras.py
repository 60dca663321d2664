"""Streams of two cameras for the synchroniser, and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import strategies as st

from vif_perception.config import SyncConfig
from vif_perception.sync import DROP_CAUSES, Synchronizer
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
