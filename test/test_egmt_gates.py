"""EGMT: gates of entities, pins, and the parameters that force them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from egmt_networks import BOTH, ENTITIES, inputs, results, tiny

from vif_perception.config import load_config
from vif_perception.errors import InputError
from vif_perception.inference import create_engine
from vif_perception.inference.weights import save_network
from vif_perception.models.egmt.entities import FREE, TEXT, WIDTH, EntityTokens, pin_entities
from vif_perception.models.registry import build
from vif_perception.types import Calibration


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_gate_zero_takes_all_influence_of_an_entity():
    network, args = tiny(), (*inputs(), BOTH)
    tokens = network.tokens()
    changed = tokens.clone()
    changed[:, 1] = 7 * torch.randn(WIDTH)
    merged = torch.randn(2, 16, 3, 5)

    def guided(tokens, gates):
        heard = network.tokens.with_null(tokens, gates)
        with torch.no_grad():
            return network.ecim8.guide(merged, *heard)[0]

    shut, open_ = torch.tensor([[0.7, 0.0, 1.0]] * 2), torch.tensor([[0.7, 0.5, 1.0]] * 2)
    torch.testing.assert_close(guided(tokens, shut), guided(changed, shut), atol=0, rtol=0)
    assert (guided(tokens, open_) - guided(changed, open_)).abs().max() > 1e-3
    without = torch.cat([tokens[:, :1], tokens[:, 2:]], 1)
    torch.testing.assert_close(guided(tokens, shut), guided(without, shut[:, [0, 2]]))
    assert all(x.isfinite().all() for x in results(network, *args, labels=torch.zeros(2, 3)))


def test_gates_come_from_pins_then_labels_then_the_classifier():
    tokens = EntityTokens(3)
    logits = torch.tensor([[0.0, 2.0, -2.0]], requires_grad=True)
    gates = tokens.gates(logits)
    torch.testing.assert_close(gates, torch.sigmoid(logits.detach()))
    assert not gates.requires_grad
    labels = torch.tensor([[FREE, 0.0, 1.0]])
    assert tokens.gates(logits, labels).tolist() == [[0.5, 0.0, 1.0]]
    tokens.pin(2, 0.25)
    assert tokens.gates(logits, labels).tolist() == [[0.5, 0.0, 0.25]]
    tokens.pin(2, None)
    assert tokens.gates(logits, labels).tolist() == [[0.5, 0.0, 1.0]]


def test_cosine_classifier_by_hand():
    network = build('egmt', 'tiny', entities=ENTITIES, options={'classifier': 'cosine'})
    x = torch.rand(2, 16, 4, 5)
    image = network.classifier.out(x.flatten(2).mean(2))
    expected = torch.stack([
        F.cosine_similarity(image, text[None]) / 0.07 for text in network.tokens.text
    ], 1)
    torch.testing.assert_close(network.classifier(x, network.tokens), expected)


@pytest.mark.parametrize('rule, gate', [('open', 1.0), ('shut', 0.0)])
def test_gates_of_the_controls(rule, gate):
    tokens = EntityTokens(3, rule)
    given = torch.ones(2, 3) - gate  # labels cannot speak against the control, a pin can
    assert tokens.gates(torch.randn(2, 3), given).tolist() == [[gate] * 3] * 2
    tokens.pin(1, 1 - gate)
    assert tokens.gates(torch.randn(1, 3)).tolist() == [[gate, 1 - gate, gate]]


def test_without_text_the_embeddings_do_not_matter():
    network = build('egmt', 'tiny', entities=ENTITIES, options={'gates': 'shut'}).eval()
    with torch.no_grad():
        network.ecim8.gate.fill_(1.0)
    args = (*inputs(), BOTH)
    before = results(network, *args)[0]
    network.tokens.use_embeddings(F.normalize(torch.randn(ENTITIES, TEXT), dim=1))
    torch.testing.assert_close(results(network, *args)[0], before, atol=0, rtol=0)


def test_a_pin_changes_the_image_and_not_the_score():
    network, args = tiny(), (*inputs(), BOTH)
    before = results(network, *args)
    pin_entities(network, ('car', 'person', 'bike'), {'person': 0.0, 'car': 1.0})
    after = results(network, *args)
    assert (before[0] - after[0]).abs().max() > 1e-6
    torch.testing.assert_close(before[2], after[2], atol=0, rtol=0)


def test_a_pin_is_no_part_of_the_weights():
    network = tiny()
    network.tokens.pin(0, 1.0)
    assert not [name for name in network.state_dict() if 'pin' in name]


@pytest.mark.parametrize('entity, value, said', [
    (3, 1.0, 'no entity 3'), (-1, 1.0, 'no entity -1'), (0, 1.5, 'pinned to 1.5'),
    (0, float('nan'), 'pinned to nan'),
])
def test_bad_pin(entity, value, said):
    with pytest.raises(InputError, match=said):
        tiny().tokens.pin(entity, value)


def test_unknown_entity_and_network_without_gates():
    with pytest.raises(InputError, match=r"unknown entity 'unicorn'.*car, person, bike"):
        pin_entities(tiny(), ('car', 'person', 'bike'), {'unicorn': 1.0})
    with pytest.raises(InputError, match='RT has no entity gates'):
        pin_entities(build('rt', 'n'), ('car',), {'car': 1.0})
    pin_entities(build('rt', 'n'), ('car',), {})


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(1)
    network = build('egmt', 'tiny', classes=2, entities=2)
    with torch.no_grad():
        for module in (network.ecim4, network.ecim8):
            module.gate.fill_(1.0)
    path = tmp_path / 'egmt.safetensors'
    save_network(
        network, path, name='egmt', network='egmt', preset='tiny', classes=('nothing', 'car'),
        colors=((0, 0, 0), (9, 9, 9)), entities=('car', 'person'),
    )
    return path


def run_forced(path, *sets):
    """Fused image and scores of an engine with these settings."""
    config = load_config(None, [
        f'model.weights={path}', 'inference.device=cpu', 'inference.precision=fp32', *sets
    ])
    image = np.random.default_rng(0).integers(0, 255, (32, 48, 3), dtype=np.uint8)
    heat = np.ascontiguousarray(image[::-1, ::-1, 0])
    output = create_engine(config).run(
        image, heat, bgr=False, window=(0.0, 255.0),
        calibration=Calibration('rgb', (48, 32), (48, 32), None),
    )
    return output.fused, output.entities


def test_a_parameter_forces_entities_on_and_off(weights):
    free, scores = run_forced(weights)
    for key in ('entities_on', 'entities_off'):
        fused, found = run_forced(weights, f'model.{key}=[car, person]')
        assert (fused != free).any(), key
        np.testing.assert_array_equal(found, scores)


@pytest.mark.parametrize('setting, said', [
    ('model.entities_on=[unicorn]', "model.entities_on, .*unknown entity 'unicorn'.*car, person"),
    ('model.entities_off=[Car]', "unknown entity 'Car'"),
    ('model.entities_on=car', 'model.entities_on: '),
])
def test_forcing_what_the_network_does_not_know(weights, setting, said):
    with pytest.raises(InputError, match=said):
        run_forced(weights, setting)


def test_forcing_on_and_off_at_once_and_networks_without_gates():
    with pytest.raises(InputError, match="'car' is in entities_on and in entities_off"):
        load_config(None, ['model.entities_on=[car]', 'model.entities_off=[car]'])
    with pytest.raises(InputError, match=r'RT has no entity gates.*a preset of egmt'):
        create_engine(load_config(None, ['model.entities_off=[car]']))


def test_embeddings_of_a_vocabulary():
    network, args = tiny(), (*inputs(), BOTH)
    before = results(network, *args)[2]
    network.tokens.use_embeddings(F.normalize(torch.randn(ENTITIES, TEXT), dim=1))
    assert (results(network, *args)[2] - before).abs().max() > 1e-4
    with pytest.raises(InputError, match=r'\(4, 512\).*3 entities x 512'):
        network.tokens.use_embeddings(torch.zeros(4, TEXT))
    with pytest.raises(InputError, match='not finite'):
        network.tokens.use_embeddings(torch.full((ENTITIES, TEXT), float('nan')))
