"""Every block of the published networks: its shape, repeatable, every parameter learns.

At odd sizes where a block allows them (97x131 is odd at every level), in batches of one and two.
"""

import copy

import pytest
import torch
from mafs_networks import noise, trained

from vif_perception.models.attention import MDTA, Block, LeFF
from vif_perception.models.egmt import decoder as egmt_decoder
from vif_perception.models.egmt import ecim, entities, streams
from vif_perception.models.mafs import (
    attention,
    backbones,
    decoder,
    fusion,
    invertible,
    pyramid,
    transformer,
)
from vif_perception.models.multitaskvif import cddfuse, head, rt_trunk, seafusion, u2fusion
from vif_perception.models.multitaskvif.host import HostFeatures
from vif_perception.models.rt import blocks as rt

ODD = (97, 131)
LEVELS = [(8, 24, 32), (8, 12, 16), (8, 6, 8), (8, 3, 4)]
W = entities.WIDTH

#: name -> (make, shapes of the inputs, shapes of the outputs)
BLOCKS = {
    # MAFS
    'FReLU': (lambda: attention.FReLU(6), [(6, *ODD)], [(6, *ODD)]),
    'SFE': (lambda: attention.SFE(1, 6, 10), [(1, *ODD)], [(6, *ODD), (10, 49, 66)]),
    'DEM': (lambda: attention.DEM(16), [(16, *ODD)] * 2, [(16, *ODD)] * 2),
    'Backbone': (
        backbones.tiny, [(16, 49, 66)],
        [(16, 25, 33), (24, 13, 17), (32, 7, 9), (48, 4, 5)],
    ),
    'AFM': (lambda: fusion.AFM(6, 16), [(6, *ODD)] * 2, [(16, *ODD)]),
    'CAM': (lambda: fusion.CAM(6, 8), [(6, *ODD)] * 2, [(8, *ODD)]),
    'PHF': (lambda: fusion.PHF(8, 6), [(8, *ODD), (6, 25, 33)], [(8, *ODD)]),
    'DSRM': (lambda: fusion.DSRM(4), [(4, *ODD)], [(4, *ODD)]),
    'HINBlock': (lambda: invertible.HINBlock(6), [(6, *ODD)], [(6, *ODD)]),
    'InvertibleConv': (lambda: invertible.InvertibleConv(6), [(6, *ODD)], [(6, *ODD)]),
    'InvertibleBlock': (lambda: invertible.InvertibleBlock(8), [(8, *ODD)], [(8, *ODD)]),
    'MAFS FusionDecoder': (lambda: invertible.FusionDecoder(8), [(8, 9, 13)], [(1, 9, 13)]),
    'FPN': (lambda: PackedLevels(pyramid.FPN(8)), LEVELS, LEVELS),
    'ARM': (lambda: pyramid.ARM(8), [(8, 26, 34), *[(8, 13, 17)] * 2], [(8, 26, 34)] * 2),
    'Refinement': (
        lambda: Refined(8), LEVELS,
        [(2, 6, 8), (5, 6, 8), (2, 12, 16), (5, 12, 16), (2, 24, 32), (5, 24, 32)],
    ),
    'ASPP': (lambda: pyramid.ASPP(8), [(8, *ODD)], [(8, *ODD)]),
    'ARM2': (lambda: pyramid.WideConv(9, 6, (1, 2, 4, 8)), [(9, *ODD)], [(6, *ODD)]),
    'MDTA': (lambda: MDTA(8, 2), [(8, *ODD)], [(8, *ODD)]),
    'LeFF': (lambda: LeFF(6, 4), [(6, *ODD)], [(6, *ODD)]),
    'Block': (lambda: Block(8, 2, 2), [(8, *ODD)], [(8, *ODD)]),
    'UpEmbed': (lambda: transformer.UpEmbed(6), [(6, 25, 33)], [(6, 50, 66)]),
    'InvertedPyramid': (
        lambda: Pyramid(8), [(8, 7, 9), (8, 14, 18), (8, 28, 36)], [(8, 56, 72)]
    ),
    'SegHead': (lambda: decoder.SegHead(16, 5), [(16, *ODD)], [(5, *ODD)]),
    # EGMT
    'EGMT Stream': (
        lambda: streams.Stream(3, (4, 4, 8, 16), 1, 1), [(3, 56, 72)],
        [(4, 56, 72), (4, 28, 36), (8, 14, 18), (16, 7, 9)],
    ),
    'CrossMDTA': (lambda: ecim.CrossMDTA(8, 2), [(8, *ODD)] * 2, [(8, *ODD)]),
    'InterVisual': (lambda: ecim.InterVisual(8, 2), [(8, *ODD)] * 2, [(8, *ODD)]),
    'VisualEntity': (lambda: Guided(ecim.VisualEntity(8)), [(8, 25, 33)], [(8, 25, 33)]),
    'VisualEntity pooled': (
        lambda: Guided(ecim.VisualEntity(8, 2)), [(8, 25, 33)], [(8, 25, 33)]
    ),
    'ECIM': (lambda: Guided(ecim.ECIM(8, 2, 1)), [(8, 25, 33)] * 2, [(8, 25, 33)]),
    'QueryHead': (lambda: Asked(entities.QueryHead(8, 3)), [(8, 25, 33)], [(3,)]),
    'CosineHead': (lambda: Asked(entities.CosineHead(8)), [(8, 25, 33)], [(3,)]),
    'MaskHead': (lambda: egmt_decoder.MaskHead(8, 5), [(8, *ODD)], [(5, *ODD)]),
    # MultiTaskVIF
    'Gradient': (lambda: seafusion.Gradient(4), [(4, *ODD)], [(4, *ODD)]),
    'GRDB': (lambda: seafusion.GradientResidualDense(4, 6), [(4, *ODD)], [(6, *ODD)]),
    'GatedFeed': (lambda: cddfuse.GatedFeed(8, 16, groups=32), [(8, *ODD)], [(8, *ODD)]),
    'BaseAttention': (lambda: cddfuse.BaseAttention(8, 2), [(8, *ODD)], [(8, *ODD)]),
    'DetailNode': (cddfuse.DetailNode, [(64, 9, 13)], [(64, 9, 13)]),
    'InvertedResidual': (lambda: cddfuse.InvertedResidual(8), [(8, *ODD)], [(8, *ODD)]),
    'SeAFusion host': (seafusion.SeAFusionHost, [(1, 19, 23)] * 2, [(96, 19, 23)]),
    'U2Fusion host': (u2fusion.U2FusionHost, [(1, 19, 23)] * 2, [(264, 19, 23)]),
    'CDDFuse host': (cddfuse.CDDFuseHost, [(1, 9, 13)] * 2, [(128, 9, 13)]),
    'rt host': (
        rt_trunk.RTHost, [(1, 64, 96)] * 2,
        [(4, 64, 96), (32, 32, 48), (32, 16, 24), (64, 8, 12)],
    ),
    'Neck': (lambda: head.Neck(5, 8), [(5, *ODD)], [(8, *ODD)]),
    'MTH FusionHead': (lambda: head.FusionHead(8), [(8, *ODD)], [(1, *ODD)]),
    'PyramidPooling': (lambda: head.PyramidPooling(32), [(32, *ODD)], [(32, *ODD)]),
    'SegmentationHead': (
        lambda: head.SegmentationHead(8, 5).eval(), [(8, *ODD)],
        [(8, 49, 66), (12, 25, 33), (5, 25, 33)],
    ),
    'TaskExchange': (
        lambda: head.TaskExchange(8, 12), [(8, *ODD), (8, 49, 66), (12, 25, 33)], [(8, *ODD)]
    ),
    'Segmenter': (lambda: head.Segmenter(8, 5).eval(), [(3, *ODD)], [(5, 25, 33)]),
    # rt
    'rt Stream': (
        lambda: rt.Stream(1, (4, 6, 8), (1, 1)), [(1, *ODD)],
        [(4, 49, 66), (6, 25, 33), (8, 13, 17)],
    ),
    'Level': (lambda: rt.Level(4, 6, 1), [(4, *ODD)], [(6, 49, 66)]),
    'Context': (lambda: rt.Context(8), [(8, *ODD)], [(8, *ODD)]),
}


class PackedLevels(torch.nn.Module):
    """A block that takes all levels as one tuple."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, *levels):
        return self.block(levels)


class Refined(torch.nn.Module):
    """Refinement of levels by themselves."""

    def __init__(self, width):
        super().__init__()
        self.block = pyramid.Refinement(width, 5)

    def forward(self, *levels):
        return tuple(self.block(levels, levels).values())


class Pyramid(torch.nn.Module):
    """Inverted pyramid with its two skips side by side."""

    def __init__(self, width):
        super().__init__()
        self.block = transformer.InvertedPyramid(width)

    def forward(self, start, eighth, quarter):
        return self.block(start, (eighth, quarter), like=torch.zeros(1, 1, 56, 72))


class Guided(torch.nn.Module):
    """A block of ECIM under three entities and the null token."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, *images):
        tokens, gates = noise(1, 4, W, seed=4), torch.tensor([[0.9, 0.2, 0.5, 1.0]])
        return self.block(*images, tokens, gates.log().expand(len(images[0]), -1))[0]


class Asked(torch.nn.Module):
    """A classifier with its entities."""

    def __init__(self, block):
        super().__init__()
        self.block = block
        self.fixed = [entities.EntityTokens(3)]  # in a list: it is not what learns here

    def forward(self, image):
        return self.block(image, self.fixed[0])


def outputs_of(block, given) -> tuple[torch.Tensor, ...]:
    found = block(*given)
    if isinstance(found, HostFeatures):
        return (found.full, *found.pyr)
    return tuple(found) if isinstance(found, (tuple, list)) else (found,)


@pytest.mark.parametrize('name', BLOCKS)
@pytest.mark.parametrize('count', [1, 2])
def test_block_has_its_shape_repeats_itself_and_learns(name, count):
    make, shapes, wanted = BLOCKS[name]
    torch.manual_seed(0)
    block = trained(make())
    given = [noise(count, *shape, seed=i).requires_grad_() for i, shape in enumerate(shapes)]
    outputs, again = outputs_of(block, given), outputs_of(copy.deepcopy(block), given)
    assert [tuple(output.shape) for output in outputs] == [(count, *shape) for shape in wanted]
    assert all(torch.equal(one, two) for one, two in zip(outputs, again, strict=True))
    sum((output * noise(*output.shape, seed=9)).sum() for output in outputs).backward()
    learning = dict(block.named_parameters()) | dict(enumerate(given))
    assert [key for key, p in learning.items() if p.grad is None or not p.grad.any()] == []
    assert all(p.grad.isfinite().all() for p in learning.values())


@pytest.mark.parametrize('name', BLOCKS)
def test_block_looks_at_each_image_of_a_batch_alone(name):
    make, shapes, _ = BLOCKS[name]
    torch.manual_seed(0)
    block = trained(make()).eval()
    given = [noise(2, *shape, seed=i) for i, shape in enumerate(shapes)]
    with torch.no_grad():
        together = outputs_of(block, given)
        alone = outputs_of(block, [image[1:] for image in given])
    for one, two in zip(together, alone, strict=True):
        torch.testing.assert_close(one[1:], two, atol=1e-4, rtol=1e-3)
