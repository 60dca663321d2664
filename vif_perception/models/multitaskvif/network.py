"""``multitaskvif``: a fusion network that learns to segment as well, in one stage.

Z. Zhao, A. Howes, X. Zhang, arXiv 2505.06665. A published fusion network (the host) keeps its
encoder and trunk; its decoder gives way to a multi-task head. The claim under test needs each
host three ways, and ``head`` is the switch::

    own      host -> its decoder -> fused                                    fusion loss only
    cascade  host -> its decoder -> fused -> separate segmenter -> logits    SeAFusion's protocol
    mth      host -> multi-task head -> fused, logits                        one stage

``docs/models/multitaskvif.md`` says what is published and what is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.mafs.network import entity_evidence
from vif_perception.models.multitaskvif.cddfuse import CDDFuseHost
from vif_perception.models.multitaskvif.head import MultiTaskHead, Segmenter
from vif_perception.models.multitaskvif.host import FusionHost
from vif_perception.models.multitaskvif.rt_trunk import RTHost
from vif_perception.models.multitaskvif.seafusion import SeAFusionHost
from vif_perception.models.multitaskvif.u2fusion import U2FusionHost
from vif_perception.models.prediction import Prediction
from vif_perception.models.registry import register

HOSTS: Mapping[str, Callable[[], FusionHost]] = {
    'seafusion': SeAFusionHost, 'u2fusion': U2FusionHost, 'cddfuse': CDDFuseHost, 'rt': RTHost,
}
HEADS = ('own', 'cascade', 'mth')
#: Coarsest level of the segmentation head.
HEAD_STRIDE = 16
SOURCE = 'arXiv 2505.06665'


@dataclass(frozen=True)
class MultiTaskVIFConfig:
    """Which host, trained which way.

    Attributes:
        classes: ids in the mask; entities: scores read off the mask, entity k is class k + 1.
        host: a name of :data:`HOSTS`.
        head: ``own``, ``cascade`` or ``mth``; see the module's docstring.
        keep_host_decoder: with ``mth``, the host's decoder makes the fused image.
        task_exchange: with ``mth``, the mask's features condition the fusion head (ours).
    """

    classes: int = 9
    entities: int = 8
    host: str = 'seafusion'
    head: Literal['own', 'cascade', 'mth'] = 'mth'
    keep_host_decoder: bool = False
    task_exchange: bool = False


class MultiTaskVIF(nn.Module):
    """The whole network; see the module's docstring.

    Input height and width must be multiples of :attr:`stride`.

    Raises:
        InputError: unknown host or head, or options that contradict each other.
    """

    no_mask: Tensor

    def __init__(self, config: MultiTaskVIFConfig | None = None):
        super().__init__()
        self.config = config = config or MultiTaskVIFConfig()
        _check(config)
        self.host = host = HOSTS[config.host]()
        self.stride = max(host.stride, HEAD_STRIDE)
        self.missing_rgb, self.missing_thermal = (
            nn.Parameter(torch.full((1, 1, 1, 1), 0.5)) for _ in range(2)
        )
        own_decoder = config.head != 'mth' or config.keep_host_decoder
        self.decoder = host.decoder() if own_decoder else None
        self.mth = MultiTaskHead(
            host.channels, host.pyramid, host.width, config.classes, fuses=not own_decoder,
            exchange=config.task_exchange,
        ) if config.head == 'mth' else None
        self.segmenter = (
            Segmenter(host.width, config.classes) if config.head == 'cascade' else None
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
            InputError: height or width is not a multiple of the stride.
        """
        height, width = y.shape[-2:]
        if not height or not width or height % self.stride or width % self.stride:
            raise InputError(
                f'input of {width}x{height}', where='multitaskvif',
                accepted=f'multiples of {self.stride}', remedy='use models.deploy, which pads',
            )
        has_rgb, has_thermal = (present[:, i, None, None, None] > 0.5 for i in range(2))
        seen_y = torch.where(has_rgb, y, self.missing_rgb.to(y.dtype))
        seen_thermal = torch.where(has_thermal, thermal, self.missing_thermal.to(y.dtype))
        features = self.host.encode(seen_y.to(rgb.dtype), seen_thermal.to(rgb.dtype))
        fused, logits = (None, None) if self.mth is None else self.mth(features)
        if self.decoder is not None:
            fused = self.decoder(features, seen_y, seen_thermal)
        assert fused is not None
        fused_y = torch.where(has_rgb & has_thermal, fused, torch.where(has_rgb, y, thermal))
        if self.segmenter is not None:
            chroma = torch.where(has_rgb, rgb - y.to(rgb.dtype), 0)
            logits = self.segmenter((chroma + fused_y.to(rgb.dtype)).clamp(0, 1))
        elif logits is None:
            logits = self.no_mask.expand(len(y), -1, height // 4, width // 4)
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
    if config.head not in HEADS:
        raise InputError(
            f'unknown head {config.head!r}', where='multitaskvif', accepted=', '.join(HEADS)
        )
    if config.head != 'mth' and (config.keep_host_decoder or config.task_exchange):
        raise InputError(
            f'keep_host_decoder and task_exchange with head {config.head!r}',
            where='multitaskvif', accepted='head mth',
        )
    if config.keep_host_decoder and config.task_exchange:
        raise InputError(
            'task_exchange without the fusion head it acts on', where='multitaskvif',
            remedy='leave keep_host_decoder off',
        )
    if not 0 <= config.entities < config.classes:
        raise InputError(
            f'{config.entities} entities cannot be read off {config.classes} classes',
            where='multitaskvif', accepted=f'0 to {config.classes - 1}: entity k is class k + 1',
        )


def _register(preset: str, summary: str, **options: Any) -> None:
    @register('multitaskvif', preset, summary=summary, source=SOURCE)
    def build(classes: int, entities: int) -> MultiTaskVIF:
        return MultiTaskVIF(MultiTaskVIFConfig(classes, entities, **options))


_TITLES = {
    'seafusion': 'SeAFusion-type host', 'u2fusion': 'U2Fusion-type host',
    'cddfuse': 'CDDFuse-type host', 'rt': 'rt trunk',
}
for _host, _title in _TITLES.items():
    _register(f'{_host}-mth', f'{_title}, multi-task head', host=_host, head='mth')
    _register(
        f'{_host}-cascade', f'{_title}, own decoder, then a segmenter on the fused image',
        host=_host, head='cascade',
    )
    _register(
        f'{_host}-own', f'{_title}, own decoder: fused image only, no mask', host=_host,
        head='own',
    )
_register(
    'seafusion-mth_keep', 'SeAFusion-type host, own decoder beside the multi-task head',
    keep_host_decoder=True,
)
_register(
    'seafusion-mth_x', 'SeAFusion-type host, multi-task head with task exchange',
    task_exchange=True,
)
