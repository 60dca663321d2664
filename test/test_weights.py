"""Loading weights: every way a file can be wrong is refused, with both sides named."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from vif_perception.config import load_config
from vif_perception.errors import InputError
from vif_perception.inference import create_engine
from vif_perception.inference.weights import load_network, save_network
from vif_perception.labels import MFNET
from vif_perception.models.registry import build
from vif_perception.types import Calibration


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / 'tiny.safetensors'
    save_network(
        build('rt', 'n'), path, name='tiny', network='rt', preset='n', classes=MFNET.names,
        colors=MFNET.colors, entities=MFNET.names[1:],
    )
    return path


def edit_card(path, **changes):
    card = path.with_suffix('.json')
    card.write_text(json.dumps({**json.loads(card.read_text()), **changes}))


def rehash(path):
    edit_card(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_round_trip(saved):
    network, card = load_network(saved)
    assert card.labels == MFNET
    assert not network.training
    tensors = load_file(saved)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, tensors[key])


def test_missing_file_and_missing_card(tmp_path, saved):
    with pytest.raises(InputError, match=r'nothing\.json: cannot be read'):
        load_network(tmp_path / 'nothing.safetensors')
    saved.unlink()
    with pytest.raises(InputError, match=r'tiny\.safetensors: cannot be read'):
        load_network(saved)


def test_a_home_of_nobody_is_a_file_that_is_not_there():
    config = load_config(None, ['model.weights=~nobody-of-this-name/x.safetensors'])
    with pytest.raises(InputError, match=r'~nobody-of-this-name/x\.json: cannot be read'):
        create_engine(config)


@pytest.mark.parametrize('path', ['/', '.', ''])
def test_a_folder_is_no_weights_file(path):
    with pytest.raises(InputError, match=r'is no file|cannot be read'):
        load_network(Path(path))


def test_a_name_that_no_file_can_have():
    with pytest.raises(InputError, match='cannot be read'):
        load_network(Path('x' * 300))


@pytest.mark.parametrize('kind', ['F4', 'F8_E4M3', 'F8_E8M0', 'no kind'])
def test_numbers_of_another_kind(saved, kind):
    content = saved.read_bytes()
    length = int.from_bytes(content[:8], 'little')
    header = json.loads(content[8:8 + length])
    first = next(key for key in header if key != '__metadata__')
    count = header[first]['data_offsets'][1] - header[first]['data_offsets'][0]
    header[first].update(dtype=kind, shape=[2 * count if kind == 'F4' else count])
    text = json.dumps(header).encode()
    saved.write_bytes(len(text).to_bytes(8, 'little') + text + content[8 + length:])
    rehash(saved)
    with pytest.raises(InputError, match=r'not safetensors|does not fit'):
        load_network(saved)


def test_wrong_hash_prints_both(saved):
    wanted = json.loads(saved.with_suffix('.json').read_text())['sha256']
    saved.write_bytes(saved.read_bytes()[:-4] + b'abcd')
    found = hashlib.sha256(saved.read_bytes()).hexdigest()
    with pytest.raises(InputError, match=f'{found}.*{wanted}'):
        load_network(saved)


def test_pickle_is_never_opened(saved):
    torch.save({'x': torch.zeros(1)}, saved)
    rehash(saved)
    with pytest.raises(InputError, match='pickle'):
        load_network(saved)


def test_truncated_file(saved):
    saved.write_bytes(saved.read_bytes()[:1000])
    rehash(saved)
    with pytest.raises(InputError, match='not safetensors'):
        load_network(saved)


def test_other_keys_name_both_sides(saved):
    tensors = load_file(saved)
    tensors['surprise'] = tensors.pop('mask_head.bias')
    save_file(tensors, saved)
    rehash(saved)
    with pytest.raises(
        InputError, match=r'only in the network: mask_head\.bias.*only in the file: surprise'
    ):
        load_network(saved)


def test_class_list_that_does_not_fit_shows_both_shapes(saved):
    edit_card(saved, classes=list(MFNET.names[:5]), colors=[list(c) for c in MFNET.colors[:5]])
    with pytest.raises(InputError, match=r'mask_head\.bias: file \(9,\), network \(5,\)'):
        load_network(saved)


@pytest.mark.parametrize(('convert', 'said'), [
    (lambda x: x.half(), r'mask_head\.bias is float16; accepted: float32; remedy: convert it'),
    (lambda x: x.to(torch.int64), r'mask_head\.bias is int64; accepted: float32'),
    (lambda x: x.double(), r'mask_head\.bias is float64; accepted: float32'),
    (lambda x: torch.full_like(x, torch.nan), r'mask_head\.bias holds values that are not fin'),
    (lambda x: torch.full_like(x, torch.inf), r'mask_head\.bias holds values that are not fin'),
])
def test_numbers_that_no_network_can_run_with(saved, convert, said):
    tensors = load_file(saved)
    tensors['mask_head.bias'] = convert(tensors['mask_head.bias'])
    save_file(tensors, saved)
    rehash(saved)
    with pytest.raises(InputError, match=said):
        load_network(saved)


def test_a_card_tells_every_option_and_builds_with_them(tmp_path):
    path = tmp_path / 'x.safetensors'
    network = build(
        'multitaskvif', 'rt', classes=9, entities=8, options={'keep_host_decoder': True}
    )
    card = save_network(
        network, path, name='x', network='multitaskvif', preset='rt', classes=MFNET.names,
        colors=MFNET.colors, entities=MFNET.names[1:],
    )
    assert card.options == {'way': 'mth', 'keep_host_decoder': True, 'task_exchange': False}
    loaded, _ = load_network(path)
    assert loaded.config == network.config
    save_network(
        build('egmt', 'tiny', classes=9, entities=8), path, name='x', network='egmt',
        preset='tiny', classes=MFNET.names, colors=MFNET.colors, entities=MFNET.names[1:],
    )
    edit_card(path, options={**json.loads(path.with_suffix('.json').read_text())['options'],
                             'blocks': 2})
    with pytest.raises(InputError, match='only in the network: stream_ir'):
        load_network(path)


@pytest.mark.parametrize(('options', 'said'), [
    ({'host': 'rt'}, r"tiny\.json: model\.options: rt has no option 'host'; accepted: none"),
    ([], 'is not a card: options'),
])
def test_options_of_a_card_that_the_network_does_not_have(saved, options, said):
    edit_card(saved, options=options)
    with pytest.raises(InputError, match=said):
        load_network(saved)


def test_configured_options_must_be_those_of_the_weights(saved):
    with pytest.raises(InputError, match=r"model\.options: way is 'own'.*made with no options"):
        create_engine(load_config(None, [f'model.weights={saved}', 'model.options.way=own']))


def test_the_folder_of_a_run_is_named_as_such(tmp_path):
    with pytest.raises(InputError, match=r'is a folder; accepted: .*best-STEP\.safetensors'):
        load_network(tmp_path)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'preset': 'xxl'}, r"tiny\.json: model\.preset: rt has no preset 'xxl'.*n, s, m"),
        ({'colors': [[0, 0, 0]]}, '1 colours for 9 classes'),
        ({'sha256': 'short'}, 'is not a card: sha256: '),
        ({'surprise': 1}, 'is not a card: surprise: [^[]*$'),
        *(({'temperature': value}, 'card: temperature: is .*; accepted: a number 0.01 to 100, or')
          for value in (
              0, '1.5', True, None, float('nan'), [1.5], {}, {'FUSED': 1.0, 'RGB_ONLY': 1.0},
              {'FUSED': 1.0, 'RGB_ONLY': 1.0, 'BLIND': 1.0},
              {'FUSED': 1.0, 'RGB_ONLY': 0.0, 'THERMAL_ONLY': 1.0},
          )),
    ],
)
def test_bad_cards(saved, changes, message):
    edit_card(saved, **changes)
    with pytest.raises(InputError, match=message):
        load_network(saved)


@pytest.mark.parametrize('text', ['', '{', '[]', '[' * 100_000])
def test_card_that_is_not_json(saved, text):
    saved.with_suffix('.json').write_text(text)
    with pytest.raises(InputError, match='is not a card'):
        load_network(saved)


def test_engine_from_a_weights_path(saved):
    engine = create_engine(load_config(None, [f'model.weights={saved}']))
    assert engine.weights.name == 'tiny'
    rgb, thermal = np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), np.uint16)
    out = engine.run(
        rgb, thermal, bgr=False, window=(0, 100),
        calibration=Calibration('rgb', (64, 48), (64, 48), None),
    )
    assert out.mask.shape == (48, 64)


def test_packaged_weights_are_the_default_network():
    engine = create_engine(load_config())
    assert engine.weights.name == 'rt-s'
    assert engine.labels == MFNET
    assert engine.entity_names == MFNET.names[1:]


def test_what_is_no_weights_file_is_named_also_without_a_card(tmp_path, saved):
    junk = tmp_path / 'junk.safetensors'
    junk.write_bytes(b'not weights at all')
    with pytest.raises(InputError, match=r'junk\.safetensors: is not safetensors'):
        load_network(junk)
    saved.with_suffix('.json').unlink()
    with pytest.raises(InputError, match=r'tiny\.json: cannot be read'):
        load_network(saved)
