"""Results as tables: the same cells in documents, on the page and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from vif_perception.metrics.table import Table, fusion_table, segmentation_table

SEEDS = 'Several seeds: mean ± standard deviation (n-1).'
NOTES = {
    'segmentation': 'In percent. mIoU present: mean over the classes in truth or mask, background '
    'included; foreground: the same without background; fixed: over the whole list, absent counts '
    '0. ECE: expected calibration error of the confidence, 15 bins. Shifted: the thermal image '
    'lies that far too far right. Told FUSED, black or frozen: the network is not told of it; '
    f'frozen shows the frame before of the same time of day. {SEEDS}',
    'fusion': 'Y of the 8-bit output at its own size, unstretched. VIS and IR are copies of one '
    'source, AVG and MAX the simplest rules: a copy scores high on VIF, MI and SSIM. MI in nats, '
    'VIF, MI and SCD summed over both sources, SSIM and CC their mean; EN, SD, SF and AG rise '
    f'with noise too. {SEEDS}',
    'flicker': 'Mean absolute change of grey values from frame to frame of a rendered scene in '
    'which nothing moves: under the noise of both sensors, and when all thermal values grow by a '
    'quarter from one frame to the next. A method should change no more than its sources. '
    f'{SEEDS}',
}


class Section(NamedTuple):
    """One table: segmentation, fusion or flicker; its data set; how its numbers are to be read."""

    kind: str
    data: str
    table: Table
    note: str


def tables_of(results: Mapping[str, Any]) -> list[Section]:
    """Return all tables of ``Evaluation.results``."""
    sections = [
        Section('segmentation', title, segmentation_table({
            row['name']: merged(row['seeds']) for row in rows
        }), NOTES['segmentation'])
        for title, rows in results['segmentation'].items() if rows
    ]
    sections += [
        Section('fusion', title, fusion_table(rows), NOTES['fusion'])
        for title, rows in results['fusion'].items()
    ]
    if results['flicker']:
        sections.append(Section(
            'flicker', 'still scene', fusion_table(results['flicker'], digits=2), NOTES['flicker']
        ))
    return sections


def merged(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the scores of several seeds side by side, a list in place of each number."""
    first = seeds[0]
    scores = ('miou_present', 'miou_foreground', 'miou_fixed', 'accuracy', 'ece')
    return {
        **{key: [seed[key] for seed in seeds] for key in scores},
        'per_class': {
            name: [seed['per_class'][name] for seed in seeds] for name in first['per_class']
        },
        'frames': first['frames'],
    }


def markdown(sections: list[Section]) -> str:
    """Return all tables as one document."""
    return '\n'.join(
        f'## {section.kind.capitalize()}, {section.data}\n\n{section.table.markdown()}\n'
        f'{section.note}\n'
        for section in sections
    )
