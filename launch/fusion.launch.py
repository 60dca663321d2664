"""The fusion node; with ``sim:=true`` a simulated pair of cameras in front of it.

``ros2 launch vif_perception fusion.launch.py sim:=true`` needs no hardware.
"""

import os
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.events.process import ProcessStarted
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from vif_perception.ros import arguments
from vif_perception.ros.arguments import Argument

ARGUMENTS = (
    *arguments.COMMON,
    *arguments.CAMERAS,
    Argument('reference', '', 'camera whose stamp, frame and size the outputs carry; empty: as '
             'in params_file', ('', 'rgb', 'thermal')),
    Argument('weights', '', 'model.weights: a .safetensors file; empty: as in params_file'),
    Argument('backend', '', 'inference.backend; empty: as in params_file'),
    Argument('device', '', 'inference.device: auto, cpu, cuda, cuda:N; empty: as in params_file'),
    Argument('precision', '', 'inference.precision: auto, fp32, bf16; empty: as in params_file'),
    Argument('thermal_profile', '', 'thermal.profile: what thermal values mean, see '
             'docs/parameters.md; empty: as in params_file'),
    Argument('output_depth', '1', 'results kept for subscribers that are behind; more only where '
             'every one counts, since planners want the newest'),
    Argument('autostart', 'true', 'configure and activate the node; false leaves that to a '
             'lifecycle manager', arguments.BOOL),
    Argument('respawn', 'false', 'start the node again 2 s after it died', arguments.BOOL),
    Argument('sim', 'false', 'start the simulated rig, which publishes on the camera topics and '
             'on truth', arguments.BOOL),
    Argument('sim_seed', '0', 'sim: decides the street'),
    Argument('sim_rate_hz', '15.0', 'sim: frames per second of both cameras'),
    Argument('sim_day_night', 'cycle', 'sim: light; cycle fades from day to night and back',
             ('day', 'night', 'cycle')),
    Argument('sim_faults', '', 'sim: what goes wrong, such as freeze:thermal@10+2 (s after the '
             'first frame); several separated by commas'),
    Argument('truth', 'ground_truth/mask', 'sim: topic of the ground-truth masks'),
)
#: glibc keeps the memory of images instead of handing it back to the kernel after each one: a
#: quarter less processor time for receiving and publishing. What the user has set is kept.
MALLOC = {
    'MALLOC_MMAP_THRESHOLD_': '67108864', 'MALLOC_TRIM_THRESHOLD_': '134217728',
    'MALLOC_TOP_PAD_': '67108864',
}
#: A request that was lost is repeated after this time, s.
AGAIN_S = 4.0


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        *(DeclareLaunchArgument(**argument.declaration()) for argument in ARGUMENTS),
        OpaqueFunction(function=compose),
    ])


def compose(context: LaunchContext) -> list:
    given = arguments.given_to(context, ARGUMENTS)
    actions = fusion(given)
    if arguments.true(given['sim']):
        arguments.check_sim(given)
        actions.append(sim(given))
    return actions


def fusion(given: dict[str, str]) -> list:
    node = LifecycleNode(
        package='vif_perception', executable='fusion', name='fusion',
        namespace=given['namespace'], output='both', emulate_tty=True,
        parameters=[
            *arguments.parameter_files(given),
            arguments.typed(arguments.fusion_parameters(given)),
        ],
        remappings=arguments.camera_remaps(given),
        ros_arguments=['--log-level', given['log_level']],
        respawn=arguments.true(given['respawn']), respawn_delay=2.0,
        additional_env={name: os.environ.get(name, value) for name, value in MALLOC.items()},
    )
    if not arguments.true(given['autostart']):
        return [node]

    return [*autostart(node), node]  # handlers first, or the start goes by unseen


def autostart(node: LifecycleNode) -> list:
    """Return what configures and activates the node whenever its process starts.

    The services of a process that was killed are seen for seconds more, and a request to them is
    lost: after a respawn it is repeated until the node is configuring.
    """
    starts, configuring = 0, False

    def change(transition: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(
            lifecycle_node_matcher=matches_action(node), transition_id=transition,
        ))

    def began(event: ProcessStarted, context: LaunchContext) -> list:
        nonlocal starts, configuring
        starts, configuring = starts + 1, False
        return configure(context)

    def configure(context: LaunchContext) -> list:
        if configuring or context.is_shutdown:
            return []
        again = TimerAction(period=AGAIN_S, actions=[OpaqueFunction(function=configure)])
        return [change(Transition.TRANSITION_CONFIGURE), *([again] if starts > 1 else [])]

    def configures(context: LaunchContext) -> None:
        nonlocal configuring
        configuring = True

    def entered(goal: str, *entities: Any, **states: str) -> RegisterEventHandler:
        return RegisterEventHandler(OnStateTransition(
            target_lifecycle_node=node, goal_state=goal, entities=[*entities], **states,
        ))

    return [
        RegisterEventHandler(OnProcessStart(target_action=node, on_start=began)),
        entered('configuring', OpaqueFunction(function=configures)),
        entered('inactive', change(Transition.TRANSITION_ACTIVATE), start_state='configuring'),
        entered(
            'unconfigured', LogInfo(msg='fusion could not be configured; its log says why'),
            start_state='configuring',
        ),
    ]


def sim(given: dict[str, str]) -> Node:
    return Node(
        package='vif_perception', executable='sim', name='sim', namespace=given['namespace'],
        output='both', emulate_tty=True,
        parameters=[arguments.typed(arguments.sim_parameters(given))],
        remappings=arguments.sim_remaps(given),
        ros_arguments=['--log-level', given['log_level']],
    )
