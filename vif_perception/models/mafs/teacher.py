"""Teacher of stage II of MAFS: a frozen segmenter that looks at the fused colour image."""

from __future__ import annotations

from torch import Tensor, nn


class Teacher(nn.Module):
    """Asks a segmenter trained on fused images what it sees in this network's fused image.

    The segmentation decoder is the student. Which segmenter is not published; any module that
    maps N x 3 x H x W (0..1, RGB) to logits N x classes x h x w will do. It is frozen and stays in
    eval mode whatever mode the trainer sets.

    Args:
        segmenter: the trained segmenter; its parameters stop requiring gradients.
    """

    def __init__(self, segmenter: nn.Module):
        super().__init__()
        self.segmenter = segmenter.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> Teacher:
        """Stay in eval mode."""
        return super().train(False)

    def forward(self, fused_y: Tensor, rgb: Tensor, y: Tensor) -> Tensor:
        """Return the segmenter's logits; gradients flow to ``fused_y``.

        Detach the result for distillation; keep it for a cross-entropy that is to teach the
        fusion path.

        Args:
            fused_y, y: N x 1 x H x W luma of the fused and the visible image, 0..1.
            rgb: N x 3 x H x W, 0..1.
        """
        return self.segmenter(fused_color(fused_y, rgb, y))


def fused_color(fused_y: Tensor, rgb: Tensor, y: Tensor) -> Tensor:
    """N x 3 x H x W fused image: the luma is exchanged, chroma stays the visible camera's."""
    return (rgb + fused_y - y).clamp(0, 1)
