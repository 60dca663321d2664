"""A fusion node of its own process, with an engine that does nothing, or never ends (busy)."""

import sys
import threading
import time

import numpy as np

from fakes import FakeEngine
from vif_perception.ros import fusion, main
from vif_perception.types import Frame, FramePair


class Endless(FakeEngine):
    """Ends its warm-up, and no frame."""

    def run(self, *args, **kwargs):
        if self.calls:
            threading.Thread(target=ready, daemon=True).start()
            time.sleep(3600)
        return super().run(*args, **kwargs)


def ready() -> None:
    print('ready', flush=True)


class Started(fusion.FusionNode):
    """Active from the start."""

    def __init__(self) -> None:
        busy = 'busy' in sys.argv
        super().__init__(lambda config: Endless() if busy else FakeEngine())
        self.trigger_configure()
        self.trigger_activate()
        if busy:
            noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
            self._worker.offer([FramePair(None, Frame(1, 'rgb', noise, 'rgb8'))])
        else:
            self.create_timer(0.1, self.tell)

    def tell(self) -> None:
        """Say once that the executor spins."""
        if not hasattr(self, 'told'):
            self.told = True
            ready()


fusion.Started = Started
sys.exit(main.run('fusion', 'Started'))
