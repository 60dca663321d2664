"""Lens distortion of pinhole cameras: plumb_bob (Brown, 5 terms) and rational (8 terms).

Points are on the plane Z = 1 of the camera (x right, y down, REP 103 optical frame), no unit.
Model and coefficient order as in sensor_msgs/CameraInfo and OpenCV's calib3d:
k1 k2 p1 p2 [k3 [k4 k5 k6]].
"""

from __future__ import annotations

import numpy as np


def distort(points: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return where the lens shows ideal points.

    Args:
        points: ...x2 float64, ideal (x, y).
        coefficients: 4, 5 or 8 numbers.

    Returns:
        ...x2 float64; NaN beyond the radius up to which the model is one-to-one: polynomials
        turn back there and would show the scene a second time.
    """
    terms = _padded(coefficients)
    x, y = points[..., 0], points[..., 1]
    shown = np.stack(_apply(x, y, terms), axis=-1)
    shown[np.hypot(x, y) > _largest_radius(terms)] = np.nan
    return shown


def undistort(points: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return the ideal points that the lens shows at ``points``; the inverse of distort.

    Args:
        points: ...x2 float64, distorted (x, y).
        coefficients: 4, 5 or 8 numbers.

    Returns:
        ...x2 float64; NaN where the model shows nothing at that place.
    """
    terms = _padded(coefficients)
    if not terms.any():
        return points.copy()
    limit = _largest_radius(terms)
    wanted_x, wanted_y = points[..., 0], points[..., 1]
    x, y = _start(wanted_x, wanted_y, terms, limit)
    for _ in range(20):  # Newton's method; two to four rounds unless the lens is extreme
        shown_x, shown_y = _apply(x, y, terms)
        error_x, error_y = shown_x - wanted_x, shown_y - wanted_y
        if max(np.abs(error_x).max(initial=0), np.abs(error_y).max(initial=0)) < 1e-12:
            break
        xx, xy, yx, yy = _jacobian(x, y, terms)
        determinant = xx * yy - xy * yx
        determinant = np.where(np.abs(determinant) < 1e-9, 1e-9, determinant)
        x = x - (yy * error_x - xy * error_y) / determinant
        y = y - (xx * error_y - yx * error_x) / determinant
    ideal = np.stack((x, y), axis=-1)
    shown_x, shown_y = _apply(x, y, terms)
    missed = np.hypot(shown_x - wanted_x, shown_y - wanted_y) > 1e-7
    ideal[missed | ~(np.hypot(x, y) <= limit)] = np.nan
    return ideal


def _padded(coefficients: np.ndarray) -> np.ndarray:
    terms = np.zeros(8)
    terms[: len(coefficients)] = coefficients
    return terms


def _gain(squared: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Radial factor at squared radius r^2."""
    k1, k2, _, _, k3, k4, k5, k6 = terms
    above = 1 + squared * (k1 + squared * (k2 + squared * k3))
    return above / (1 + squared * (k4 + squared * (k5 + squared * k6)))


def _apply(x: np.ndarray, y: np.ndarray, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p1, p2 = terms[2], terms[3]
    squared = x * x + y * y
    gain = _gain(squared, terms)
    return (
        x * gain + 2 * p1 * x * y + p2 * (squared + 2 * x * x),
        y * gain + p1 * (squared + 2 * y * y) + 2 * p2 * x * y,
    )


def _jacobian(
    x: np.ndarray, y: np.ndarray, terms: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    k1, k2, p1, p2, k3, k4, k5, k6 = terms
    squared = x * x + y * y
    gain = _gain(squared, terms)
    below = 1 + squared * (k4 + squared * (k5 + squared * k6))
    slope = (k1 + squared * (2 * k2 + squared * 3 * k3)) / below  # d gain / d r^2
    slope = slope - gain * (k4 + squared * (2 * k5 + squared * 3 * k6)) / below
    cross = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
    return (
        gain + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x,
        cross,
        cross,
        gain + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x,
    )


def _radii(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ideal radii and the radii at which the lens shows them, as far as both rise."""
    ideal = np.linspace(0, 6, 6001)  # 6: about 80 degrees off the axis
    shown = ideal * _gain(ideal**2, terms)
    falls = np.flatnonzero(~(np.diff(shown) > 0))
    end = int(falls[0]) + 1 if falls.size else ideal.size
    return ideal[:end], shown[:end]


def _largest_radius(terms: np.ndarray) -> float:
    ideal = _radii(terms)[0]
    return float(ideal[-1]) if len(ideal) < 6001 else float('inf')


def _start(
    wanted_x: np.ndarray, wanted_y: np.ndarray, terms: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Invert the radial part by a table: Newton then starts near the right solution."""
    ideal, shown = _radii(terms)
    wanted = np.hypot(wanted_x, wanted_y)
    ratio = np.interp(wanted, shown, ideal) / np.maximum(wanted, 1e-12)
    return wanted_x * ratio, wanted_y * ratio
