"""``egmt``: entities that the network sees in the scene guide the fusion of both cameras.

W. Shao, H. Liu, Y. Ma, R. Wang, arXiv 2601.01870, IEEE TMM 2026::

    Stream   rgb -> vi, thermal -> ir          four levels each, separate weights
    ECIM H/8 step 1 -> QueryHead               which entities are there: logits, gates q
    ECIM H/8 steps 2-4, ECIM H/4               both cameras and the gated entity tokens
    FusionDecoder -> fused luma                MaskHead (ours) -> logits

On the robot the gates come from the classifier, so no captions, vision-language model or text
encoder are needed. ``docs/models/egmt.md`` says what is published and what is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.egmt.decoder import FusionDecoder, MaskHead
from vif_perception.models.egmt.ecim import ECIM
from vif_perception.models.egmt.entities import CosineHead, EntityTokens, QueryHead, Rule
from vif_perception.models.egmt.streams import HEADS, Missing, Stream
from vif_perception.models.inputs import cameras, check_inputs, unless_alone
from vif_perception.models.prediction import Prediction, check_head
from vif_perception.models.registry import Family, Preset, register


@dataclass(frozen=True)
class EGMTConfig:
    """Sizes of the network.

    Attributes:
        classes: ids in the mask; entities: size of the vocabulary.
        dims: channels at H, H/2, H/4, H/8; multiples of the attention heads 1, 2, 4, 8.
        blocks: Transformer blocks per level and stream; expansion: of their feed-forward part.
        classifier: ``query``, or as a control ``cosine``; gates: what opens them, ``scores`` of
            the classifier, or as controls all ``open`` (no classifier) or all ``shut`` (no text).
    """

    classes: int = 9
    entities: int = 8
    dims: tuple[int, int, int, int] = (32, 64, 128, 256)
    blocks: int = 2
    expansion: int = 1
    classifier: Literal['query', 'cosine'] = 'query'
    gates: Rule = 'scores'


class EGMT(nn.Module):
    """The whole network; see the module's docstring.

    Input height and width must be multiples of :attr:`stride`.
    """

    stride = 8

    def __init__(self, config: EGMTConfig | None = None):
        super().__init__()
        self.config = config = config or EGMTConfig()
        _check(config)
        check_head(config.entities)
        dims, expansion = config.dims, config.expansion
        self.stream_vi = Stream(3, dims, config.blocks, expansion)
        self.stream_ir = Stream(1, dims, config.blocks, expansion)
        # With one camera the image is copied, not painted: its skips at H and H/2 do not matter.
        self.missing_vi, self.missing_ir = Missing(dims[2:]), Missing(dims[2:])
        self.tokens = EntityTokens(config.entities, config.gates)
        self.classifier = (
            QueryHead(dims[3], config.entities) if config.classifier == 'query'
            else CosineHead(dims[3])
        )
        self.ecim4 = ECIM(dims[2], HEADS[2], expansion, pool=2)
        self.ecim8 = ECIM(dims[3], HEADS[3], expansion)
        self.decoder = FusionDecoder(dims, expansion)
        self.mask_head = MaskHead(dims[2], config.classes)

    def forward(
        self, rgb: Tensor, y: Tensor, thermal: Tensor, present: Tensor,
        labels: Tensor | None = None,
    ) -> Prediction:
        """Run all three tasks.

        Args:
            rgb: N x 3 x H x W, 0..1, in the network's precision.
            y: N x 1 x H x W, luma of rgb, 0..1, float32; only copied where thermal is absent.
            thermal: N x 1 x H x W, 0..1, float32.
            present: N x 2 flags 0 or 1: rgb, thermal.
            labels: training only, N x K gates 0 or 1, -1 where the classifier decides.

        Raises:
            InputError: see ``inputs.check_inputs``.
        """
        check_inputs(self, rgb, y, thermal, present)
        has_vi, has_ir = cameras(present)
        vi1, vi2, *vi = self.stream_vi(rgb)
        ir1, ir2, *ir = self.stream_ir(thermal.to(rgb.dtype))
        vi4, vi8 = self.missing_vi(vi, has_vi)
        ir4, ir8 = self.missing_ir(ir, has_ir)
        tokens = self.tokens()
        merged8 = self.ecim8.inter(vi8, ir8)
        entity_logits = self.classifier(merged8, self.tokens)
        heard = self.tokens.with_null(tokens, self.tokens.gates(entity_logits, labels))
        f8, alignment = self.ecim8.guide(merged8, *heard)
        f4, _ = self.ecim4(vi4, ir4, *heard)
        painted, d4 = self.decoder([vi1 + ir1, vi2 + ir2, f4], f8)
        fused_y = unless_alone(painted.to(y.dtype), y, thermal, present)
        return Prediction(fused_y, self.mask_head(d4), entity_logits, alignment)


def _check(config: EGMTConfig) -> None:
    if any(dim % heads for dim, heads in zip(config.dims, HEADS, strict=True)):
        raise InputError(
            f'is {list(config.dims)}', where='model.options.dims',
            accepted=f'multiples of {", ".join(map(str, HEADS))}: the attention heads',
        )


register('egmt', Family(
    title='entities that the network sees guide the fusion of both cameras',
    source='EGMT, arXiv 2601.01870, IEEE TMM 2026',
    ours='every layer, the mask head, gates by the classifier in place of text on the robot, '
    'absent cameras',
    outputs='fused luma, class logits at H/4, entity logits of the classifier; in training '
    'regions, entity_keys',
    config=EGMTConfig, network=EGMT,
    options=('dims', 'blocks', 'expansion', 'classifier', 'gates'),
    presets={
        's': Preset('full size', 3.92, 58.18),
        'n': Preset('half the width', 1.42, 19.50, {
            'dims': (16, 32, 64, 128), 'expansion': 2,
        }),
        'tiny': Preset('for tests', 0.21, 1.45, {'dims': (8, 8, 16, 16), 'blocks': 1}),
    },
))
