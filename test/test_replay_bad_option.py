"""Options, gates and output folders that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from bad_replays import refused, run
from bags import (
    RGB,
    drive,
    write_mcap,
    write_rosbag2,
)

from vif_perception.errors import InputError
from vif_perception.replay.bag import open_source


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        ({'limit': 0}, '--limit: is 0'),
        ({'start': -1.0}, '--start: is -1'),
        ({'rate': -1.0}, '--rate: is -1'),
        ({'inject': ['explode:rgb']}, "unknown fault 'explode'"),
    ],
)
def test_wrong_options(options: dict[str, Any], match: str, tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    with pytest.raises(InputError, match=match):
        run(bag, tmp_path / 'out', **options)
    assert not (tmp_path / 'out').exists()


def test_start_beyond_the_end(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    refused(r'--start: is 60 s; accepted: less than', bag, tmp_path / 'out', start=60.0)


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        ('', 'accepted: a mapping'),
        ('[1, 2]', 'accepted: a mapping'),
        ('a: b: c', 'is not YAML'),
        ('frames.pears: {min: 3}', "unknown key 'frames.pears'"),
        ('segmentation: {miou: {min: 0.3}}', "unknown key 'segmentation.miou'"),
        ('modes.FUSE: {min: 3}', "unknown key 'modes.FUSE'"),
        ('drops.no_partners: {max: 0}', "unknown cause 'no_partners'.*no_partner, too_old.*dark"),
        ('drops: {thermal_dark: {max: 0}}', "unknown cause 'thermal_dark'"),
        ('frames.pairs: 20', 'frames.pairs is 20'),
        ('frames.pairs: {min: many}', "frames.pairs.min is 'many'"),
        ('frames.pairs: {min: .nan}', 'frames.pairs.min is nan'),
        ('frames.pairs: {min: true}', 'frames.pairs.min is True'),
        ('frames.pairs: {min: 9, max: 3}', 'min 9 is above max 3'),
        ('segmentation.per_class.tram: {min: 0.1}', "unknown class 'tram'"),
    ],
)
def test_wrong_gates(text: str, match: str, tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    gate = tmp_path / 'gate.yaml'
    gate.write_text(text)
    with pytest.raises(InputError, match=match):
        run(bag, tmp_path / 'out', gate=gate)
    assert not (tmp_path / 'out' / 'frames.jsonl').exists()


def test_missing_gate_file(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    with pytest.raises(InputError, match=r'no\.yaml: cannot be read'):
        run(bag, tmp_path / 'out', gate=tmp_path / 'no.yaml')


def test_results_never_overwrite_the_recording(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'result.mcap', drive(2))
    with pytest.raises(InputError, match='would overwrite the recording'):
        run(bag, tmp_path)
    assert open_source([bag]).topics()[RGB].count == 2
    folder = write_rosbag2(tmp_path / 'a', drive(2))
    with pytest.raises(InputError, match='would overwrite the recording'):
        run(folder, folder)


def test_output_folder_that_cannot_be_made(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(InputError, match='cannot be written') as caught:
        run(bag, tmp_path / 'file' / 'out')
    assert '--out' in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason='NOT TESTED: root may write anywhere')
def test_output_folder_without_permission(tmp_path: Path) -> None:
    out = tmp_path / 'out'
    out.mkdir(mode=0o500)
    bag = write_mcap(tmp_path / 'a.mcap', drive(2))
    with pytest.raises(InputError, match='cannot be written: Permission denied'):
        run(bag, out)
