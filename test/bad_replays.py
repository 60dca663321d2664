"""Replays that must be refused, or end as failed with everything kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bags import RGB, Event, drive, rgb_frame

from fakes import FakeEngine
from vif_perception.errors import InputError
from vif_perception.replay import ReplayOptions, ReplayResult, replay
from vif_perception.replay.bag import open_source
from vif_perception.types import Frame


def run(bag: Path, out: Path, engine: FakeEngine | None = None, **options: Any) -> ReplayResult:
    options = {'fusion_frames': 0, **options}
    return replay(ReplayOptions([bag], out, **options), engine or FakeEngine())


def refused(match: str, bag: Path, out: Path, **options: Any) -> str:
    """Replay must be refused before anything is processed; report.json says so, too."""
    with pytest.raises(InputError, match=match) as caught:
        run(bag, out, **options)
    report = json.loads((out / 'report.json').read_text())
    assert (report['status'], report['error']) == ('failed', str(caught.value))
    return str(caught.value)


def failed(result: ReplayResult, match: str, outputs: int) -> str:
    """Replay must have ended as failed, with ``outputs`` lines and a result bag that is whole."""
    assert result.exit_code == 2
    report = json.loads((result.out / 'report.json').read_text())
    assert report == result.report
    assert report['status'] == 'failed'
    assert match in report['error']
    assert sum(report['modes'].values()) == outputs
    assert len((result.out / 'frames.jsonl').read_text().splitlines()) == outputs
    source = open_source([result.out / 'result.mcap'])
    masks = list(source.messages({'/fusion/output/mask'}))
    source.close()
    assert len(masks) == outputs
    assert 'failed' in (result.out / 'report.html').read_text().lower()
    return str(report['error'])


def change(
    events: list[Event], topic: str, index: int, make: Callable[[Frame], Frame]
) -> list[Event]:
    """Return the events with the index-th frame of a topic replaced."""
    wanted = [event for event in events if event.topic == topic][index]
    return [
        event._replace(content=make(event.content)) if event is wanted else event
        for event in events
    ]


def big_drive(count: int) -> list[Event]:
    """A drive whose recording has many chunks."""
    return [
        e._replace(content=rgb_frame(i, e.stamp_ns, (640, 480))) if e.topic == RGB else e
        for i, e in enumerate(drive(count, masks=False, infos=False))
    ]
