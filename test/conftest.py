"""What has to be so before any test module is imported."""

import logging

# The pytest plugin of launch, which comes with a sourced ROS, makes loggers that keep their
# records to themselves: neither handlers of nodes nor caplog would see any.
logging.setLoggerClass(logging.Logger)
