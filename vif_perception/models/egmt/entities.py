"""Entity tokens, the gates that say how much each may speak, and the classifier that sets them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.attention import ChannelNorm

#: Length of a text embedding (CLIP ViT-B/32), tokens' width, attention heads over tokens.
TEXT, WIDTH, HEADS = 512, 128, 4
#: Value of a gate or a label that leaves the decision to the classifier.
FREE = -1.0
#: Length of a cosine that counts as one logit.
COSINE_TEMPERATURE = 0.07
Rule = Literal['scores', 'open', 'shut']


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Multi-head attention between tokens.

    Args:
        queries: N x P x WIDTH; keys, values: N or 1 x K x WIDTH.
        bias: N x K, added to the scores of every query and head; -inf silences a key.

    Returns:
        N x P x WIDTH, and the weights N x HEADS x P x K.
    """
    q, k, v = (x.unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in (queries, keys, values))
    scores = q @ k.transpose(-2, -1) * (WIDTH // HEADS) ** -0.5
    if bias is not None:
        scores = scores + bias[:, None, None]
    weights = scores.softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2), weights


class EntityTokens(nn.Module):
    """E_k = W_e t_k for the text embeddings t_k, and the gates q_k.

    Without :meth:`use_embeddings` the t_k are fixed random unit vectors: the random-vector
    control. They are a buffer, so they travel with the weights and no text model is needed.

    Args:
        entities: K; rule: what sets the gates: the classifier's scores and labels, or, as
            controls, all ``open`` or all ``shut``.
    """

    text: Tensor
    pins: Tensor

    def __init__(self, entities: int, rule: Rule = 'scores'):
        super().__init__()
        self.rule = rule
        generator = torch.Generator('cpu').manual_seed(0)
        text = torch.randn(entities, TEXT, generator=generator, device='cpu')
        self.register_buffer('text', F.normalize(text, dim=1))
        self.register_buffer('pins', torch.full((entities,), FREE), persistent=False)
        self.embed = nn.Linear(TEXT, WIDTH)
        self.null = nn.Parameter(torch.zeros(1, 1, WIDTH))

    def forward(self) -> Tensor:
        """Return the tokens, 1 x K x WIDTH."""
        return self.embed(self.text)[None]

    def with_null(self, tokens: Tensor, gates: Tensor) -> tuple[Tensor, Tensor]:
        """Append the null token, which is always heard.

        Returns:
            1 x K+1 x WIDTH tokens, and N x K+1 log gates. A gate multiplies the weight of its
            token in the softmax, so that gate 0 takes all influence away; scaling the token
            by 0 would leave it a share of the attention.
        """
        always = torch.ones_like(gates[:, :1])
        return torch.cat([tokens, self.null], 1), torch.cat([gates, always], 1).log()

    def gates(self, logits: Tensor, labels: Tensor | None = None) -> Tensor:
        """Gates N x K, 0..1: a pin before a label before the classifier's own score.

        Args:
            logits: N x K of the classifier; labels: N x K flags 0 or 1, FREE where not given.
        """
        scores = torch.sigmoid(logits).detach()
        if self.rule != 'scores':
            scores = torch.full_like(scores, self.rule == 'open')
        elif labels is not None:
            scores = torch.where(labels >= 0, labels.to(scores.dtype), scores)
        return torch.where(self.pins >= 0, self.pins, scores)

    def use_embeddings(self, table: Tensor) -> None:
        """Take the text embeddings of a vocabulary, K x TEXT.

        Raises:
            InputError: the table does not fit the network's entities, or is not finite.
        """
        if table.shape != self.text.shape:
            raise InputError(
                f'text embeddings of shape {tuple(table.shape)}',
                accepted=f'{len(self.text)} entities x {TEXT}',
                remedy='build the network with the size of the vocabulary',
            )
        if not torch.isfinite(table).all():
            raise InputError('text embeddings are not finite')
        self.text.copy_(table)

    def pin(self, entity: int, value: float | None) -> None:
        """Fix the gate of one entity to 0..1; None frees it. Exported graphs hold it as constant.

        Raises:
            InputError: no such entity, or a value outside 0..1.
        """
        if not 0 <= entity < len(self.pins):
            raise InputError(f'no entity {entity} to pin', accepted=f'0..{len(self.pins) - 1}')
        if value is not None and not 0 <= value <= 1:
            raise InputError(f'entity {entity} pinned to {value}', accepted='0..1')
        self.pins[entity] = FREE if value is None else value


class QueryHead(nn.Module):
    """Multi-label classifier: every entity asks the image once (Query2Label, ML-Decoder)."""

    def __init__(self, channels: int, entities: int):
        super().__init__()
        self.ask = nn.Linear(WIDTH, WIDTH)
        self.memory = nn.Sequential(ChannelNorm(channels), nn.Conv2d(channels, 2 * WIDTH, 1))
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.weight = nn.Parameter(torch.randn(entities, WIDTH) * WIDTH**-0.5)
        self.bias = nn.Parameter(torch.zeros(entities))

    def forward(self, x: Tensor, entities: EntityTokens) -> Tensor:
        """Map (N, C, h, w) to logits (N, K); each entity has its own FC."""
        tokens = entities()
        keys, values = self.memory(x).flatten(2).transpose(1, 2).chunk(2, -1)
        queries = self.ask(tokens).expand(len(x), -1, -1)
        found, _ = attend(queries, keys, values)
        return (self.norm(tokens + self.out(found)) * self.weight).sum(-1) + self.bias


class CosineHead(nn.Module):
    """Control: what the whole image looks like, compared with each text embedding.

    It has no weights of an entity, so all it can tell apart is what the embeddings tell apart.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.out = nn.Linear(channels, TEXT, bias=False)

    def forward(self, x: Tensor, entities: EntityTokens) -> Tensor:
        """Map (N, C, h, w) to logits (N, K): cosine(W GAP(x), t_k) / 0.07."""
        image = F.normalize(self.out(x.mean((2, 3))), dim=-1)
        return image @ F.normalize(entities.text, dim=-1).t() / COSINE_TEMPERATURE


def pin_entities(
    network: nn.Module, names: Sequence[str], pins: Mapping[str, float]
) -> None:
    """Pin gates by name, as a parameter of the user does.

    Args:
        network: any network of the registry; names: its entities in order; pins: name -> 0..1.

    Raises:
        InputError: a network without entity gates, an unknown name, a value outside 0..1.
    """
    if not pins:
        return
    tokens = getattr(network, 'tokens', None)
    if not isinstance(tokens, EntityTokens):
        raise InputError(
            f'{type(network).__name__} has no entity gates to pin', accepted='a preset of egmt'
        )
    for name, value in pins.items():
        if name not in names:
            raise InputError(f'unknown entity {name!r}', accepted=', '.join(names))
        tokens.pin(names.index(name), value)
