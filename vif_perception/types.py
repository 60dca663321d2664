"""What flows through the rooms. Time is an int of nanoseconds everywhere below the doors."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Camera = Literal['thermal', 'rgb']


class Mode(str, enum.Enum):
    """What the output was made from."""

    FUSED = 'FUSED'
    RGB_ONLY = 'RGB_ONLY'
    THERMAL_ONLY = 'THERMAL_ONLY'
    STALE = 'STALE'
    ERROR = 'ERROR'


@dataclass(frozen=True)
class Frame:
    """One camera image as it came, without a copy.

    Attributes:
        stamp_ns: acquisition time, ns, from the message header.
        frame_id: coordinate frame of the optical centre.
        data: HxW (mono) or HxWxC view, uint8, uint16 or float32, in native byte order.
            Rows may be padded (positive strides); columns and channels are contiguous.
        encoding: sensor_msgs/image_encodings name of ``data``.
    """

    stamp_ns: int
    frame_id: str
    data: np.ndarray
    encoding: str

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in px."""
        return self.data.shape[1], self.data.shape[0]


@dataclass(frozen=True)
class FramePair:
    """A synchronised pair, or a partial when one side is None.

    ``skew_ns`` is thermal stamp (after the configured offset) minus rgb stamp; 0 for a partial.
    """

    thermal: Frame | None
    rgb: Frame | None
    skew_ns: int = 0


@dataclass(frozen=True)
class CameraModel:
    """Pinhole camera with plumb_bob/radtan or rational_polynomial distortion.

    Attributes:
        size: (width, height) in px.
        matrix: K, 3x3 float64, px: [u v 1]^T ~ K [X Y Z]^T, Z forward (REP 103 optical frame).
        distortion: k1 k2 p1 p2 [k3 [k4 k5 k6]] as in plumb_bob and rational_polynomial; zeros
            when none.
        frame_id: optical frame, '' when unknown.
    """

    size: tuple[int, int]
    matrix: np.ndarray
    distortion: np.ndarray
    frame_id: str = ''


@dataclass(frozen=True)
class Calibration:
    """How the other camera's pixels are found from the reference camera's pixels.

    Attributes:
        reference: the camera whose stamp, frame and size the outputs carry.
        size: (width, height) of the reference image, px.
        other_size: (width, height) of the other camera's image, px.
        grid: None when both images are aligned and of equal size; else HxWx2 float32, for each
            reference pixel (row v, column u) the position (x, y) in px in the other image
            (pixel centres at integers; positions outside the image see nothing).
        source: how it was obtained, for diagnostics.
        doubt: why the images are probably not aligned although they count as such, '' otherwise.
    """

    reference: Camera
    size: tuple[int, int]
    other_size: tuple[int, int]
    grid: np.ndarray | None
    source: str = 'identity'
    doubt: str = ''


@dataclass(frozen=True)
class LabelSet:
    """Class names and colours; the index is the id in the mask.

    Attributes:
        names: one per id.
        colors: (r, g, b) 0..255 per id.
        unlabeled: the id that stands for "nothing"; 255 always means "not labelled at all".
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    unlabeled: int = 0

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Perception:
    """The result for one pair or partial, at the reference camera's native size.

    Attributes:
        stamp_ns, frame_id: those of the reference camera, bit for bit (of the camera that was
            there when the reference was missing).
        fused: HxWx3 uint8 rgb8.
        mask: HxW uint8 class ids, C-contiguous (step == width).
        confidence: HxW uint8, round(255 * max softmax), calibrated, unthresholded.
        entities: name -> score 0..1.
        mode: FUSED, RGB_ONLY or THERMAL_ONLY; reason says why it is not FUSED.
        skew_ns: thermal minus rgb stamp; 0 when there is only one camera.
        timings_ns: stage -> ns; empty when the pipeline was given no timer.
    """

    stamp_ns: int
    frame_id: str
    fused: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray
    entities: Mapping[str, float]
    mode: Mode
    reason: str = ''
    skew_ns: int = 0
    timings_ns: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Percentiles:
    """p50, p95, p99 and maximum of a series, in the unit of the field that holds it."""

    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True)
class Health:
    """One snapshot from which diagnostics, the status message and the report are all made.

    Attributes:
        mode, reason: what the last output was made from and why.
        received: camera -> frames that arrived.
        rate_hz: camera -> rate over the recent window, from receive times.
        pairs, partials: synchroniser outputs.
        processed: perceptions made; modes: how many in each mode.
        drops: cause -> frames that reached no output.
        conditions: camera -> '' when usable, else what is wrong (frozen, blank, dark, ...).
        skew_ms: |skew| of pairs, None before the first.
        latency_ms: stage -> percentiles over the recent window.
        registration_score: edge agreement 0..1 over time, None when not measured.
        registration_shift_px: how far the thermal picture slid (right, down) since it was
            calibrated, px of the output; None when it did not, or that is not certain.
        recalibrations: how often a changed image size or camera model replaced the calibration.
        errors: worker exceptions survived; last_error the text of the newest, or of the newest
            image that was refused.
    """

    mode: Mode
    reason: str
    received: Mapping[Camera, int]
    rate_hz: Mapping[Camera, float]
    pairs: int
    partials: int
    processed: int
    modes: Mapping[str, int]
    drops: Mapping[str, int]
    conditions: Mapping[Camera, str]
    skew_ms: Percentiles | None
    latency_ms: Mapping[str, Percentiles]
    registration_score: float | None = None
    registration_shift_px: tuple[float, float] | None = None
    recalibrations: int = 0
    errors: int = 0
    last_error: str = ''
