"""What every objective offers, whatever the family: see :mod:`.objectives` for the families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from vif_perception.errors import InputError
from vif_perception.models.deploy import LUMA
from vif_perception.models.prediction import Prediction
from vif_perception.training.balance import by_task


class Shown(NamedTuple):
    """What a network is shown, and what it should answer.

    Attributes:
        rgb: N x 3 x H x W; y, thermal: N x 1 x H x W, 0..1, black where a camera is absent.
        present: N x 2 flags: rgb, thermal; mask: N x H x W ids, 255 ignored.
        entities: N x K flags 0 or 1.
    """

    rgb: Tensor
    y: Tensor
    thermal: Tensor
    present: Tensor
    mask: Tensor
    entities: Tensor

    @classmethod
    def of(
        cls, rgb: Tensor, thermal: Tensor, mask: Tensor, present: Tensor, entities: Tensor
    ) -> Shown:
        """Take the absent cameras away; images N x 3 or 1 x H x W, 0..1."""
        rgb, thermal = (
            image * present[:, index, None, None, None]
            for index, image in enumerate((rgb, thermal))
        )
        rgb = rgb.contiguous(memory_format=torch.channels_last)
        red, green, blue = (
            weight * plane for weight, plane in zip(LUMA, rgb.split(1, 1), strict=True)
        )
        return cls(rgb, red + green + blue, thermal, present, mask, entities)

    @property
    def both(self) -> Tensor:
        """N flags: both cameras are there."""
        return self.present.prod(1)


Network = TypeVar('Network', bound=nn.Module)
Teach = Callable[[Prediction, Shown, Mapping[str, float]], dict[str, Tensor]]
#: Terms of a teacher and their weights.
TAUGHT = {'mask_teacher': 3.0, 'fusion_teacher': 0.0}


class Objective(Generic[Network]):
    """The objective of one family for one network.

    Attributes:
        TERMS: name of each loss term and its weight in the family; what the name says before
            the first underscore is its task.
        selects: what the val split selects by: mean IoU, or the smallest loss.
        staged: some terms are there in parts of the training only.
        extra: a module that learns beside the network and is thrown away, such as a head that
            only pre-training needs.

    Args:
        network: in training mode when the objective is called.
        weights: of terms, where not the family's own; terms with weight 0 are left out.
        teach: makes the terms :data:`TAUGHT`, given all weights.

    Raises:
        InputError: a weight for a term that there is not.
    """

    TERMS: ClassVar[Mapping[str, float]]
    selects: Literal['miou', 'loss'] = 'miou'
    staged: ClassVar[bool] = False
    extra: nn.Module | None = None

    def __init__(
        self, network: Network, weights: Mapping[str, float] | None = None,
        teach: Teach | None = None,
    ):
        self.network, self._teach = network, teach
        known = {**self.TERMS, **(TAUGHT if teach else {})}
        unknown = sorted(set(weights or {}) - set(known))
        if unknown:
            raise InputError(
                f'unknown loss term {unknown[0]!r}', where='objective.weights',
                accepted=', '.join(known),
            )
        self.weights = {**known, **(weights or {})}

    def __call__(self, shown: Shown, progress: float) -> dict[str, Tensor]:
        """Run the network and return its loss terms, scalars before they are weighed.

        The network runs in the caller's autocast, the losses in float32.

        Args:
            progress: through the training, 0..1.
        """
        prediction = self.predict(shown, progress)
        with torch.autocast(shown.rgb.device.type, enabled=False):
            prediction = in_float32(prediction)
            terms = self.terms(prediction, shown)
            if self._teach:
                terms |= self._teach(prediction, shown, self.weights)
        return {name: value for name, value in terms.items() if self.weights[name]}

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Sum of the weighted terms: the loss under fixed weights."""
        return torch.stack(list(by_task(terms, self.weights).values())).sum()

    def predict(self, shown: Shown, progress: float) -> Prediction:
        """Run the network as it is trained."""
        return self.network(shown.rgb, shown.y, shown.thermal, shown.present)

    def terms(self, prediction: Prediction, shown: Shown) -> dict[str, Tensor]:
        """Loss terms of a prediction in float32, by name."""
        raise NotImplementedError


def in_float32(prediction: Prediction) -> Prediction:
    """Return the prediction in the precision that losses need."""
    def cast(value: Any) -> Tensor:
        return value.float()

    return Prediction(
        cast(prediction.fused_y), cast(prediction.logits), cast(prediction.entity_logits),
        {name: cast(value) for name, value in prediction.auxiliaries.items()},
    )
