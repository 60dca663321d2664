"""Training of the networks; never imported by the running robot."""
