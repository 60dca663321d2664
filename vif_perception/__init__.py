"""Thermal + RGB perception for robots: fused image, semantic mask, confidence, entities."""

import pkgutil

# The generated ROS messages (vif_perception.msg) live in another folder of the same name.
__path__ = pkgutil.extend_path(__path__, __name__)

__version__ = '0.1.0'
