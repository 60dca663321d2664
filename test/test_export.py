"""Networks as ONNX files: ONNX Runtime says what torch says, on every mode and family."""

import dataclasses
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from vif_perception.cli.main import app
from vif_perception.errors import InputError
from vif_perception.inference.onnx_file import Shape, export_onnx
from vif_perception.inference.weights import save_network, untrained
from vif_perception.labels import MFNET
from vif_perception.models import registry
from vif_perception.models.registry import families

ABSENT = [
    name for name in ('onnx', 'onnxruntime', 'onnxscript')
    if importlib.util.find_spec(name) is None
]
needs_onnx = pytest.mark.skipif(
    bool(ABSENT), reason=f'{", ".join(ABSENT).upper()} NOT INSTALLED: no ONNX file was tried'
)
#: The smallest of each family; the last one with thermal images of their own size and type.
TRIED = {
    'rt n': Shape((131, 97)),
    'mafs tiny': Shape((66, 33), thermal_type='uint8'),
    'multitaskvif rt': Shape((131, 97)),
    'egmt tiny': Shape((35, 21), (16, 12), 'float32'),
}


def call(*words: Any) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@needs_onnx
@pytest.mark.parametrize('name', TRIED)
def test_onnx_runtime_agrees_with_torch(name: str, tmp_path: Path) -> None:
    import onnx

    torch.manual_seed(0)
    shape, path = TRIED[name], tmp_path / 'x.onnx'
    words = ['--size', '{}x{}'.format(*shape.size), '--thermal-type', shape.thermal_type]
    if shape.thermal_size:
        words += ['--thermal-size', '{}x{}'.format(*shape.thermal_size)]
    done = call('export', name.replace(' ', '/'), '--format', 'onnx', '--out', path, *words,
                '--json')
    assert done.exit_code == 0, done.output
    assert 'untrained' in done.stderr
    found = json.loads(done.stdout)
    assert found['mask'] > 0.999
    assert found['fused'] <= 1
    assert found['confidence'] <= 1
    assert found['entities'] < 1e-3
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {''}
    assert not model.functions
    inputs = {
        item.name: [side.dim_value for side in item.type.tensor_type.shape.dim]
        for item in model.graph.input
    }
    width, height = shape.size
    columns, rows = shape.thermal_size or shape.size
    wanted = {
        'rgb': [height, width, 3], 'thermal': [rows, columns], 'window': [2], 'present': [2],
    }
    if shape.thermal_size:
        wanted['thermal_grid'] = [height, width, 2]
    assert inputs == wanted
    kept = json.loads({item.key: item.value for item in model.metadata_props}['card'])
    assert kept['classes'] == list(MFNET.names)
    assert str(Path(__file__).resolve().parents[1]).encode() not in path.read_bytes()


def test_the_families_that_are_said_to_convert_are_tried() -> None:
    said = {name for name, family in families().items() if not family.onnx}
    # The comparison networks of rt are rt with one stream.
    assert {name.split()[0] for name in TRIED} == {name for name in said if 'rt_' not in name}


@pytest.mark.parametrize(('words', 'said'), [
    (['nothing.safetensors'], r'nothing\.json: cannot be read'),
    (['nothing'], "'nothing' is not among.*rt-s"),
    (['rt/xxl'], "rt has no preset 'xxl'"),
    (['pix/s'], "unknown network 'pix'"),
    (['rt/n', '--size', 'big'], '--size: .big. is no size'),
    (['rt/n', '--size', '999999x999999'], '--size: .999999x999999. is no size'),
    (['rt/n', '--size', '64x64', '--thermal-size', '0x3'], '--thermal-size: .0x3. is no size'),
    (['rt/n', '--out', 'no/such/folder/x.onnx'], 'is no place for a file'),
    (['rt/n', '--out', '.'], 'is no place for a file; accepted: the name of a file.*--out'),
])
def test_bad_words(words: list[str], said: str, tmp_path: Path) -> None:
    given = words if '--out' in words else [*words, '--out', str(tmp_path / 'x.onnx')]
    done = call('export', *given)
    assert done.exit_code == 2
    assert re.search(said, done.stderr), done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('name', ['x.safetensors', 'x.json'])
def test_the_weights_are_not_written_over(name: str, tmp_path: Path) -> None:
    path = tmp_path / 'x.safetensors'
    save_network(
        registry.build('rt', 'n'), path, name='x', network='rt', preset='n', classes=MFNET.names,
        colors=MFNET.colors, entities=MFNET.names[1:],
    )
    before = [(tmp_path / one).read_bytes() for one in ('x.safetensors', 'x.json')]
    done = call('export', path, '--out', tmp_path / name)
    assert done.exit_code == 2
    assert '--out: would replace the weights' in done.stderr
    assert before == [(tmp_path / one).read_bytes() for one in ('x.safetensors', 'x.json')]


def test_without_onnx_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, 'onnx', None)
    done = call('export', 'rt/n', '--out', tmp_path / 'x.onnx')
    assert done.exit_code == 2
    assert 'pip install vif_perception[export]' in done.stderr


def test_a_family_that_cannot_be_written_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network, card = untrained('rt', 'n')
    riddle = dataclasses.replace(families()['rt'], onnx='it speaks in riddles')
    monkeypatch.setitem(registry._FAMILIES, 'rt', riddle)
    with pytest.raises(InputError, match='cannot be written as ONNX: it speaks in riddles'):
        export_onnx(network, card, tmp_path / 'x.onnx', Shape())
