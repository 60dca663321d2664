"""What every data set gives: one sample type, and where its files are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vif_perception.config import ThermalConfig

#: Mask value of pixels that nobody labelled.
IGNORED = 255


@dataclass(frozen=True)
class Boxes:
    """Objects of one image.

    Attributes:
        corners: N x 4 float32, (x1, y1, x2, y2) px of the thermal image.
        classes: N int64, index into ``PairDataset.box_classes``.
    """

    corners: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class Sample:
    """One scene, all images of one size and aligned.

    Attributes:
        id: unique within the data set.
        rgb: HxWx3 uint8, None where there is only thermal.
        thermal: HxW uint8 or uint16, as stored: no gain, no window.
        mask: HxW uint8 class ids, 255 not labelled; None without labels.
        boxes: objects, None where nobody drew boxes (an empty list means: nothing there).
        day_night: 'day', 'night', or '' when unknown.
        meaning: of the thermal values.
    """

    id: str
    rgb: np.ndarray | None
    thermal: np.ndarray
    mask: np.ndarray | None = None
    boxes: Boxes | None = None
    day_night: str = ''
    meaning: ThermalConfig = field(default_factory=ThermalConfig)


@dataclass(frozen=True)
class Record:
    """The files of one sample. ``rgb == thermal``: one four-channel PNG holds both (MFNet).

    ``boxes`` is what was read already, or the Pascal VOC file to read.
    """

    id: str
    thermal: Path
    rgb: Path | None = None
    mask: Path | None = None
    boxes: Boxes | Path | None = None
    day_night: str = ''

    @property
    def files(self) -> tuple[Path, ...]:
        """All image files, each once."""
        found = (self.rgb, self.thermal, self.mask)
        return tuple(dict.fromkeys(path for path in found if path is not None))
