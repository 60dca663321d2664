"""Plays a bag through the fusion node and the evaluate node; ends with the bag, with a report.

``ros2 launch vif_perception replay.launch.py bag:=drive_mcap out:=result``
"""

import json
from pathlib import Path
from tempfile import NamedTemporaryFile

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch_ros.event_handlers import OnStateTransition

from vif_perception.ros import arguments
from vif_perception.ros.arguments import Argument

ARGUMENTS = (
    Argument('bag', None, 'recording to play: what `ros2 bag play` takes'),
    Argument('rate', '1.0', 'speed of the recording; 0.5: half as fast'),
    Argument('start_offset', '0.0', 's of the recording to leave out'),
    Argument('loop', 'false', 'play it again and again, until Ctrl-C', arguments.BOOL),
    Argument('reliability', 'reliable', 'reliable: images are played and read so that none is '
             'lost; best_effort: as live cameras', ('best_effort', 'reliable')),
    Argument('output_depth', '20', 'results kept for the evaluate node when it is behind'),
    *arguments.COMMON,
    *(argument for argument in arguments.CAMERAS if argument.name != 'reliability'),
    *(argument for argument in arguments.EVALUATION if argument.name == 'truth'),
)
#: What is still on its way when the bag has ended needs so long to come out, s.
DRAIN_S = 2.0


def generate_launch_description() -> LaunchDescription:
    # Included, so that `ros2 launch -s` shows their arguments, too.
    others = [
        IncludeLaunchDescription(str(Path(__file__).with_name(f'{name}.launch.py')))
        for name in ('fusion', 'evaluate')
    ]
    return LaunchDescription([
        *(DeclareLaunchArgument(**argument.declaration()) for argument in ARGUMENTS),
        # Before the nodes, or their events go by unseen.
        OpaqueFunction(function=compose),
        *others,
    ])


def compose(context: LaunchContext) -> list:
    given = arguments.given_to(context, ARGUMENTS)
    with NamedTemporaryFile('w', prefix='bag_qos_', suffix='.yaml', delete=False) as file:
        json.dump(arguments.bag_qos(given), file)  # JSON is YAML
    play = ExecuteProcess(cmd=arguments.bag_play(given, file.name), name='bag', output='both')
    return [
        RegisterEventHandler(OnStateTransition(goal_state='active', entities=[play])),
        RegisterEventHandler(OnStateTransition(
            start_state='configuring', goal_state='unconfigured', entities=[
                EmitEvent(event=Shutdown(reason='fusion could not be configured')),
            ],
        )),
        RegisterEventHandler(OnProcessExit(target_action=play, on_exit=drain)),
        RegisterEventHandler(OnProcessExit(target_action=ours, on_exit=end)),
    ]


# Both keep quiet when the end has begun already: a second shutdown is an error of launch.


def drain(event: ProcessExited, context: LaunchContext) -> list:
    """End a while after the bag."""
    if context.is_shutdown:
        return []
    return [
        LogInfo(msg='the bag has ended'), TimerAction(period=DRAIN_S, actions=[
            OpaqueFunction(function=lambda later: end(event, later)),
        ]),
    ]


def end(event: ProcessExited, context: LaunchContext) -> list:
    """End because something has ended that there is no result without."""
    reason = f'{event.process_name} has ended'
    return [] if context.is_shutdown else [EmitEvent(event=Shutdown(reason=reason))]


def ours(action: ExecuteProcess) -> bool:
    """Whether a process is one of our nodes: without either of them there is no result."""
    return getattr(action, 'node_package', None) == 'vif_perception'
