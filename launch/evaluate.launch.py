"""The evaluate node: scores a running fusion node against ground truth and writes a report."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from vif_perception.ros import arguments

ARGUMENTS = (
    *arguments.COMMON,
    *arguments.CAMERAS,
    *arguments.EVALUATION,
)


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        *(DeclareLaunchArgument(**argument.declaration()) for argument in ARGUMENTS),
        OpaqueFunction(function=compose),
    ])


def compose(context: LaunchContext) -> list:
    given = arguments.given_to(context, ARGUMENTS)
    return [Node(
        package='vif_perception', executable='evaluate', name='evaluate',
        namespace=given['namespace'], output='both', emulate_tty=True,
        parameters=[
            *arguments.parameter_files(given),
            arguments.typed(arguments.evaluate_parameters(given)),
        ],
        remappings=arguments.evaluate_remaps(given),
        ros_arguments=['--log-level', given['log_level']],
        # The report of a long drive takes a while; only then SIGTERM.
        sigterm_timeout='120',
    )]
