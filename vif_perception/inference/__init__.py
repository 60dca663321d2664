"""Backends that run a network; they know no ROS, no bags and no clock."""

from vif_perception.inference.engine import Engine, EngineOutput, WeightsInfo, create_engine

__all__ = ['Engine', 'EngineOutput', 'WeightsInfo', 'create_engine']
