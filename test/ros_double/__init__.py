"""Stands in for rclpy and the message packages, so that the nodes can be tested without ROS.

``install`` puts modules of these names into sys.modules and returns how to take them out again.
Nodes of one process find each other, callbacks run when an executor spins, lifecycle and
parameters behave as in Jazzy. Every call of the public API is held against the signatures that
were recorded there (data/golden); message fields take what the generated classes take.
"""

from ros_double.install import install

__all__ = ['install']
