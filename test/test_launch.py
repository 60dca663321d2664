"""The launch files: arguments, remaps, conditions; over a double of launch (launch_double.py)."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from launch_double import LaunchFile, Recorded, parameters

from vif_perception.errors import InputError
from vif_perception.ros import arguments

NAMES = ('fusion', 'evaluate', 'replay')
QOS = '--qos-profile-overrides-path'


def nodes(actions: list[Recorded]) -> dict[str, Recorded]:
    return {
        action.executable: action for action in actions
        if action.kind in ('launch_ros.actions.Node', 'launch_ros.actions.LifecycleNode')
    }


def handlers(actions: list[Recorded]) -> list[Any]:
    return [
        action.event_handler for action in actions
        if action.kind == 'launch.actions.RegisterEventHandler'
    ]


def overrides(node: Recorded) -> dict[str, Any]:
    """Return the parameters that come last, so that they win."""
    *files, last = node.parameters
    assert all(isinstance(file, str) and Path(file).is_file() for file in files)
    return {name: getattr(value, 'value', value) for name, value in last.items()}


def test_the_double_reads_signatures() -> None:
    text = "(self, *, a: Union[str, List[int]], b: <class 'bool'> = (1, 2), **kwargs) -> None"
    assert parameters(text) == (['a', 'b'], True)
    assert parameters('(target_action)') == (['target_action'], False)
    with pytest.raises(AssertionError, match='has no'):
        type('X', (Recorded,), {'kind': 'launch.actions.LogInfo'})(message='wrong name')


@pytest.mark.parametrize('name', NAMES)
def test_every_argument_is_described(name: str) -> None:
    declared = LaunchFile(name).arguments
    assert len(declared) > 5
    for argument in declared.values():
        assert len(argument.description) > 5
        default = argument.given.get('default_value')
        assert default is None or default in argument.given.get('choices', [default])


@pytest.mark.parametrize('name', NAMES)
def test_arguments_that_are_used_are_declared(name: str) -> None:
    given = {'bag': 'drive'} if name == 'replay' else {}
    assert LaunchFile(name).run(**given)  # a KeyError otherwise


def test_launching_needs_no_torch_and_no_rclpy() -> None:
    code = 'import sys, vif_perception.ros.arguments; ' \
        'print({"torch", "rclpy", "numpy", "launch", "pydantic"} & set(sys.modules))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'set()'


def test_fusion_alone_with_nothing_given() -> None:
    actions = LaunchFile('fusion').run()
    assert set(nodes(actions)) == {'fusion'}
    node = nodes(actions)['fusion']
    assert node.kind.endswith('LifecycleNode')
    assert node.name == 'fusion'
    assert node.namespace == ''
    assert node.respawn is False
    assert [Path(file).name for file in node.parameters[:-1]] == ['default.yaml']
    assert overrides(node) == {'use_sim_time': False}
    assert dict(node.remappings) == {
        '~/input/rgb/image_raw': 'rgb/image_raw',
        '~/input/rgb/image_raw/compressed': 'rgb/image_raw/compressed',
        '~/input/rgb/camera_info': 'rgb/camera_info',
        '~/input/thermal/image_raw': 'thermal/image_raw',
        '~/input/thermal/image_raw/compressed': 'thermal/image_raw/compressed',
        '~/input/thermal/camera_info': 'thermal/camera_info',
    }


def test_topics_are_remapped_and_camera_info_lies_beside_the_image() -> None:
    actions = LaunchFile('fusion').run(
        rgb_image='/front/color/image_rect', thermal_image='boson/image',
        thermal_camera_info='/calib/boson', namespace='left',
    )
    node = nodes(actions)['fusion']
    remaps = dict(node.remappings)
    assert node.namespace == 'left'
    assert remaps['~/input/rgb/image_raw'] == '/front/color/image_rect'
    assert remaps['~/input/rgb/camera_info'] == '/front/color/camera_info'
    assert remaps['~/input/rgb/image_raw/compressed'] == '/front/color/image_rect/compressed'
    assert remaps['~/input/thermal/image_raw'] == 'boson/image'
    assert remaps['~/input/thermal/camera_info'] == '/calib/boson'
    assert arguments.beside('image') == 'camera_info'
    assert arguments.beside('/image') == '/camera_info'


def test_launch_arguments_beat_the_files_and_empty_ones_leave_them_alone(tmp_path: Path) -> None:
    mine = tmp_path / 'mine.yaml'
    mine.write_text('/**: {ros__parameters: {inference: {device: cpu}}}')
    actions = LaunchFile('fusion').run(
        params_file=f'night, thermal/lepton,{mine}', device='cuda:1', weights='123',
        thermal_profile='counts', reference='thermal', use_sim_time='True', log_level='debug',
    )
    node = nodes(actions)['fusion']
    *files, last = node.parameters
    assert [Path(file).name for file in files] == ['night.yaml', 'lepton.yaml', 'mine.yaml']
    assert overrides(node) == {
        'use_sim_time': True, 'inference.device': 'cuda:1', 'model.weights': '123',
        'thermal.profile': 'counts', 'reference': 'thermal',
    }
    # launch_ros reads texts as YAML; a name that looks like a number must stay a text.
    assert last['model.weights'].value_type is str
    assert node.ros_arguments == ['--log-level', 'debug']


@pytest.mark.parametrize('name', ['absent', 'absent.yaml', '../default', 'nowhere/x.yaml'])
def test_parameter_files_that_are_not_there_are_refused(name: str) -> None:
    with pytest.raises(InputError) as refused:
        LaunchFile('fusion').run(params_file=name)
    assert refused.value.accepted


def test_autostart_configures_and_activates_and_can_be_left_to_a_manager() -> None:
    launched = LaunchFile('fusion')
    assert handlers(launched.run(autostart='false')) == []
    actions = launched.run()
    node = nodes(actions)['fusion']
    started, begun, configured, failed = handlers(actions)
    runs = SimpleNamespace(is_shutdown=False)
    assert started.target_action is node
    (first,) = launched.call(started.on_start, None, runs)
    assert first.event.transition_id == 1
    assert configured.target_lifecycle_node is node
    assert (configured.start_state, configured.goal_state) == ('configuring', 'inactive')
    assert configured.entities[0].event.transition_id == 3
    for event in (first.event, configured.entities[0].event):
        assert event.lifecycle_node_matcher.target_action is node
    assert (failed.start_state, failed.goal_state) == ('configuring', 'unconfigured')
    # Respawned: the request may go to the dead node, so it is repeated until it was heard.
    assert begun.goal_state == 'configuring'
    _, again = launched.call(started.on_start, None, runs)
    repeat = again.actions[0].function
    assert launched.call(repeat, runs)[0].event.transition_id == 1
    launched.call(begun.entities[0].function, runs)
    assert repeat(runs) == []
    # Handlers first: a node that starts before them is never configured.
    assert actions.index(node) > max(
        index for index, action in enumerate(actions) if 'RegisterEventHandler' in action.kind
    )


def test_compressed_images_and_reliability_are_parameters_of_both_nodes() -> None:
    given = {
        'compressed': 'true', 'reliability': 'reliable', 'namespace': 'left',
        'thermal_image': '/boson/image',
    }
    expected = {
        'use_sim_time': False, 'input.rgb_transport': 'compressed',
        'input.thermal_transport': 'compressed',
        'qos_overrides./left/rgb/image_raw/compressed.subscription.reliability': 'reliable',
        'qos_overrides./boson/image/compressed.subscription.reliability': 'reliable',
    }
    fusion = overrides(nodes(LaunchFile('fusion').run(**given))['fusion'])
    assert fusion == expected
    evaluate = overrides(nodes(LaunchFile('evaluate').run(**given))['evaluate'])
    assert {name: evaluate[name] for name in expected} == expected


def test_results_may_be_kept_for_slow_subscribers() -> None:
    node = nodes(LaunchFile('fusion').run(output_depth='20', namespace='left'))['fusion']
    assert overrides(node) == {'use_sim_time': False} | {
        f'qos_overrides./left/fusion/output/{name}.publisher.depth': 20
        for name in ('mask', 'confidence', 'fused/image', 'entities')
    }
    with pytest.raises(InputError, match='output_depth'):
        LaunchFile('fusion').run(output_depth='many')


def test_memory_settings_of_the_user_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('MALLOC_TOP_PAD_', raising=False)
    monkeypatch.setenv('MALLOC_TRIM_THRESHOLD_', '7')
    settings = nodes(LaunchFile('fusion').run())['fusion'].additional_env
    assert settings['MALLOC_TRIM_THRESHOLD_'] == '7'
    assert int(settings['MALLOC_TOP_PAD_']) > 2**24


def test_respawn() -> None:
    node = nodes(LaunchFile('fusion').run(respawn='true'))['fusion']
    assert node.respawn is True
    assert node.respawn_delay > 0


def test_sim_publishes_where_fusion_listens() -> None:
    actions = LaunchFile('fusion').run(
        sim='true', namespace='left', rgb_image='color/image', sim_faults='freeze:thermal@10+2, '
        'drop:rgb:0.1', sim_rate_hz='20', sim_seed='3', truth='/gt/mask',
    )
    found = nodes(actions)
    assert set(found) == {'fusion', 'sim'}
    assert found['sim'].namespace == 'left'
    fusion, sim = dict(found['fusion'].remappings), dict(found['sim'].remappings)
    for camera in ('rgb', 'thermal'):
        for topic in ('image_raw', 'camera_info'):
            assert sim[f'~/{camera}/{topic}'] == fusion[f'~/input/{camera}/{topic}']
    assert sim['~/ground_truth/mask'] == '/gt/mask'
    assert sim['~/ground_truth/label_info'] == '/gt/label_info'
    assert [getattr(part, 'value', part) for part in found['sim'].parameters[0].values()] == [
        3, 20.0, 'cycle', ['freeze:thermal@10+2', 'drop:rgb:0.1'],
    ]
    # The rig's own calibration comes after what the user gives, and before the overrides.
    assert Path(found['fusion'].parameters[-2]).parts[-2:] == ('calibrations', 'sim.yaml')


@pytest.mark.parametrize('given', [
    {'compressed': 'true'}, {'use_sim_time': 'true'}, {'sim_rate_hz': 'fast'}, {'sim_seed': '1.5'},
])
def test_what_the_sim_cannot_do_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(InputError):
        LaunchFile('fusion').run(sim='true', **given)


def test_evaluate_listens_to_cameras_truth_and_fusion(tmp_path: Path) -> None:
    actions = LaunchFile('evaluate').run(
        out=str(tmp_path / '2026'), gate='gates.yaml', fusion='/left/fusion', truth='/gt',
    )
    (node,) = actions
    remaps = dict(node.remappings)
    assert remaps['~/input/truth'] == '/gt'
    assert remaps['~/input/mask'] == '/left/fusion/output/mask'
    assert remaps['~/input/fused/image'] == '/left/fusion/output/fused/image'
    assert remaps['~/input/rgb/image_raw'] == 'rgb/image_raw'
    assert overrides(node) == {
        'use_sim_time': False, 'out': str(tmp_path / '2026'),
        'gate': str(Path('gates.yaml').absolute()),
    }
    assert float(node.sigterm_timeout) >= 60  # a report takes longer than launch's 5 s


def test_replay_plays_when_fusion_is_active_and_ends_with_the_bag() -> None:
    launched = LaunchFile('replay')
    actions = launched.run(bag='drive', rate='0.5', use_sim_time='true')
    active, failed, played, died = handlers(actions)
    (play,) = active.entities
    assert active.goal_state == 'active'
    assert play.cmd[:4] == ['ros2', 'bag', 'play', 'drive']
    assert play.cmd[play.cmd.index('--rate') + 1] == '0.5'
    offered = json.loads(Path(play.cmd[play.cmd.index(QOS) + 1]).read_text())
    assert sorted(offered) == [
        '/ground_truth/mask', '/rgb/camera_info', '/rgb/image_raw', '/thermal/camera_info',
        '/thermal/image_raw',
    ]
    assert {topic['reliability'] for topic in offered.values()} == {'reliable'}
    assert '--clock' in play.cmd
    assert '--loop' not in play.cmd
    assert failed.goal_state == 'unconfigured'
    assert failed.entities[0].event.kind == 'launch.events.Shutdown'
    runs, ends = SimpleNamespace(is_shutdown=False), SimpleNamespace(is_shutdown=True)
    event = SimpleNamespace(process_name='bag-3')
    assert played.target_action is play
    _, drained = launched.call(played.on_exit, event, runs)
    assert drained.period > 0.5  # fusion's deadline and what the network still works on
    later = drained.actions[0].function
    assert launched.call(later, runs)[0].event.kind == 'launch.events.Shutdown'
    # Ctrl-C meanwhile, or before the bag has ended: no second shutdown.
    assert later(ends) == []
    assert played.on_exit(event, ends) == []
    assert died.on_exit(event, ends) == []
    # It must not wait for ever for a node that is gone.
    (ended,) = launched.call(died.on_exit, event, runs)
    assert ended.event.reason == 'bag-3 has ended'
    assert died.target_action(SimpleNamespace(node_package='vif_perception')) is True
    assert died.target_action(play) is False
    assert '--loop' in handlers(launched.run(bag='drive', loop='true'))[0].entities[0].cmd
    with pytest.raises(InputError, match='rate'):
        launched.run(bag='drive', rate='fast')


def test_replay_includes_the_others_with_equal_defaults() -> None:
    launched = LaunchFile('replay')
    included = [
        Path(entity.launch_description_source).name
        for entity in launched.description.initial_entities
        if entity.kind == 'launch.actions.IncludeLaunchDescription'
    ]
    assert included == ['fusion.launch.py', 'evaluate.launch.py']
    strict = {'reliability', 'output_depth'}  # live, the newest counts; a bag must lose nothing
    files = [launched, *(LaunchFile(name.partition('.')[0]) for name in included)]
    for one in files:
        for other in files:
            for name in set(one.arguments) & set(other.arguments) - strict:
                assert one.arguments[name].given.get('default_value') == \
                    other.arguments[name].given.get('default_value'), name


def test_replay_needs_a_bag() -> None:
    with pytest.raises(AssertionError, match=r"not given: \['bag'\]"):
        LaunchFile('replay').run()
