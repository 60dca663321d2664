"""The segmentation rows of the protocol: ``python -m vif_perception.training.evaluate``.

Rows: comparison networks (RGB only, thermal only, early fusion), ours in its three modes, under
misregistration and with one camera black. Printed as Markdown, written as JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from torch import nn

from vif_perception.errors import ends_with_one_line
from vif_perception.inference.weights import load_network
from vif_perception.labels import MFNET
from vif_perception.training.data import Triple, read_split
from vif_perception.training.score import score
from vif_perception.types import LabelSet

SHIFTS_PX = (1, 2, 4, 8)


def main() -> None:
    """Parse the arguments and evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='folder with index.csv')
    parser.add_argument('--split', default='test')
    parser.add_argument('--json', type=Path, help='write the rows here')
    parser.add_argument('weights', type=Path, nargs='+', help='.safetensors files with cards')
    arguments = parser.parse_args()
    with ends_with_one_line():
        evaluate(arguments)


def evaluate(arguments: argparse.Namespace) -> None:
    """Score every network, print the table, write the rows.

    Raises:
        InputError: unreadable data, weights or cards, or no such split.
    """
    triples = read_split(arguments.data, arguments.split)
    rows: dict[str, Any] = {}
    for path in arguments.weights:
        network, card = load_network(path)
        rows.update(rows_of(card.name, network, triples))
    print(markdown(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + '\n', encoding='utf-8')


def rows_of(
    name: str, network: nn.Module, triples: list[Triple], labels: LabelSet = MFNET
) -> dict[str, Any]:
    """Score one network (eval mode) in every condition that applies to it."""
    if network.config.inputs != 'both':  # type: ignore[union-attr]
        return {name: score(network, triples, 'FUSED', labels=labels)}
    rows = {
        f'{name} {mode}': score(network, triples, mode, labels=labels)
        for mode in ('FUSED', 'RGB_ONLY', 'THERMAL_ONLY')
    }
    for part, wanted in (('day', False), ('night', True)):
        chosen = [item for item in triples if item.night == wanted]
        for mode in ('FUSED', 'RGB_ONLY', 'THERMAL_ONLY'):
            rows[f'{name} {mode}, {part}'] = score(network, chosen, mode, labels=labels)
    for shift in SHIFTS_PX:
        rows[f'{name} FUSED, thermal shifted {shift} px'] = score(
            network, triples, 'FUSED', shift_px=shift, labels=labels
        )
    for camera in ('rgb', 'thermal'):
        rows[f'{name} told FUSED, {camera} black'] = score(
            network, triples, 'FUSED', black=camera, labels=labels
        )
    return rows


def markdown(rows: dict[str, Any]) -> str:
    """Table of the three mIoU conventions, ECE and IoU of every class, in percent."""
    head = ['network', 'present', 'foreground', 'fixed 9', 'ECE', *MFNET.names]
    lines = ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    for name, result in rows.items():
        values = [result['miou_present'], result['miou_foreground'], result['miou_fixed'],
                  result['ece'], *result['per_class'].values()]
        cells = ['-' if value is None else f'{100 * value:.1f}' for value in values]
        lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
