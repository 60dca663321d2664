"""Stands in for launch and launch_ros, so that launch files can be tested without ROS.

Every class only keeps what it was called with, and refuses what the real one would not take:
by the signatures of ROS 2 Jazzy in data/golden, or, where these have none, by SIGNATURES.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = json.loads(
    (ROOT / 'test' / 'data' / 'golden' / 'signatures_jazzy.json').read_text()
)['signatures']

#: Read in launch 3.4.3 and launch_ros 0.26.6 (Jazzy).
SIGNATURES = {
    'launch.LaunchContext': '(self)',
    'launch.actions.EmitEvent': '(self, *, event)',
    'launch.actions.LogInfo': '(self, *, msg)',
    'launch.actions.RegisterEventHandler': '(self, event_handler)',
    'launch.actions.TimerAction': '(self, *, period, actions, cancel_on_shutdown)',
    'launch.event_handlers.OnProcessStart': '(self, *, target_action, on_start)',
    'launch.event_handlers.OnProcessExit': '(self, *, target_action, on_exit)',
    'launch.events.Shutdown': '(self, *, reason, due_to_sigint)',
    'launch.events.process.ProcessExited': '(self, *, action, returncode)',
    'launch.events.process.ProcessStarted': '(self, *, action)',
    'launch.events.matches_action': '(target_action)',
    'launch_ros.event_handlers.OnStateTransition':
        '(self, *, entities, target_lifecycle_node, transition, start_state, goal_state, matcher)',
    'launch_ros.events.lifecycle.ChangeState': '(self, *, lifecycle_node_matcher, transition_id)',
}
#: What Node passes on to ExecuteLocal.
PROCESS = {
    'output', 'emulate_tty', 'respawn', 'respawn_delay', 'sigterm_timeout', 'additional_env',
    'name', 'condition', 'on_exit',
}


def parameters(signature: str) -> tuple[list[str], bool]:
    """Return the names of a signature's parameters without self, and whether it has **kwargs."""
    inside, depth, part, parts = signature.partition('(')[2], 1, '', []
    for char in inside:
        depth += (char in '([{') - (char in ')]}')
        if depth == 0:
            break
        if char == ',' and depth == 1:
            parts.append(part)
            part = ''
        else:
            part += char
    names = [text.split(':')[0].split('=')[0].strip() for text in [*parts, part]]
    plain = [name for name in names if name and name not in ('self', '*') and name[0] != '*']
    return plain, any(name.startswith('**') for name in names)


class Recorded:
    """Something of launch that was made; its arguments are attributes."""

    kind = ''

    def __init__(self, *args: Any, **kwargs: Any):
        names, more = parameters(GOLDEN.get(self.kind) or SIGNATURES[self.kind])
        if 'launch_ros.actions' in self.kind:
            node, _ = parameters(GOLDEN['launch_ros.actions.Node'])
            names = [*names, *node, *PROCESS]
        elif more:
            names = [*names, *PROCESS]
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        unknown = set(given) - set(names)
        assert not unknown, f'{self.kind} has no {sorted(unknown)}'
        self.given = given
        vars(self).update(given)

    def __repr__(self) -> str:
        return f'{self.kind}({self.given})'


def modules() -> dict[str, ModuleType]:
    """Return the stand-ins by name, as for sys.modules."""
    made: dict[str, ModuleType] = {}
    for dotted in [name for name in (*GOLDEN, *SIGNATURES) if name.startswith('launch')]:
        path, _, name = dotted.rpartition('.')
        parts = path.split('.')
        for end in range(1, len(parts) + 1):
            part = '.'.join(parts[:end])
            made.setdefault(part, ModuleType(part))
        setattr(made[path], name, type(name, (Recorded,), {'kind': dotted}))
    transition = SimpleNamespace(TRANSITION_CONFIGURE=1, TRANSITION_ACTIVATE=3)
    made['lifecycle_msgs'] = ModuleType('lifecycle_msgs')
    made['lifecycle_msgs.msg'] = ModuleType('lifecycle_msgs.msg')
    made['lifecycle_msgs.msg'].Transition = transition  # type: ignore[attr-defined]
    return made


class LaunchFile:
    """A launch file of ours, loaded over the double.

    Attributes:
        description: what generate_launch_description returned.
        arguments: name -> declaration.
    """

    def __init__(self, name: str):
        self._modules = modules()
        path = ROOT / 'launch' / f'{name}.launch.py'
        spec = importlib.util.spec_from_file_location(f'{name}_launch', path)
        assert spec is not None
        assert spec.loader is not None
        self.module = importlib.util.module_from_spec(spec)
        with mock.patch.dict(sys.modules, self._modules):
            spec.loader.exec_module(self.module)
            self.description = self.module.generate_launch_description()
        self.arguments = {
            entity.name: entity for entity in self.description.initial_entities
            if entity.kind == 'launch.actions.DeclareLaunchArgument'
        }

    def run(self, **given: str) -> list[Any]:
        """Return the actions that the launch file comes to with these arguments."""
        for name, value in given.items():
            choices = self.arguments[name].given.get('choices')
            assert choices is None or value in choices, f'{name}:={value} is refused'
        values = {
            name: given.get(name, declared.given.get('default_value'))
            for name, declared in self.arguments.items()
        }
        missing = [name for name, value in values.items() if value is None]
        assert not missing, f'not given: {missing}'
        context = SimpleNamespace(launch_configurations=values, is_shutdown=False)
        with mock.patch.dict(sys.modules, self._modules):
            return [
                action for entity in self.description.initial_entities
                if entity.kind == 'launch.actions.OpaqueFunction'
                for action in entity.function(context)
            ]

    def call(self, function: Any, *args: Any) -> Any:
        """Call a function of the launch file over the double."""
        with mock.patch.dict(sys.modules, self._modules):
            return function(*args)
