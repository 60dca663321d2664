"""Training of the networks, and the entities of data sets; never imported by the robot."""
