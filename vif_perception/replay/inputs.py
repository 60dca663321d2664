"""What a replay reads beside the recording: faults, camera chain, ground truth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vif_perception.replay.ground_truth import FolderTruth, TopicTruth, Truth
from vif_perception.replay.options import ReplayOptions
from vif_perception.replay.recording import Source
from vif_perception.replay.topics import NONE, Topics


def make_injector(faults: Sequence[str]) -> Any:
    """Return a ``sim.faults.FaultInjector``, None without faults.

    Raises:
        InputError: a fault that there is not.
    """
    if not faults:
        return None
    from vif_perception.sim.faults import FaultInjector, parse_fault

    return FaultInjector([parse_fault(text) for text in faults])


def truth_folder(source: Source, truth: str | None) -> Path | None:
    """Return the folder that ``--truth`` names, None when it names a topic or nothing."""
    if truth is None or truth == NONE or truth in source.topics():
        return None
    return Path(truth) if os.path.isdir(truth) else None  # also of what can be no name: False


def open_truth(
    source: Source, topics: Topics, folder: Path | None, options: ReplayOptions
) -> Truth | None:
    """Open the ground truth: of a folder, else of the topic that was found.

    Raises:
        InputError: the folder holds no masks, or their names cannot be matched.
    """
    max_pixels = options.config.limits.max_pixels
    if folder is None:
        return TopicTruth(max_pixels) if topics.truth else None
    reference = getattr(topics, options.config.reference)
    return FolderTruth(
        folder, frames=source.topics()[reference].count if reference else 0,
        names=source.names, from_start=not options.start, max_pixels=max_pixels,
    )
