"""The door of recordings: a bag in; result bag, frames.jsonl, report.json and report.html out."""

from vif_perception.replay.options import ReplayOptions
from vif_perception.replay.runner import ReplayResult, replay

__all__ = ['ReplayOptions', 'ReplayResult', 'replay']
