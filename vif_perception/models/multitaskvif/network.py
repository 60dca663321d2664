"""``multitaskvif``: a fusion network that learns to segment as well, in one stage.

Z. Zhao, A. Howes, X. Zhang, arXiv 2505.06665. A published fusion network (the host) keeps its
encoder and trunk; its decoder gives way to a multi-task head. The claim under test needs each
host three ways, and ``way`` is the switch::

    own      host -> its decoder -> fused                                    fusion loss only
    cascade  host -> its decoder -> fused -> separate segmenter -> logits    SeAFusion's protocol
    mth      host -> multi-task head -> fused, logits                        one stage

``docs/models/multitaskvif.md`` says what is published and what is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.inputs import StandIns, cameras, check_inputs, unless_alone
from vif_perception.models.multitaskvif.cddfuse import CDDFuseHost
from vif_perception.models.multitaskvif.head import MultiTaskHead, Segmenter
from vif_perception.models.multitaskvif.host import FusionHost
from vif_perception.models.multitaskvif.rt_trunk import RTHost
from vif_perception.models.multitaskvif.seafusion import SeAFusionHost
from vif_perception.models.multitaskvif.u2fusion import U2FusionHost
from vif_perception.models.prediction import Prediction, check_evidence, entity_evidence
from vif_perception.models.registry import Family, Preset, register

HOSTS: Mapping[str, Callable[[], FusionHost]] = {
    'seafusion': SeAFusionHost, 'u2fusion': U2FusionHost, 'cddfuse': CDDFuseHost, 'rt': RTHost,
}
Way = Literal['own', 'cascade', 'mth']
#: Coarsest level of the segmentation head.
HEAD_STRIDE = 16


@dataclass(frozen=True)
class MultiTaskVIFConfig:
    """Which host, trained which way.

    Attributes:
        classes: ids in the mask; entities: scores read off the mask, entity k is class k + 1.
        host: a name of :data:`HOSTS`.
        way: ``own``, ``cascade`` or ``mth``; see the module's docstring.
        keep_host_decoder: with ``mth``, the host's decoder makes the fused image.
        task_exchange: with ``mth``, the mask's features condition the fusion head (ours).
    """

    classes: int = 9
    entities: int = 8
    host: str = 'seafusion'
    way: Way = 'mth'
    keep_host_decoder: bool = False
    task_exchange: bool = False


class MultiTaskVIF(nn.Module):
    """The whole network; see the module's docstring.

    Input height and width must be multiples of :attr:`stride`.

    Raises:
        InputError: unknown host or way, or options that contradict each other.
    """

    no_mask: Tensor

    def __init__(self, config: MultiTaskVIFConfig | None = None):
        super().__init__()
        self.config = config = config or MultiTaskVIFConfig()
        _check(config)
        self.host = host = HOSTS[config.host]()
        self.stride = max(host.stride, HEAD_STRIDE)
        self.stand_ins = StandIns(1)
        own_decoder = config.way != 'mth' or config.keep_host_decoder
        self.decoder = host.decoder() if own_decoder else None
        self.mth = MultiTaskHead(
            host.channels, host.pyramid, host.width, config.classes, fuses=not own_decoder,
            exchange=config.task_exchange,
        ) if config.way == 'mth' else None
        self.segmenter = (
            Segmenter(host.width, config.classes) if config.way == 'cascade' else None
        )
        # Background by a hair: the ids are the same on every device, the confidence is chance's.
        no_mask = torch.zeros(1, config.classes, 1, 1)
        no_mask[:, 0] = 1e-3
        self.register_buffer('no_mask', no_mask, persistent=False)

    def forward(self, rgb: Tensor, y: Tensor, thermal: Tensor, present: Tensor) -> Prediction:
        """Fuse and segment.

        Args:
            rgb: N x 3 x H x W, 0..1, in the network's precision; only a cascade looks at it.
            y: N x 1 x H x W, luma of rgb, 0..1, float32.
            thermal: N x 1 x H x W, 0..1, float32.
            present: N x 2 flags 0 or 1: rgb, thermal. An absent camera is replaced by a learned
                grey at the input, and the fused luma is the other camera's image.

        Raises:
            InputError: see ``inputs.check_inputs``.
        """
        check_inputs(self, rgb, y, thermal, present)
        seen_y, seen_thermal = self.stand_ins(y, thermal, present)
        features = self.host(seen_y.to(rgb.dtype), seen_thermal.to(rgb.dtype))
        fused, logits = (None, None) if self.mth is None else self.mth(features)
        if self.decoder is not None:
            fused = self.decoder(features, seen_y, seen_thermal)
        assert fused is not None
        fused_y = unless_alone(fused, y, thermal, present)
        if self.segmenter is not None:
            chroma = torch.where(cameras(present)[0], rgb - y.to(rgb.dtype), 0)
            logits = self.segmenter((chroma + fused_y.to(rgb.dtype)).clamp(0, 1))
        elif logits is None:
            logits = self.no_mask.expand(len(y), -1, *(side // 4 for side in y.shape[-2:]))
        return Prediction(fused_y, logits, entity_evidence(logits, self.config.entities))

    def segmentation_part(self) -> list[nn.Parameter]:
        """Parameters of a cascade's segmenter; empty otherwise: nothing is trained apart."""
        return [] if self.segmenter is None else list(self.segmenter.parameters())

    def last_shared(self) -> list[nn.Parameter]:
        """Parameters of the last block that both tasks use; empty without a shared head.

        With the host's decoder kept, both tasks meet in the host, whose parameters these are.
        """
        if self.mth is None:
            return []
        shared = self.mth.neck[-1] if self.decoder is None else self.host
        return list(shared.parameters())


def _check(config: MultiTaskVIFConfig) -> None:
    if config.host not in HOSTS:
        raise InputError(
            f'unknown host {config.host!r}', where='multitaskvif', accepted=', '.join(HOSTS)
        )
    if config.way not in get_args(Way):
        raise InputError(
            f'unknown way {config.way!r}', where='multitaskvif',
            accepted=', '.join(get_args(Way)),
        )
    if config.way != 'mth' and (config.keep_host_decoder or config.task_exchange):
        raise InputError(
            f'keep_host_decoder and task_exchange with way {config.way!r}',
            where='multitaskvif', accepted='way mth',
        )
    if config.keep_host_decoder and config.task_exchange:
        raise InputError(
            'task_exchange without the fusion head it acts on', where='multitaskvif',
            remedy='leave keep_host_decoder off',
        )
    check_evidence(config.classes, config.entities)


register('multitaskvif', Family(
    title='any fusion network as host, its decoder replaced by a head for image and mask',
    source='MultiTaskVIF, arXiv 2505.06665',
    ours='the layers of the head and of the cascade\'s segmenter, host rt, task exchange, absent '
    'cameras, entities read off the mask; hosts rebuilt from their papers',
    outputs='fused luma, class logits at H/4 (way own: no mask), entity logits read off the mask',
    config=MultiTaskVIFConfig, network=MultiTaskVIF, preset_is='host',
    options=('way', 'keep_host_decoder', 'task_exchange'),
    presets={
        'seafusion': Preset('SeAFusion type', 0.81, 87.35, {'host': 'seafusion'}),
        'u2fusion': Preset('U2Fusion type', 1.00, 144.30, {'host': 'u2fusion'}),
        'cddfuse': Preset('CDDFuse type', 1.71, 548.74, {'host': 'cddfuse'}),
        'rt': Preset('trunk of rt s', 2.08, 6.88, {'host': 'rt'}),
    },
))
