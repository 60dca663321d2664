"""A seeded synthetic thermal and RGB rig with ground truth and faults."""

from vif_perception.sim.faults import FAULTS, GRAMMAR, Fault, FaultInjector, parse_fault
from vif_perception.sim.rig import Rig, Sample
from vif_perception.sim.samples import still_exposures, training_sample

__all__ = [
    'FAULTS', 'GRAMMAR', 'Fault', 'FaultInjector', 'Rig', 'Sample', 'parse_fault',
    'still_exposures', 'training_sample',
]
