"""Masks for pairs nobody labelled: what a trained network is sure of, checked by boxes.

Self-training on the classes of a network that is there (Lee 2013), and, where somebody drew
boxes, weak supervision by them: a box names its class, the network says which of its pixels stand
out most as that class, and the rest of the box is not labelled ("Simple Does It", Khoreva et al.
2017, with a network in place of GrabCut).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from vif_perception.errors import InputError
from vif_perception.models.inputs import MODES
from vif_perception.training.augmentation import Augmentation, AugmentationConfig
from vif_perception.training.data import Batch
from vif_perception.training.datasets import IGNORED, Boxes, Sample
from vif_perception.training.objective import Shown
from vif_perception.training.objectives import objective_for
from vif_perception.training.score import full_logits
from vif_perception.training.validation import show


@dataclass(frozen=True)
class Rules:
    """When a label is believed.

    Attributes:
        sure: least probability of a class where no box says anything.
        core: part of a box that gets its class: the pixels that look most like it. The rest of
            the box, where its outline must be, is not labelled.

    Raises:
        InputError: a value outside 0..1.
    """

    sure: float = 0.97
    core: float = 0.4

    def __post_init__(self) -> None:
        for name in ('sure', 'core'):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f'is {getattr(self, name)}', where=name, accepted='0..1')


class Labeller:
    """Gives samples masks of one network.

    Args:
        network: of the registry, with a mask, in eval mode; temperature: of its softmax, by mode.
        rules: when a label is believed.
        box_ids: class of a box -> id in the masks; these classes are nowhere but in boxes.

    Raises:
        InputError: the network makes no masks.
    """

    def __init__(
        self, network: nn.Module, temperature: Mapping[str, float], rules: Rules,
        box_ids: Sequence[int] = (),
    ):
        if objective_for(network).selects != 'miou':
            raise InputError(f'this {type(network).__name__} fuses only', where='--weights',
                             accepted='a network with a mask')
        self._network, self._temperature = network, temperature
        self._rules, self._box_ids = rules, tuple(box_ids)
        self._plain = Augmentation(AugmentationConfig.only())

    def __call__(self, sample: Sample) -> np.ndarray:
        """Return HxW uint8 ids, 255 where nothing is believed."""
        boxes = _in_ids(sample.boxes, self._box_ids) if sample.boxes is not None else None
        return pseudo_mask(self.scores(sample), boxes, self._rules, boxed=self._box_ids)

    def scores(self, sample: Sample) -> np.ndarray:
        """Return C x H x W float32 probabilities: mean over the sample and its mirror image."""
        scene = self._plain(sample, 0)
        packed = {key: value[None] for key, value in scene.items() if key != 'boxes'}
        device = next(self._network.parameters()).device
        batch = Batch.unpack(packed, (), device)
        shown = show(batch, batch.present.new_zeros(1, 0))
        flags = tuple(shown.present[0].tolist())
        temperature = next(self._temperature[mode] for mode in MODES if MODES[mode] == flags)
        one, other = (
            (full_logits(self._network, view) / temperature).softmax(1)
            for view in (shown, _mirrored(shown))
        )
        return ((one + other.flip(-1)) / 2)[0].cpu().numpy()


def pseudo_mask(
    scores: np.ndarray, boxes: Boxes | None, rules: Rules, *, boxed: Sequence[int] = ()
) -> np.ndarray:
    """Return the labels that are believed.

    Args:
        scores: C x H x W probabilities, 0 is the background.
        boxes: corners in px, classes as ids of the masks; None: nobody looked for boxes here.
        rules: see :class:`Rules`.
        boxed: ids that are nowhere but in boxes, where somebody looked.

    Returns:
        HxW uint8 ids, 255 where nothing is believed.
    """
    mask = np.where(scores.max(0) >= rules.sure, scores.argmax(0), IGNORED).astype(np.uint8)
    if boxes is None:
        return mask
    mask[np.isin(scores.argmax(0), boxed)] = IGNORED  # until a box says so
    corners = _inside(boxes.corners, mask.shape)
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    for index in np.argsort(-areas, kind='stable'):  # what is in front is mostly smaller
        x1, y1, x2, y2 = corners[index]
        if not areas[index]:
            continue
        label, place = boxes.classes[index], (slice(y1, y2), slice(x1, x2))
        inside = mask[place]  # a view
        inside[:] = IGNORED
        if label != IGNORED:
            inside[_core(scores[:, y1:y2, x1:x2], label, rules.core)] = label
    return mask


def box_ids(
    box_classes: Sequence[str], classes: Sequence[str], names: Mapping[str, str]
) -> list[int]:
    """Return the id in the masks of each class of boxes; 255: its boxes are not labelled.

    Args:
        names: class of boxes -> class of masks, where they are called differently; '' for none.

    Raises:
        InputError: a class of boxes is none of the masks, or the background; a name that is not
            used.
    """
    unknown = sorted(set(names) - set(box_classes))
    if unknown:
        raise InputError(f'{unknown[0]!r} is no class of the boxes', where='--rename',
                         accepted=', '.join(box_classes) or 'nothing: there are no boxes')
    ids = {'': IGNORED} | {name.lower(): index for index, name in enumerate(classes) if index}
    wanted = {name: names.get(name, name).lower() for name in box_classes}
    strange = [name for name, meant in wanted.items() if meant not in ids]
    if strange:
        raise InputError(
            f'boxes of {", ".join(strange)} that are no class of the masks',
            accepted=', '.join(classes[1:]),
            remedy=' '.join(f'--rename {name}=CLASS' for name in strange)
            + '; without CLASS such boxes are not labelled',
        )
    return [ids[meant] for meant in wanted.values()]


def _core(scores: np.ndarray, label: int, part: float) -> tuple[np.ndarray, ...]:
    """Rows and columns of the pixels of C x h x w that stand out most as ``label``."""
    others = np.delete(scores, label, axis=0).max(0)
    share = scores[label] / np.maximum(scores[label] + others, 1e-9)
    count = max(1, round(part * share.size))
    order = np.argsort(-share, axis=None, kind='stable')[:count]
    return np.unravel_index(order, share.shape)


def _in_ids(boxes: Boxes, ids: Sequence[int]) -> Boxes:
    return Boxes(boxes.corners, np.asarray(ids, np.int64)[boxes.classes])


def _mirrored(shown: Shown) -> Shown:
    return shown._replace(
        rgb=shown.rgb.flip(-1), y=shown.y.flip(-1), thermal=shown.thermal.flip(-1)
    )


def _inside(corners: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Round N x 4 corners to whole pixels within an image of size H, W; an empty box stays so."""
    height, width = size
    low, high = np.floor(corners[:, :2]), np.ceil(corners[:, 2:])
    found = np.clip(np.concatenate([low, high], 1), 0, [width, height, width, height])
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2])
    return found.astype(int)
