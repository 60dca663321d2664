"""Turn a finished run into weights and a card: ``python -m vif_perception.training.ship``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vif_perception.inference.weights import save_network
from vif_perception.labels import MFNET
from vif_perception.models.cost import cost
from vif_perception.models.registry import build
from vif_perception.training.data import Triple, read_split
from vif_perception.training.evaluate import rows_of
from vif_perception.training.score import score

PROTOCOL = (
    'MSRS-361: 289 of the official MSRS test triples under our own split by recording block '
    '(201 train, 28 val, 60 test), selected on val, reported on test, one seed. Not the MSRS '
    'test set: compare only with networks trained and tested on this split.'
)


def main() -> None:
    """Calibrate on val, score on test, write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='folder with index.csv')
    parser.add_argument('--run', type=Path, required=True, help='run folder of train.py')
    parser.add_argument('--out', type=Path, required=True, help='.safetensors file to write')
    parser.add_argument('--note', default='', help='what is special about this training')
    arguments = parser.parse_args()
    settings = json.loads((arguments.run / 'settings.json').read_text())
    network = build(settings['network'], settings['preset'], classes=len(MFNET))
    state = torch.load(arguments.run / 'best.pt', weights_only=True, map_location='cpu')
    network.load_state_dict(state)
    network.eval()
    temperature = calibrate(network, read_split(arguments.data, 'val'))
    name = arguments.out.stem
    rows = rows_of(name, network, read_split(arguments.data, 'test'))
    size = cost(network)
    kept = {key: settings[key] for key in ('steps', 'batch', 'crop', 'lr', 'sim', 'seed')}
    card = save_network(
        network, arguments.out, name=name, network=settings['network'],
        preset=settings['preset'], classes=MFNET.names, colors=MFNET.colors,
        entities=MFNET.names[1:], temperature=temperature, protocol=PROTOCOL,
        training={'data': 'msrs361/train and synthetic scenes', 'note': arguments.note, **kept},
        metrics={
            'parameters': size.parameters, 'macs_640x480': size.macs, 'msrs361_test': rounded(rows)
        },
    )
    print(f'{arguments.out}: sha256 {card.sha256}, temperature {temperature:.2f}')


def calibrate(network: torch.nn.Module, triples: list[Triple]) -> float:
    """Temperature in 0.5..3 with the smallest expected calibration error on ``triples``."""
    tried = np.round(np.arange(0.5, 3.01, 0.25), 2).tolist()
    errors = [score(network, triples, 'FUSED', temperature=value)['ece'] for value in tried]
    return float(tried[int(np.argmin(errors))])


def rounded(value: Any) -> Any:
    """Four digits for every float in a nested result."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value


if __name__ == '__main__':
    main()
