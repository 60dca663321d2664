"""The files of config/: all are read by what they are for, and say what they are."""

import json
from pathlib import Path

import pytest
import yaml

from vif_perception import resources
from vif_perception.config import Config, load_config
from vif_perception.labels import MFNET
from vif_perception.sim import Rig

CONFIG = Path(__file__).resolve().parents[1] / 'config'
FOREIGN = {'nav2', 'gates.yaml'}  # not parameters of ours
PRESETS = sorted(
    path.relative_to(CONFIG).with_suffix('').as_posix() for path in CONFIG.rglob('*.yaml')
    if path.relative_to(CONFIG).parts[0] not in FOREIGN | {'train', 'studies', 'gates.yaml'}
)


@pytest.mark.parametrize('name', PRESETS)
def test_every_preset_is_valid_and_commented(name: str) -> None:
    path = resources.preset(name)
    config = load_config(path)
    assert path.read_text(encoding='utf-8').startswith('# ')
    assert (config == Config()) == (name == 'default'), 'a preset that changes nothing is none'


def test_presets_with_a_purpose_say_no_more_than_that() -> None:
    """Several may be given at once: what one does not set must come from the one before."""
    default = set(_keys(yaml.safe_load((CONFIG / 'default.yaml').read_text())))
    for name in set(PRESETS) - {'default'}:
        keys = set(_keys(yaml.safe_load(resources.preset(name).read_text())))
        assert len(keys) < len(default) / 2
        folder = name.partition('/')[0]
        if folder != name:
            group = {'thermal': 'thermal.', 'calibrations': 'registration.'}[folder]
            assert all(key.startswith(group) for key in keys)


def test_the_calibration_of_the_simulated_rig_is_the_rigs() -> None:
    config = load_config(resources.preset('calibrations/sim'))
    rig = Rig(size=(160, 120), thermal_size=(160, 120)).registration
    transform = config.registration.t_rgb_thermal
    assert transform == pytest.approx(rig.t_rgb_thermal, abs=1e-12)  # numpy's cosines differ
    assert config.registration == rig.model_copy(update={'t_rgb_thermal': transform})


def test_the_costmap_knows_every_class_once() -> None:
    tree = yaml.safe_load((CONFIG / 'nav2' / 'semantic_costmap.yaml').read_text())
    parameters = tree['local_costmap']['local_costmap']['ros__parameters']
    camera = parameters['semantic_layer']['camera']
    classes = [name for kind in camera['class_types'] for name in camera[kind]['classes']]
    assert sorted(classes) == sorted(MFNET.names)
    assert camera['segmentation_topic'] == '/fusion/output/mask'
    assert camera['confidence_topic'] == '/fusion/output/confidence'
    assert camera['labels_topic'] == '/fusion/output/label_info'


def test_every_panel_of_the_foxglove_layout_is_laid_out() -> None:
    layout = json.loads((CONFIG / 'views' / 'foxglove.json').read_text())
    assert sorted(_leaves(layout['layout'])) == sorted(layout['configById'])


def test_rviz_shows_topics_that_there_are() -> None:
    rviz = yaml.safe_load((CONFIG / 'views' / 'fusion.rviz').read_text())
    topics = [display['Topic']['Value'] for display in rviz['Visualization Manager']['Displays']]
    assert topics == [
        '/rgb/image_raw', '/thermal/image_raw', '/fusion/output/fused/image',
        '/fusion/debug/overlay',
    ]


def _keys(tree: dict, prefix: str = '') -> list[str]:
    found = []
    for name, value in tree.get('/**', {}).get('ros__parameters', tree).items():
        if isinstance(value, dict):
            found += _keys(value, f'{prefix}{name}.')
        else:
            found.append(prefix + name)
    return found


def _leaves(node: dict | str) -> list[str]:
    if isinstance(node, str):
        return [node]
    return _leaves(node['first']) + _leaves(node['second'])
