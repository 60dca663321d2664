"""The example of a gate file and the page about it hold what the code knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bags import drive, write_mcap

from fakes import FakeEngine
from vif_perception.errors import InputError
from vif_perception.pipeline import DROP_CAUSES
from vif_perception.replay import ReplayOptions, replay
from vif_perception.report.gates import KEYS, load_gates

ROOT = Path(__file__).resolve().parents[1]


def test_the_example_judges_a_replay(tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / 'a.mcap', drive(30))
    gate = ROOT / 'config' / 'gates.yaml'
    result = replay(
        ReplayOptions([bag], tmp_path / 'out', gate=gate, fusion_frames=0), FakeEngine()
    )
    judged = {line['name']: line for line in result.report['gates']}
    assert {gate.key for gate in load_gates(gate)} == set(judged)
    assert all(line['value'] is not None for line in judged.values())
    assert judged['frames.pairs']['passed']
    assert judged['drops.no_partner'] == {
        'name': 'drops.no_partner', 'op': '<=', 'limit': 10, 'value': 0, 'passed': True
    }
    # the fake engine finds no car
    assert not judged['segmentation.per_class.car']['passed']
    assert result.exit_code == 1


def test_the_page_names_every_key_and_cause() -> None:
    page = (ROOT / 'docs' / 'gates.md').read_text(encoding='utf-8')
    for cause in DROP_CAUSES:
        assert f'`{cause}`' in page
    for key in KEYS:
        assert f'`{re.split("[.(<]", key)[0]}.' in page
        for word in re.findall(r'\(([^)]*)\)', key):
            for part in word.split('|'):
                assert f'.{part}`' in page, key
    assert 'config/gates.yaml' in page


@pytest.mark.parametrize('cause', ['no_partners', 'thermal_dark', 'FUSED'])
def test_a_cause_that_never_happens_is_refused(cause: str, tmp_path: Path) -> None:
    file = tmp_path / 'gates.yaml'
    file.write_text(f'drops.{cause}: {{max: 0}}')
    with pytest.raises(InputError, match=f"unknown cause '{cause}'.*no_partner, too_old"):
        load_gates(file)
