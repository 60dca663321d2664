"""Entities of a data set, off-line: from captions, or from masks and boxes. Not for the robot."""
