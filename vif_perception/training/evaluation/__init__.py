"""What reports are made of: any network on labelled data and on pairs, as the robot runs it.

    request = Request(['rt-s=a.safetensors,b.safetensors'], data=[dataset_config('DIR')])
    print(markdown(tables_of(prepare(request).measure().results)))

Nothing here trains or selects: see ``training.score`` for what a run is selected by.
"""

from vif_perception.training.evaluation.frames import dataset_config
from vif_perception.training.evaluation.run import Evaluation, Request, prepare
from vif_perception.training.evaluation.tables import markdown, tables_of

__all__ = ['Evaluation', 'Request', 'dataset_config', 'markdown', 'prepare', 'tables_of']
