"""ECIM: entity-guided cross-modal interaction module of EGMT.

(1) inter-visual attention, both ways; (2) visual-entity attention; (3) gated merge; (4) LeFF.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.models.attention import ChannelNorm, LeFF, LocalMix, channel_attention
from vif_perception.models.blocks import resize
from vif_perception.models.egmt.entities import WIDTH, attend


class CrossMDTA(nn.Module):
    """Channel attention with queries of one camera, keys and values of the other."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.query = LocalMix(channels, channels)
        self.key_value = LocalMix(channels, 2 * channels)
        self.out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, own: Tensor, other: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w) of ``own``."""
        keys, values = self.key_value(other).chunk(2, 1)
        return self.out(channel_attention(self.query(own), keys, values, self.temperature))


class InterVisual(nn.Module):
    """Each camera asks the other; the answers are added and the streams summed."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.norm_vi, self.norm_ir = ChannelNorm(channels), ChannelNorm(channels)
        self.vi_asks_ir = CrossMDTA(channels, heads)
        self.ir_asks_vi = CrossMDTA(channels, heads)

    def forward(self, vi: Tensor, ir: Tensor) -> Tensor:
        """Return F_vi' + F_ir', (N, C, h, w)."""
        seen, felt = self.norm_vi(vi), self.norm_ir(ir)
        return (vi + self.vi_asks_ir(seen, felt)) + (ir + self.ir_asks_vi(felt, seen))


class VisualEntity(nn.Module):
    """Pixels ask the entity tokens: cost O(pixels x entities).

    Args:
        channels: of the visual features; pool: side of the cells that ask as one.
    """

    def __init__(self, channels: int, pool: int = 1):
        super().__init__()
        self.pool = pool
        self.query = nn.Sequential(ChannelNorm(channels), nn.Conv2d(channels, WIDTH, 1))
        self.key, self.value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.out = nn.Conv2d(WIDTH, channels, 1)

    def forward(
        self, x: Tensor, tokens: Tensor, log_gates: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Attend.

        Args:
            x: N x C x h x w; tokens: 1 x K+1 x WIDTH; log_gates: N x K+1.

        Returns:
            A: N x C x h x w; and for the alignment loss ``regions`` N x K x WIDTH, the queries
            pooled with the attention each entity receives, and ``entity_keys`` N x K x WIDTH.
        """
        asked = F.avg_pool2d(x, self.pool) if self.pool > 1 else x
        grid = self.query(asked)                                             # N W h' w'
        queries = grid.flatten(2).transpose(1, 2)                            # N h'w' W
        keys = self.key(tokens)
        mixed, weights = attend(queries, keys, self.value(tokens), log_gates)
        answer = self.out(mixed.transpose(1, 2).reshape(grid.shape))         # N C h' w'
        if self.pool > 1:
            answer = resize(answer, x)
        return answer, _regions(queries, keys, weights) if self.training else {}


class ECIM(nn.Module):
    """The whole module at one level; see the module's docstring for the four steps."""

    def __init__(self, channels: int, heads: int, expansion: int, pool: int = 1):
        super().__init__()
        self.inter = InterVisual(channels, heads)
        self.entity = VisualEntity(channels, pool)
        self.gate = nn.Parameter(torch.zeros(()))
        self.feed = nn.Sequential(ChannelNorm(channels), LeFF(channels, expansion))

    def forward(
        self, vi: Tensor, ir: Tensor, tokens: Tensor, log_gates: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Merge (N, C, h, w) of both cameras under entities; also what alignment reads."""
        return self.guide(self.inter(vi, ir), tokens, log_gates)

    def guide(
        self, merged: Tensor, tokens: Tensor, log_gates: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Steps 2 to 4, for a caller that classifies the result of step 1 first."""
        answer, alignment = self.entity(merged, tokens, log_gates)
        x = merged + torch.tanh(self.gate) * answer
        return x + self.feed(x), alignment


def _regions(queries: Tensor, keys: Tensor, weights: Tensor) -> dict[str, Tensor]:
    share = weights.mean(1)[..., :-1].transpose(1, 2)                        # N K P, without null
    share = share / share.sum(-1, keepdim=True).clamp_min(1e-6)
    return {
        'regions': share @ queries,
        'entity_keys': keys[:, :-1].expand(len(queries), -1, -1),
    }
