"""The ROS 2 door: nodes that translate between topics and the rooms below, and no more.

``fusion`` is the lifecycle node, ``sim`` a simulated pair of cameras, ``evaluate`` scores a
running fusion node. ``arguments`` serves the launch files. Only the nodes and what they need for
themselves import rclpy, so that the rest can be used and tested without ROS.
"""
