"""What the launch files have in common: their arguments, and what these mean to the nodes.

Needs neither launch nor rclpy nor torch: `ros2 launch` may run in another Python than the nodes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vif_perception.errors import InputError
from vif_perception.resources import preset

Given = Mapping[str, str]
Remaps = list[tuple[str, str]]

#: Results of the fusion node that belong to one stamp.
RESULTS = ('mask', 'confidence', 'fused/image', 'entities')
BOOL = ('true', 'false', 'True', 'False')


@dataclass(frozen=True)
class Argument:
    """One launch argument; ``ros2 launch -s`` shows the description."""

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...] = ()

    def declaration(self) -> dict[str, Any]:
        """Return what ``DeclareLaunchArgument`` is called with."""
        needed: dict[str, Any] = {'name': self.name, 'description': self.description}
        if self.default is not None:
            needed['default_value'] = self.default
        if self.choices:
            needed['choices'] = list(self.choices)
        return needed


COMMON = (
    Argument('namespace', '', 'namespace of the nodes, their topics and parameters'),
    Argument('params_file', 'default', 'parameters: YAML files, or names of packaged ones such '
             'as night or thermal/lepton; several separated by commas, later ones win; launch '
             'arguments beat them all'),
    Argument('use_sim_time', 'false', 'take the time from /clock', BOOL),
    Argument('log_level', 'info', 'least severe messages that are logged',
             ('debug', 'info', 'warn', 'error', 'fatal')),
)
CAMERAS = (
    Argument('rgb_image', 'rgb/image_raw', 'topic of the RGB camera (sensor_msgs/Image)'),
    Argument('thermal_image', 'thermal/image_raw', 'topic of the thermal camera'),
    Argument('rgb_camera_info', '', 'topic of its CameraInfo; empty: camera_info beside '
             'rgb_image'),
    Argument('thermal_camera_info', '', 'the same for the thermal camera'),
    Argument('compressed', 'false', 'read <image>/compressed (JPEG, 16-bit PNG) in place of '
             '<image>; false: as in params_file', BOOL),
    Argument('reliability', '', 'of the subscriptions to images; reliable loses none but needs '
             'drivers that offer it; empty: best_effort, with sim:=true reliable',
             ('', 'best_effort', 'reliable')),
)
EVALUATION = (
    Argument('out', 'evaluation', 'folder for report.json, report.html and frames.jsonl'),
    Argument('gate', '', 'YAML file with thresholds; empty: none'),
    Argument('truth', 'ground_truth/mask', 'topic of the ground-truth masks'),
    Argument('fusion', 'fusion', 'name of the fusion node, or where its topics are'),
)


def given_to(context: Any, arguments: Iterable[Argument]) -> dict[str, str]:
    """Return the values of declared arguments in a ``launch.LaunchContext``."""
    return {argument.name: context.launch_configurations[argument.name] for argument in arguments}


def true(text: str) -> bool:
    """Return the value of a boolean argument."""
    return text.lower() == 'true'


def parameter_files(given: Given) -> list[str]:
    """Return the parameter files in the order in which they are read.

    Raises:
        InputError: neither a file nor the name of a packaged one.
    """
    names = [name.strip() for name in given['params_file'].split(',') if name.strip()]
    if true(given.get('sim', 'false')):
        names.append('calibrations/sim')
    return [str(_parameter_file(name)) for name in names]


def camera_remaps(given: Given) -> Remaps:
    """Return the remaps of the inputs that fusion and evaluate have in common."""
    remaps = []
    for camera in ('rgb', 'thermal'):
        image, info = given[f'{camera}_image'], given[f'{camera}_camera_info']
        remaps += [
            (f'~/input/{camera}/image_raw', image),
            (f'~/input/{camera}/image_raw/compressed', f'{image}/compressed'),
            (f'~/input/{camera}/camera_info', info or beside(image)),
        ]
    return remaps


def sim_remaps(given: Given) -> Remaps:
    """Return the remaps that put the simulated cameras where fusion listens."""
    truth = given['truth']
    remaps = [
        ('~/ground_truth/mask', truth),
        ('~/ground_truth/label_info', beside(truth, 'label_info')),
    ]
    for camera in ('rgb', 'thermal'):
        image, info = given[f'{camera}_image'], given[f'{camera}_camera_info']
        remaps += [
            (f'~/{camera}/image_raw', image), (f'~/{camera}/camera_info', info or beside(image)),
        ]
    return remaps


def evaluate_remaps(given: Given) -> Remaps:
    """Return the remaps that connect the evaluate node to cameras, truth and fusion."""
    outputs = (*RESULTS, 'label_info')
    return [
        *camera_remaps(given), ('~/input/truth', given['truth']),
        ('~/input/status', f'{given["fusion"]}/status'),
        *((f'~/input/{name}', f'{given["fusion"]}/output/{name}') for name in outputs),
    ]


def beside(topic: str, name: str = 'camera_info') -> str:
    """Return the topic of this name in the same namespace as another one."""
    before, slash, _ = topic.rpartition('/')
    return f'{before}{slash}{name}'


def typed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters for launch_ros in which a text stays one: it reads texts as YAML."""
    from launch_ros.parameter_descriptions import ParameterValue

    return {
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in parameters.items()
    }


def input_parameters(given: Given) -> dict[str, Any]:
    """Return the parameters that fusion and evaluate have in common."""
    found: dict[str, Any] = {'use_sim_time': true(given['use_sim_time'])}
    packed = true(given['compressed'])
    reliability = given['reliability'] or 'reliable' * true(given.get('sim', 'false'))
    for camera in ('rgb', 'thermal'):
        if packed:
            found[f'input.{camera}_transport'] = 'compressed'
        if reliability:
            topic = given[f'{camera}_image'] + '/compressed' * packed
            name = f'{_resolved(topic, given["namespace"])}.subscription.reliability'
            found[f'qos_overrides.{name}'] = reliability
    return found


def fusion_parameters(given: Given) -> dict[str, Any]:
    """Return what beats the parameter files: the arguments that are not empty."""
    names = {
        'reference': 'reference', 'weights': 'model.weights', 'backend': 'inference.backend',
        'device': 'inference.device', 'precision': 'inference.precision',
        'thermal_profile': 'thermal.profile',
    }
    found = input_parameters(given)
    depth = _number(given, 'output_depth', int)
    if depth != 1:
        for name in RESULTS:
            topic = _resolved(f'fusion/output/{name}', given['namespace'])
            found[f'qos_overrides.{topic}.publisher.depth'] = depth
    return found | {parameter: given[name] for name, parameter in names.items() if given[name]}


def evaluate_parameters(given: Given) -> dict[str, Any]:
    """Return what beats the parameter files of the evaluate node."""
    gate = given['gate'] and str(Path(os.path.expanduser(given['gate'])).absolute())
    return input_parameters(given) | {
        'out': str(Path(os.path.expanduser(given['out'])).absolute()), 'gate': gate,
    }


def sim_parameters(given: Given) -> dict[str, Any]:
    """Return the parameters of the sim node.

    Raises:
        InputError: a number that is none.
    """
    found: dict[str, Any] = {
        'seed': _number(given, 'sim_seed', int), 'rate_hz': _number(given, 'sim_rate_hz', float),
        'day_night': given['sim_day_night'],
    }
    faults = [fault.strip() for fault in given['sim_faults'].split(',') if fault.strip()]
    return found | ({'faults': faults} if faults else {})


def bag_qos(given: Given) -> dict[str, dict[str, Any]]:
    """Return what the player offers for our topics, whatever the recorded drivers offered."""
    offered = {'history': 'keep_last', 'depth': 20, 'reliability': given['reliability']}
    names = [given['truth']]
    for camera in ('rgb', 'thermal'):
        image = given[f'{camera}_image']
        info = given[f'{camera}_camera_info'] or beside(image)
        names += [image + '/compressed' * true(given['compressed']), info]
    return {_resolved(name, given['namespace']): offered for name in names}


def bag_play(given: Given, qos_file: str) -> list[str]:
    """Return the command that plays the bag, a second after it was called for.

    Args:
        given: launch arguments.
        qos_file: YAML of ``bag_qos``.

    Raises:
        InputError: rate or offset is no number.
    """
    command = [
        'ros2', 'bag', 'play', str(Path(os.path.expanduser(given['bag']))), '--delay', '1.0',
        '--disable-keyboard-controls', '--rate', str(_number(given, 'rate', float)),
        '--start-offset', str(_number(given, 'start_offset', float)),
        '--qos-profile-overrides-path', qos_file,
    ]
    if true(given['loop']):
        command.append('--loop')
    if true(given['use_sim_time']):
        command += ['--clock', '200']
    return command


def check_sim(given: Given) -> None:
    """Refuse what the simulated rig cannot do.

    Raises:
        InputError: compressed images or simulated time are asked for.
    """
    if true(given['compressed']):
        raise InputError('the simulated rig publishes raw images', where='compressed:=true',
                         remedy='leave it out together with sim:=true')
    if true(given['use_sim_time']):
        raise InputError(
            'the simulated rig stamps with the system clock and publishes no /clock',
            where='use_sim_time:=true', remedy='leave it out together with sim:=true',
        )


def _resolved(topic: str, namespace: str) -> str:
    """Return the full name of a topic in a namespace, as ROS resolves it."""
    if topic.startswith('/'):
        return topic
    parts = [part for part in (namespace.strip('/'), topic) if part]
    return '/' + '/'.join(parts)


def _parameter_file(name: str) -> Path:
    if name.endswith(('.yaml', '.yml')):
        path = Path(os.path.expanduser(name))
        if not path.is_file():
            raise InputError(f'{name} is not there', where='params_file',
                             accepted='a YAML file, or the name of a packaged one')
        return path.absolute()
    return preset(name)


def _number(given: Given, name: str, kind: type) -> Any:
    try:
        return kind(given[name])
    except ValueError:
        raise InputError(f'{given[name]!r} is no number', where=name,
                         accepted=f'a number ({kind.__name__})') from None
