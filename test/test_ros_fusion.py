"""The fusion node: lifecycle, parameters, subscriptions, publishing; on ROS or on the double."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from ros_world import MS, REAL, World, needs_ros, noise, ros, world

from fakes import FakeEngine
from vif_perception.errors import InputError

__all__ = ['ros', 'world']
DIAGNOSTICS = '/diagnostics'


def succeeded(result: Any) -> bool:
    from rclpy.lifecycle import TransitionCallbackReturn

    return bool(result == TransitionCallbackReturn.SUCCESS)


def test_every_parameter_has_words_and_limits(world: World) -> None:
    from vif_perception.ros.parameters import FusionConfig, settings

    node = world.start(active=False)
    for key, info in settings(FusionConfig):
        if key == 'model.options':
            continue  # a mapping, which ROS parameters cannot be
        described = node.describe_parameter(key) if REAL else node.descriptors[key]
        assert described.description == info.description
        assert described.additional_constraints
        if info.annotation in (int, float) and len(info.metadata) == 2:
            assert described.integer_range or described.floating_point_range, key
    assert node.has_parameter('sync.max_skew_ms')


def test_whole_numbers_are_taken_where_fractions_are_meant(world: World) -> None:
    world.start(active=False, sync__max_skew_ms=40, registration__homography=[1, 0, 0] * 3)
    assert world.set(sync__deadline_ms=90) == (True, '')


@pytest.mark.parametrize('key, value, words', [
    ('sync__max_skew_ms', -1.0, 'sync.max_skew_ms'),
    ('sync__policy', 'sometimes', 'sync.policy'),
    ('sync__queue_size', 'many', 'sync.queue_size'),
    ('thermal__window_min_k', 400.0, 'window_min_k must be below window_max_k'),
])
def test_values_that_cannot_be_are_refused(
    world: World, key: str, value: Any, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        world.start(active=False, **{key: value})


def test_set_parameters_are_refused_with_the_reason(world: World) -> None:
    world.start(active=False)
    for settings, words in (
        ({'sync__deadline_ms': -5}, 'sync.deadline_ms'),
        ({'sync__deadline_ms': 0.0}, 'greater than 0'),
        ({'thermal__profile': 'hot'}, 'lepton_tlinear'),
        ({'registration__source': 'homography'}, 'homography is empty'),
        ({'registration__camchain': '/no/such.yaml'}, 'cannot be read'),
        ({'reference': 'thermal'}, 'read-only'),
        ({'registration__plane_distance_m': None}, 'cannot be deleted'),
    ):
        taken, reason = world.set(**settings)
        assert not taken
        assert words in reason


def test_a_misspelt_parameter_stops_the_configuration(world: World) -> None:
    node = world.start(active=False, sync__max_skw_ms=40.0, other_node__rate=3.0)
    assert not succeeded(node.trigger_configure())
    assert 'sync.max_skw_ms (did you mean sync.max_skew_ms?)' in node.trouble
    assert 'other_node' not in node.trouble


def test_what_the_engine_is_made_from_waits_for_configure(world: World) -> None:
    node = world.start()
    taken, reason = world.set(model__weights='other.safetensors')
    assert not taken
    assert 'deactivate and clean up first' in reason
    assert not world.set(input__rgb_transport='compressed')[0]
    node.trigger_deactivate()
    taken, reason = world.set(inference__device='cpu')
    assert not taken
    assert reason.startswith('inference.device: clean up first')
    assert world.set(input__rgb_transport='compressed')[0]
    node.trigger_cleanup()
    assert world.set(inference__device='cpu')[0]


def test_limits_change_while_the_node_works(world: World) -> None:
    world.start(sync__max_skew_ms=5.0, sync__deadline_ms=500.0)
    world.listen_to_all()
    world.cameras()
    world.pair(1, skew_ns=20 * MS)
    world.results(1)
    world.until(lambda: world.health().partials >= 1)
    assert world.health().pairs == 0
    assert world.set(sync__max_skew_ms=50.0) == (True, '')
    world.pair(2, skew_ns=20 * MS)
    world.until(lambda: world.health().pairs == 1)


def test_limits_change_where_nobody_is_told_after_a_change(
    world: World, monkeypatch: Any
) -> None:
    from rclpy.node import Node

    name = 'add_post_set_parameters_callback'
    (owner,) = (kind for kind in Node.__mro__ if name in vars(kind))
    monkeypatch.delattr(owner, name)  # as on Humble
    world.start()
    assert world.set(sync__max_skew_ms=50.0) == (True, '')
    assert world.fusion._config.sync.max_skew_ms == 50.0
    assert not world.set(sync__max_skew_ms=-1.0)[0]
    assert world.fusion._config.sync.max_skew_ms == 50.0


def test_configure_fails_with_a_reason_and_works_after_a_parameter_is_set(world: World) -> None:
    def create(config: Any) -> FakeEngine:
        if not config.model.weights:
            raise InputError('weights are missing', where='/no/rt-s.safetensors')
        return world.engine

    node = world.start(active=False, create_engine=create)
    assert not succeeded(node.trigger_configure())
    assert 'weights are missing' in node.trouble
    world.said('configure failed: /no/rt-s.safetensors: weights are missing')
    assert world.set(model__weights='mine.safetensors')[0]
    assert succeeded(node.trigger_configure())
    assert node.trouble == ''


def test_a_device_that_is_not_there_is_named(world: World) -> None:
    torch = pytest.importorskip('torch')
    if torch.cuda.is_available():
        pytest.skip('THIS MACHINE HAS CUDA: nothing to refuse')
    from vif_perception.inference import create_engine

    node = world.start(active=False, create_engine=create_engine, inference__device='cuda')
    assert not succeeded(node.trigger_configure())
    assert "device 'cuda' is not there" in node.trouble
    assert world.set(inference__device='cpu')[0]


def test_a_warm_up_that_fails_is_told(world: World) -> None:
    world.engine.fail.append(MemoryError('no room for the network'))
    node = world.start(active=False)
    assert not succeeded(node.trigger_configure())
    assert 'MemoryError: no room' in node.trouble
    assert succeeded(node.trigger_configure())


def test_every_transition_again_and_the_engine_is_freed(world: World) -> None:
    engines: list[Any] = []

    def create(config: Any) -> FakeEngine:
        engine = FakeEngine()
        engines.append(weakref.ref(engine))
        return engine

    node = world.start(active=False, create_engine=create)
    world.listen_to_all()
    for round_ in range(2):
        assert succeeded(node.trigger_configure())
        for turn in range(2):
            assert succeeded(node.trigger_activate())
            if not world._publishers:
                world.cameras()
            world.until(lambda: all(
                p.get_subscription_count() for p in world._publishers.values()
            ))
            before = len(world.received['/fusion/output/mask'])
            world.pair(10 * round_ + turn)
            world.results(before + 1)
            assert succeeded(node.trigger_deactivate())
        assert succeeded(node.trigger_cleanup())
        world.until(lambda: gc.collect() is not None and engines[-1]() is None)
    assert len(engines) == 2
    assert succeeded(node.trigger_shutdown())


@needs_ros
def test_a_transition_that_cannot_be_is_refused_and_survived(world: World) -> None:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    world.start()
    client = world.node.create_client(ChangeState, '/fusion/change_state')
    world.until(client.service_is_ready)

    def ask(transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        future = client.call_async(request)
        world.until(future.done)
        return bool(future.result().success)

    assert not ask(Transition.TRANSITION_CONFIGURE)  # it is active
    world.said('transition 1 refused')
    assert ask(Transition.TRANSITION_DEACTIVATE)
    assert ask(Transition.TRANSITION_ACTIVATE)


def test_inactive_nodes_publish_nothing(world: World) -> None:
    node = world.start()
    world.listen_to_all()
    world.cameras()
    world.pair(1)
    world.results(1)
    node.trigger_deactivate()
    counts = {topic: len(messages) for topic, messages in world.received.items()}
    world.pair(2)
    world.until(lambda: node.count_publishers('/fusion/input/rgb/image_raw') == 1)
    world.executor.spin_once(timeout_sec=0.05)
    assert counts['/fusion/output/mask'] == len(world.received['/fusion/output/mask']) == 1


def test_nothing_is_made_that_nobody_wants(world: World, monkeypatch: Any) -> None:
    from sensor_msgs.msg import Image

    from vif_perception.ros import messages

    made = []
    real = messages.image

    def counted(stamp: int, frame_id: str, pixels: np.ndarray, encoding: str) -> Any:
        made.append(encoding)
        return real(stamp, frame_id, pixels, encoding)

    monkeypatch.setattr(messages, 'image', counted)
    world.start()
    world.cameras()
    world.pair(1)
    world.until(lambda: world.health().processed == 1)
    assert made == []
    for name in ('overlay', 'registration', 'thermal_kelvin'):
        world.listen(f'/fusion/debug/{name}', Image)
    names = [f'debug/{name}' for name in ('overlay', 'registration', 'thermal_kelvin')]
    world.until(lambda: all(map(world.fusion._outputs._wanted, names)))
    stamp = world.pair(2)
    (kelvin,) = world.results(1, '/fusion/debug/thermal_kelvin')
    assert made == ['rgb8', 'rgb8', '32FC1']
    assert kelvin.encoding == '32FC1'
    values = np.frombuffer(kelvin.data, np.float32).reshape(48, 64)
    np.testing.assert_allclose(values, noise(2)[1] / np.float32(100), rtol=1e-6)
    assert messages.stamp_ns(kelvin.header.stamp) == stamp


def test_errors_of_the_engine_are_survived_and_told(world: World) -> None:
    world.start()
    world.listen_to_all()
    world.cameras()
    world.engine.fail.append(RuntimeError('CUDA out of memory. Tried to allocate 2 GiB'))
    world.pair(1)
    world.until(lambda: world.health().errors == 1)
    assert world.health().drops['engine_error'] == 2
    assert 'out of memory' in world.health().last_error
    world.said('the engine failed')
    world.pair(2)
    world.results(1)
    assert world.health().mode.value == 'FUSED'


def test_errors_while_publishing_are_survived_and_told(world: World, monkeypatch: Any) -> None:
    world.start()
    world.listen_to_all()
    world.cameras()
    from vif_perception.ros import messages

    real = messages.entity_scores
    failures = [ValueError('a score that is none')]
    monkeypatch.setattr(messages, 'entity_scores', lambda *a: (
        (_ for _ in ()).throw(failures.pop()) if failures else real(*a)
    ))
    world.pair(1)
    world.said('the worker goes on after an error')
    assert world.health().errors == 1
    world.pair(2)
    world.results(1, '/fusion/output/entities')


def test_the_newest_pair_wins(world: World) -> None:
    world.start()
    world.listen_to_all()
    world.cameras()
    world.engine.release.clear()
    runs = len(world.engine.calls)
    stamps = [world.pair(0)]
    world.until(lambda: len(world.engine.calls) == runs + 1)
    for seed in (1, 2, 3):
        stamps.append(world.pair(seed))
        world.until(lambda seed=seed: world.health().pairs == seed + 1)
    world.engine.release.set()
    from vif_perception.ros import messages

    found = [messages.stamp_ns(m.header.stamp) for m in world.results(2)]
    assert found == [stamps[0], stamps[3]]
    assert world.health().drops['superseded'] == 4


def test_a_lone_frame_goes_out_at_the_deadline(world: World) -> None:
    from ros_world import image

    world.start(sync__deadline_ms=50.0)
    world.listen_to_all()
    world.cameras()
    world.send('rgb', image(world.now_ns(), 'rgb_optical', noise(1)[0], 'rgb8'))
    world.results(1)
    world.said('mode RGB_ONLY: thermal missing')
    status = world.results(1, '/fusion/status')
    world.until(lambda: status[-1].mode == status[-1].RGB_ONLY)
    assert status[-1].partials == 1


def test_a_silence_is_explained_once(world: World) -> None:
    world.start(sync__report_after_s=0.5)
    world.said('/fusion/input/thermal/image_raw: no publisher')
    assert sum('no pair for' in line for line in world.log) == 1
    assert any('nearest skew -' in line for line in world.log)


def test_the_other_transport_is_named(world: World) -> None:
    from sensor_msgs.msg import CompressedImage

    world.node.create_publisher(CompressedImage, '/fusion/input/rgb/image_raw/compressed', 5)
    world.start(sync__report_after_s=0.5)
    world.said('set input.rgb_transport to compressed')


def test_qos_that_cannot_match_names_both_sides(world: World) -> None:
    from rclpy.qos import DurabilityPolicy, QoSProfile

    from vif_perception.ros import qos

    # A latched camera subscriber would need a latched publisher; cameras are best effort.
    real = qos.sensor

    def picky() -> Any:
        profile = real()
        profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
        return profile

    qos.sensor = picky
    try:
        world.start(sync__report_after_s=0.5)
        world.cameras(QoSProfile(depth=5, reliability=real().reliability))
        world.said(
            'publisher /test offers best_effort volatile, requested is '
            'best_effort transient_local'
        )
    finally:
        qos.sensor = real


def test_subscribers_that_cannot_hear_us_are_told(world: World) -> None:
    from sensor_msgs.msg import Image

    world.start()
    world.listen('/fusion/output/mask', Image, latched=True)
    world.said(
        '/fusion/output/mask: subscriber /test requests reliable transient_local, offered is '
        'reliable volatile'
    )


def test_simulated_time_that_stands_still_is_told(world: World) -> None:
    world.start(use_sim_time=True)
    world.listen_to_all()
    world.cameras()
    world.said('use_sim_time is set, but nobody publishes /clock')
    world.pair(1)
    world.results(1)


def test_reset_forgets_and_says_so(world: World) -> None:
    from std_srvs.srv import Trigger

    node = world.start(active=False)
    assert not node._reset(Trigger.Request(), Trigger.Response()).success
    node.trigger_configure()
    assert node._reset(Trigger.Request(), Trigger.Response()).success


def test_diagnostics_tell_of_trouble_and_of_cameras(world: World) -> None:
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

    world.listen(DIAGNOSTICS, DiagnosticArray)
    world.engine.fail.append(MemoryError('too small'))
    node = world.start(active=False)
    node.trigger_configure()

    def newest(name: str) -> Any:
        for array in reversed(world.received[DIAGNOSTICS]):
            for status in array.status:
                if status.name == f'fusion: {name}':
                    return status
        return None

    world.until(lambda: newest('fusion') and newest('fusion').level == DiagnosticStatus.ERROR)
    assert 'too small' in newest('fusion').message
    node.trigger_configure()
    node.trigger_activate()
    world.cameras()
    world.pair(1)
    world.until(lambda: newest('fusion').message == 'FUSED')
    assert newest('fusion').level == DiagnosticStatus.OK
    assert newest('rgb camera').message == 'usable'
    assert {'outputs': '1', 'errors': '0'}.items() <= {
        item.key: item.value for item in newest('fusion').values
    }.items()
