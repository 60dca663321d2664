"""Turn a run into weights and a complete card: calibrated on val, scored on a test split."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from torch import nn

from vif_perception.errors import InputError
from vif_perception.inference.weights import Card, load_network, save_network
from vif_perception.models.cost import cost
from vif_perception.training.calibration import calibrate
from vif_perception.training.datasets import PairDataset, check_overlap
from vif_perception.training.evaluation.frames import FrameSet
from vif_perception.training.evaluation.members import Network
from vif_perception.training.evaluation.segmentation import SegmentationRows
from vif_perception.training.evaluation.systems import System
from vif_perception.training.objectives import objective_for
from vif_perception.training.run_folder import RunFolder
from vif_perception.training.source import Source, open_at
from vif_perception.training.validation import triples_of
from vif_perception.types import LabelSet


def ship(run: Path, data: Path, out: Path, *, test: str = 'test', note: str = '') -> Card:
    """Write ``out`` (.safetensors) and its card.

    Args:
        run: folder of a run; data: folder that relative roots of its data sets lie in.
        test: split of the val data set to report on; note: what is special about the training.

    Raises:
        InputError: no best weights, data that cannot be read or are not those of the run, a test
            image that was trained or selected on, no pixel labelled, not a .safetensors name, one
            that is taken or in no folder.
    """
    if out.suffix != '.safetensors':
        raise InputError('is no name for weights', where=str(out), accepted='NAME.safetensors')
    if out.exists() or out.with_suffix('.json').exists():
        raise InputError('is there already', where=str(out), remedy='choose another --out')
    if not out.parent.is_dir():
        raise InputError('is no folder', where=str(out.parent),
                         remedy='make it, or choose another --out')
    folder = RunFolder(run)
    recipe, facts = folder.recipe(), folder.facts()
    if test == recipe.data.val.split:
        raise InputError(f'split {test!r} selected these weights', where='--test',
                         accepted='a split that was neither trained nor selected on')
    network, best = load_network(folder.best())
    labels = LabelSet(best.classes, best.colors)
    size = cost(network)
    metrics: dict[str, Any] = {
        'parameters': size.parameters, 'macs_640x480': size.macs, 'val': best.metrics,
    }
    temperature: float | dict[str, float] = 1.0
    if objective_for(network, stage=recipe.objective.stage).selects == 'miou':
        source = Source(recipe.data, data, recipe.seed)
        report = open_at(recipe.data.val.model_copy(update={'split': test}), data)
        if other := folder.other_files(source.digests()):
            raise InputError(f'is not what the run saw: {", ".join(other)}', where=str(data),
                             accepted='the data that it was trained and selected on',
                             remedy='name their folder as --data')
        source.check_unseen(report)
        check_overlap(source.val, report)
        temperature = calibrate(network, triples_of(source.val, network), labels)
        card = best.model_copy(update={'name': out.stem, 'temperature': temperature})
        rows = rows_of(network, card, report)
        if any(row['miou_present'] is None for row in rows.values()):
            raise InputError(f'no pixel of {report.name} {test} is labelled', where='--test')
        metrics[f'{report.name} {test}'] = rounded(rows)
    return save_network(
        network, out, name=out.stem, network=best.network, preset=best.preset,
        classes=best.classes, colors=best.colors, entities=best.entities,
        temperature=temperature, metrics=metrics,
        protocol=f'selected and calibrated on split {recipe.data.val.split!r}, reported on split '
        f'{test!r}, one seed: compare only with networks trained and tested on these splits',
        training={
            **best.training, 'note': note, 'state': facts.get('state', ''),
            'data': facts.get('data', {}),
            'versions': (facts.get('sessions') or [{}])[-1],
        },
    )


def rows_of(network: nn.Module, card: Card, dataset: PairDataset) -> dict[str, Any]:
    """Score a network as the robot would run it, in every condition that applies to it.

    Raises:
        InputError: the data set has no masks, or cannot be read.
    """
    # deployed, a network is folded in place and cannot be saved any more
    system = System(card.name, (Network(copy.deepcopy(network), card, Path(card.name)),))
    rows, previous = SegmentationRows([system], card.labels), None
    for frame in FrameSet(dataset, labelled=True):
        rows.add(frame, previous)
        previous = frame
    return {row.name: row.seeds[0].compute() for row in rows.rows()}


def rounded(value: Any) -> Any:
    """Four digits for every float in a nested result."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value
