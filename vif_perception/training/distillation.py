"""Teacher and student: a trained network's logits as a further target for the mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.inference.torch_engine import best_precision
from vif_perception.models.blocks import resize
from vif_perception.models.mafs.teacher import Teacher
from vif_perception.models.prediction import Prediction
from vif_perception.training.objective import Shown


def channel_distillation(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """Channel-wise distillation (Shu et al. 2021): where in the image each class is likely.

    Kullback-Leibler divergence of the softmax over the pixels, mean over images and classes,
    times the squared temperature.

    Args:
        student, teacher: N x C x h x w logits, N x C x h' x w'; no gradient goes to the teacher.
    """
    given, wanted = (
        x.flatten(2).div(temperature).log_softmax(-1) for x in _alike(student, teacher)
    )
    divergence = F.kl_div(given, wanted, reduction='sum', log_target=True)
    return temperature**2 * divergence / (student.shape[0] * student.shape[1])


def pixel_distillation(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Pixel-wise distillation (Hinton et al. 2015): which class is likely at each pixel.

    Kullback-Leibler divergence of the softmax over the classes, mean over the pixels, times the
    squared temperature.

    Args:
        student, teacher: as for :func:`channel_distillation`.
    """
    given, wanted = (x.div(temperature).log_softmax(1) for x in _alike(student, teacher))
    divergence = F.kl_div(given, wanted, reduction='none', log_target=True)
    return temperature**2 * divergence.sum(1).mean()


class Distillation:
    """The terms ``mask_teacher`` and ``fusion_teacher`` of an objective.

    The first teaches the mask alone. The second, off unless it is weighed, is the cross-entropy of
    what the teacher sees in the fused image, whose gradient goes into that image.

    Args:
        network: trained, of the registry; it is frozen and stays in eval mode.
        sees: both cameras, or the student's fused image in colour.
        kind: over what the softmax runs.
        temperature: of both softmaxes.
    """

    def __init__(
        self, network: nn.Module, sees: Literal['pair', 'fused'],
        kind: Literal['channel', 'pixel'], temperature: float,
    ):
        self._network = network.requires_grad_(False).eval()
        self._teacher = Teacher(_OnePicture(network))
        self._sees, self._temperature = sees, temperature
        self._loss = channel_distillation if kind == 'channel' else pixel_distillation

    def __call__(
        self, prediction: Prediction, shown: Shown, weights: Mapping[str, float]
    ) -> dict[str, Tensor]:
        """Terms by name; the teacher too misses the cameras that are dropped.

        Raises:
            InputError: ``fusion_teacher`` of a teacher that does not look at the fused image.
        """
        into_image = bool(weights['fusion_teacher'])
        if into_image and self._sees != 'fused':
            raise InputError(
                'fusion_teacher of a teacher that sees the pair', where='objective.weights',
                accepted='objective.teacher.sees=fused',
            )
        device = shown.rgb.device
        precision = best_precision(device)
        with torch.set_grad_enabled(into_image), torch.autocast(
            device.type, precision, enabled=precision != torch.float32
        ):
            if self._sees == 'fused':
                answer = self._teacher(prediction.fused_y, shown.rgb, shown.y)
            else:
                answer = self._network(
                    shown.rgb, shown.y, shown.thermal, shown.present
                ).logits
        # `rt` may have answered for more: pairs that it was shown once more by one camera.
        logits = prediction.logits[: len(answer)]
        terms = {'mask_teacher': self._loss(logits, answer, self._temperature)}
        if into_image:
            terms['fusion_teacher'] = _cross_entropy(answer.float(), shown.mask)
        return terms


class _OnePicture(nn.Module):
    """A network of the registry as a segmenter of colour pictures alone."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, rgb: Tensor) -> Tensor:
        """Map N x 3 x H x W, 0..1, to logits; the thermal camera is absent."""
        plane = torch.zeros_like(rgb[:, :1])
        return self.network(rgb, plane, plane, rgb.new_tensor([[1.0, 0.0]]).expand(len(rgb), -1)
                            ).logits


def _cross_entropy(logits: Tensor, mask: Tensor) -> Tensor:
    """Mean over the labelled pixels; 0 where there are none."""
    full = F.interpolate(logits, mask.shape[-2:], mode='bilinear', align_corners=False)
    total = F.cross_entropy(full, mask, ignore_index=255, reduction='sum')
    return total / (mask != 255).sum().clamp_min(1)


def _alike(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    return student.float(), resize(teacher.detach().float(), student)
