"""``extract``: the pairs of a recording, synchronised and registered, as a data set for training.

A replay without a network: the pipeline pairs, judges and registers the frames as on the robot,
and what the network would have been given is written. Frozen and blank frames are left out, dark
and overexposed ones are kept: they are what training needs. The classes of the masks are written
when the recording says them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vif_perception.config import Config
from vif_perception.errors import InputError
from vif_perception.files import write_whole
from vif_perception.inference import EngineOutput, WeightsInfo
from vif_perception.labels import MFNET, class_list, label_set
from vif_perception.pipeline import Pipeline
from vif_perception.pipeline.view import EngineTap
from vif_perception.replay.bag import open_source
from vif_perception.replay.extrinsic import with_recorded_extrinsic
from vif_perception.replay.inputs import open_truth, truth_folder
from vif_perception.replay.options import ReplayOptions
from vif_perception.replay.pairs import PairFolder
from vif_perception.replay.player import Player, Progress
from vif_perception.replay.recording import Source
from vif_perception.replay.topics import NONE, find_topics
from vif_perception.sensing import read_camchain

CLASSES, LABEL_INFO = 'classes.json', 'vision_msgs/msg/LabelInfo'
_EXAMPLE = (
    '{"0": {"name": "unlabelled", "rgb": [0, 0, 0]}, '
    '"1": {"name": "car", "rgb": [64, 0, 128]}}'
)


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
        classes = _class_list(source, masks, topics.truth)
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
                _close(folder, options.out, classes)
            raise
        notes = _close(folder, options.out, classes)
        drops = pipeline.health(player.now_ns).drops
    if not folder.count:
        raise InputError(
            f'no pairs; drops: {dict(drops) or "none"}; ' + '; '.join(player.notes),
            where=str(source.path), remedy='`vif-perception replay` shows what is the matter',
        )
    used = tap.last.calibration.source if tap.last else ''
    return Extracted(folder.count, folder.masks, drops, used, (*player.notes, *notes))


def _class_list(source: Source, folder: Path | None, topic: str | None) -> dict[str, Any]:
    """Return what ``classes.json`` holds, {} when nobody says what the masks mean.

    It lies beside the folder of the masks, or a LabelInfo is beside their topic.
    """
    with suppress(InputError, ValueError):  # damaged, or no ids: the pairs are as good
        beside = (folder.parent if folder else source.path) / CLASSES
        if beside.is_file():
            return _read(beside) or {}
        place = (topic or '').removesuffix('/compressed').rpartition('/')[0]
        infos = [name for name, info in source.topics().items()
                 if info.type == LABEL_INFO and name.rpartition('/')[0] == place]
        first = next(source.messages(infos), None) if topic and infos else None
        if first:
            return class_list(label_set({
                entry.class_id: entry.class_name
                for entry in first.decode().class_map if entry.class_id < 255
            }))
    return {}


def _close(folder: PairFolder, out: Path, classes: dict[str, Any]) -> list[str]:
    """Write the index and the class list; return what is worth knowing of the latter."""
    folder.close()
    path = out / CLASSES
    if not folder.masks:
        return []
    if not path.is_file():
        if not classes:
            return [f'the recording does not say what the masks mean: write {path}, such as '
                    f'{_EXAMPLE}, before you train']
        write_whole(path, json.dumps(classes, indent=1).encode())
    elif classes and classes != _read(path):
        return [f'{path} differs from the class list of this recording and was kept: do the ids '
                'of all its masks mean the same?']
    return []


def _read(path: Path) -> Any:
    """Return what a JSON file holds, None when it is none: who trains is told what is wrong."""
    try:
        return json.loads(path.read_text(encoding='utf-8-sig'))
    except (OSError, ValueError, RecursionError):
        return None


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
