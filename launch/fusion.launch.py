"""The fusion node; with ``sim:=true`` a simulated pair of cameras in front of it.

``ros2 launch vif_perception fusion.launch.py sim:=true`` needs no hardware.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
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
    )
    if not arguments.true(given['autostart']):
        return [node]

    def change(transition: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(
            lifecycle_node_matcher=matches_action(node), transition_id=transition,
        ))

    return [
        # Before the node, or its start goes by unseen. A respawned node starts, too.
        RegisterEventHandler(OnProcessStart(
            target_action=node, on_start=[change(Transition.TRANSITION_CONFIGURE)],
        )),
        RegisterEventHandler(OnStateTransition(
            target_lifecycle_node=node, start_state='configuring', goal_state='inactive',
            entities=[change(Transition.TRANSITION_ACTIVATE)],
        )),
        RegisterEventHandler(OnStateTransition(
            target_lifecycle_node=node, start_state='configuring', goal_state='unconfigured',
            entities=[LogInfo(msg='fusion could not be configured; its log says why')],
        )),
        node,
    ]


def sim(given: dict[str, str]) -> Node:
    return Node(
        package='vif_perception', executable='sim', name='sim', namespace=given['namespace'],
        output='both', emulate_tty=True,
        parameters=[arguments.typed(arguments.sim_parameters(given))],
        remappings=arguments.sim_remaps(given),
        ros_arguments=['--log-level', given['log_level']],
    )
