"""Which entities a network is to know, and which of them are in a sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vif_perception.models.egmt import EGMT
from vif_perception.training.data import Batch
from vif_perception.training.entities.annotations import read_annotations
from vif_perception.training.entities.embeddings import hashed_embeddings, read_embeddings
from vif_perception.training.entities.vocabulary import read_vocabulary
from vif_perception.training.entity_losses import positive_weights
from vif_perception.training.losses import entities_in
from vif_perception.types import LabelSet


class EntityLabels:
    """The classes of the masks, embedded by name, unless a set of annotations is given.

    Attributes:
        names: K; source: where the labels come from.
        text: K x 512 embeddings of the names, for networks with entity tokens.

    Args:
        labels: classes of the masks; ids: of all samples that will be asked for.
        path: of annotations, vocab.json and text_emb.npy beside it; None: the masks decide.

    Raises:
        InputError: see ``entities.annotations`` and ``entities.vocabulary``; a sample that is
            not annotated.
    """

    def __init__(self, labels: LabelSet, ids: Iterable[str] = (), path: Path | None = None):
        self._table: Mapping[str, Tensor] | None = None
        if path is None:
            self.names, self.source = labels.names[1:], 'mask-entities'
            self.text = torch.from_numpy(hashed_embeddings(self.names))
            return
        annotations = read_annotations(path)
        vocabulary = read_vocabulary(path.parent / 'vocab.json')
        wanted = list(ids)
        flags = torch.from_numpy(vocabulary.labels(annotations, wanted))
        self._table = dict(zip(wanted, flags, strict=True))
        self.names = vocabulary.names
        self.source = f'{annotations.control} {annotations.source}'.strip()
        self.text = torch.from_numpy(read_embeddings(path.parent / 'text_emb.npy', vocabulary))

    def positive_weight(self) -> Tensor | None:
        """Weights (K,) of present entities, from how rare they are; None where masks decide."""
        return None if self._table is None else positive_weights(
            torch.stack(list(self._table.values()))
        )

    def of(self, batch: Batch) -> Tensor:
        """Return N x K flags 0 or 1; those of masks are what the crop still shows."""
        if self._table is None:
            return entities_in(batch.mask, len(self.names) + 1)
        rows = [self._table[name] for name in batch.names]
        return torch.stack(rows).to(batch.mask.device, non_blocking=True)

    def teach(self, network: nn.Module) -> None:
        """Give the embeddings to a network that has entity tokens."""
        if isinstance(network, EGMT):
            network.tokens.use_embeddings(self.text)
