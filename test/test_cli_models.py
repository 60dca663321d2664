"""``vif-perception models``: the list, one family, one network, its diagram, bad words."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from vif_perception.cli.main import app
from vif_perception.models.registry import families


def call(*words: Any) -> Result:
    return CliRunner().invoke(app, ['models', *map(str, words)], env={'COLUMNS': '80'})


def test_list_names_every_network_in_one_line_of_80_columns() -> None:
    text = call().stdout
    assert max(map(len, text.splitlines())) <= 80
    for name, family in families().items():
        for preset, size in family.presets.items():
            line = next(line for line in text.splitlines() if f' {name} {preset} ' in line)
            assert f'{size.parameters:.2f}' in line
            assert f'{size.macs:.2f}' in line
            assert size.summary in line
            assert line.split()[4:6] == ['yes', 'yes' if (name, preset) == ('rt', 's') else '-']


def test_list_as_json_says_what_each_network_is() -> None:
    rows = json.loads(call('--json').stdout)
    assert [(row['name'], row['preset']) for row in rows] == [
        (name, preset) for name, family in families().items() for preset in family.presets
    ]
    default = next(row for row in rows if (row['name'], row['preset']) == ('rt', 's'))
    assert default['packaged_weights']
    assert default['onnx']
    assert 0 < default['parameters_m'] <= 3
    assert 0 < default['gmacs_640x480'] <= 4


def test_list_builds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError('built a network to list it')

    monkeypatch.setattr('vif_perception.models.registry.build', refuse)
    assert call().exit_code == 0
    assert call('mafs').exit_code == 0


def test_one_family() -> None:
    result = call('multitaskvif')
    text = ' '.join(result.stdout.split())
    assert 'arXiv 2505.06665' in text
    assert 'model.options.way own, cascade, mth' in text
    assert 'the host' in text
    assert max(map(len, result.stdout.splitlines())) <= 80
    facts = json.loads(call('multitaskvif', '--json').stdout)
    assert facts['onnx']
    assert facts['ours']
    assert facts['outputs']
    assert set(facts['options']) == {'way', 'keep_host_decoder', 'task_exchange'}
    assert [row['preset'] for row in facts['presets']] == list(families()['multitaskvif'].presets)


def test_one_network_is_counted_with_its_options_and_padded() -> None:
    words = ('multitaskvif', 'rt', '--set', 'model.options.way=own', '--size', '131x97')
    facts = json.loads(call(*words, '--json').stdout)
    assert facts['settings'] == {
        'way': 'own', 'keep_host_decoder': False, 'task_exchange': False
    }
    assert facts['size'] == [160, 128]
    assert facts['stride'] == 32
    assert 2_000_000 < facts['parameters'] < 2_100_000
    text = call(*words).stdout
    assert 'GMACs at 160x128' in text
    assert '"own"' in text


def test_network_of_a_configuration_file(tmp_path: Path) -> None:
    path = tmp_path / 'x.yaml'
    path.write_text('model: {name: multitaskvif, preset: rt, options: {task_exchange: true}}\n')
    facts = json.loads(call('--config', path, '--size', '64x64', '--json').stdout)
    assert (facts['name'], facts['preset']) == ('multitaskvif', 'rt')
    assert facts['settings']['task_exchange'] is True


def test_diagram() -> None:
    result = call('rt', '--diagram', '--size', '64x32')
    assert result.stdout.startswith('rt s at 64x32, ours')
    assert max(map(len, result.stdout.splitlines())) <= 80
    for name, kind, shape in (
        ('rgb_stream', 'Stream', '16x16x32'), ('merge8', 'Merge', '64x4x8'),
        ('decoder', 'Decoder', '64x4x8'), ('fusion_head', 'FusionHead', '1x32x64'),
    ):
        assert re.search(rf' {name} +{kind} .* {shape}', result.stdout), name
    facts = json.loads(call('rt', 'n', '--diagram', '--size', '64x32', '--json').stdout)
    assert [part['name'] for part in facts['diagram']['parts']][:2] == [
        'rgb_stream', 'thermal_stream'
    ]


@pytest.mark.parametrize(('words', 'said'), [
    (['pix2pix'], "unknown network 'pix2pix'; accepted: rt, "),
    (['rt', 'xxl'], "rt has no preset 'xxl'; accepted: n, s, m"),
    (['pix2pix', '--diagram'], "unknown network 'pix2pix'"),
    (['rt', '--set', 'model.options.way=own'], "rt has no option 'way'; accepted: none"),
    (['multitaskvif', '--set', 'model.options.host=rt'], 'the host is named by model.preset'),
    (['--set', 'model.name=mafs'], 'set it too, such as model.preset='),
    (['mafs', 'no', '--size', '0x0'], "--size: '0x0' is no size"),
    (['--config', 'no.yaml'], 'accepted: a text file in UTF-8; remedy: check the path'),
    (['--set', 'model.entities_on=person'], 'accepted: a list such as [person, car]'),
    (['rt', 's', '--size', '64'], "--size: '64' is no size"),
    (['rt', 's', '--size', '0x64'], "--size: '0x64' is no size"),
    (['rt', 's', '--size', '64000x64000'], "--size: '64000x64000' is no size"),
])
def test_bad_words(words: list[str], said: str) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
