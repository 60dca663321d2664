"""``extract``: the pairs of a recording, synchronised and registered, as a data set for training.

A replay without a network: the pipeline pairs, judges and registers the frames as on the robot,
and what the network would have been given is written. Frozen and blank frames are left out, dark
and overexposed ones are kept: they are what training needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vif_perception.config import Config
from vif_perception.errors import InputError
from vif_perception.inference import EngineOutput, WeightsInfo
from vif_perception.labels import MFNET
from vif_perception.pipeline import Pipeline
from vif_perception.pipeline.view import EngineTap
from vif_perception.replay.bag import open_source
from vif_perception.replay.extrinsic import with_recorded_extrinsic
from vif_perception.replay.inputs import open_truth, truth_folder
from vif_perception.replay.options import ReplayOptions
from vif_perception.replay.pairs import PairFolder
from vif_perception.replay.player import Player, Progress
from vif_perception.replay.topics import NONE, find_topics
from vif_perception.sensing import read_camchain


@dataclass(frozen=True)
class Extracted:
    """What came out.

    Attributes:
        pairs, masks: how many were written.
        drops: cause -> frames that are in no pair.
        registration: how thermal was brought onto RGB.
        notes: what is worth knowing.
    """

    pairs: int
    masks: int
    drops: Mapping[str, int]
    registration: str
    notes: tuple[str, ...]


def extract(
    options: ReplayOptions, *, split: str = 'train', every: int = 1,
    progress: Progress | None = None,
) -> Extracted:
    """Write the pairs of recordings into ``options.out``; see :class:`PairFolder`.

    Args:
        options: recordings, topics, limit and configuration; gates, faults and rate are not used.
        split: name of the split these pairs belong to; give a whole recording to one split, as
            neighbouring frames show the same.
        every: keep one pair of so many.

    Raises:
        InputError: unusable recording, folder or mask, no pairs; what was written stays, with its
            index.
    """
    options.check()
    if every < 1 or not split:
        raise InputError(f'every is {every}, split is {split!r}', accepted='at least 1, a name')
    if Path(split).name != split or split == '..':
        raise InputError(f'{split!r} is no plain name', where='--split',
                         accepted='a name without folders, such as train')
    if NONE in (options.thermal, options.rgb):
        raise InputError("'none' for a camera", accepted='both cameras: pairs are extracted')
    config = _pairs_only(options.config)
    source = open_source(options.bags, max_pixels=config.limits.max_pixels)
    with closing(source):
        masks = truth_folder(source, options.truth)
        topics = find_topics(source, thermal=options.thermal, rgb=options.rgb,
                             truth=NONE if masks else options.truth)
        config = with_recorded_extrinsic(config, source, topics)
        options = replace(options, config=config)
        truth = open_truth(source, topics, masks, options)
        folder = PairFolder(
            options.out, split=split, every=every, truth=truth, thermal=config.thermal
        )
        tap = EngineTap(_NoNetwork())
        camchain = read_camchain(config.registration.camchain)
        pipeline = Pipeline(config, tap, camchain=camchain)
        player = Player(
            source, topics, pipeline, tap, folder, truth, None, options, progress
        )
        try:
            player.play()
            folder.settle()
        except BaseException:
            with suppress(InputError):  # the first trouble is the one to tell
                folder.close()
            raise
        folder.close()
        drops = pipeline.health(player.now_ns).drops
    if not folder.count:
        raise InputError(
            f'no pairs; drops: {dict(drops) or "none"}; ' + '; '.join(player.notes),
            where=str(source.path), remedy='`vif-perception replay` shows what is the matter',
        )
    used = tap.last.calibration.source if tap.last else ''
    return Extracted(folder.count, folder.masks, drops, used, tuple(player.notes))


def _pairs_only(config: Config) -> Config:
    fallback = config.fallback.model_copy(
        update={'policy': 'drop', 'dark_below': 0.0, 'bright_above': 1.0}
    )
    return config.model_copy(update={'fallback': fallback})


class _NoNetwork:
    """Stands where an engine stands: what it is given is what is extracted."""

    labels = MFNET
    entity_names = ()
    weights = WeightsInfo('none', '')
    description = 'no network'

    def run(self, *images: Any, **settings: Any) -> EngineOutput:
        nothing = np.zeros((1, 1), np.uint8)
        return EngineOutput(nothing, nothing, nothing, np.zeros(0, np.float32))
