"""How well the edges of a thermal and a visible picture lie on each other, and how far they slid.

Edges of both spectra share places and directions, not brightness nor its sign. So every pixel
gets the direction of its gradient with the angle doubled (dark-to-light equals light-to-dark) and
a length that saturates above the mean gradient; both fields are correlated for all shifts at once
by FFT. After the normalised gradient fields of Haber and Modersitzki (2006) and the orientation
correlation of Fitch et al. (2002).
"""

from __future__ import annotations

import numpy as np

#: Longest side of the pictures that are compared, px.
SIDE = 160


def sampled(image: np.ndarray, grid: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    """Return a small float32 picture in the geometry of ``grid``; NaN where it sees nothing.

    Args:
        image: h x w of any number type.
        grid: as in ``Calibration``; None: the picture is in that geometry already.
        size: (width, height) of the geometry, px.
    """
    step = scale(size)
    half = max(1, step // 2)
    if grid is None:
        dense = image[::half, ::half].astype(np.float32)
    else:
        places = np.rint(grid[::half, ::half])
        inside = (
            (places >= 0) & (places < np.array(image.shape[1::-1], np.float32))
        ).all(axis=2)
        column, row = np.where(inside[..., None], places, 0).astype(np.intp).transpose(2, 0, 1)
        dense = np.where(inside, image[row, column].astype(np.float32), np.float32(np.nan))
    if step == half:
        return dense
    height, width = dense.shape[0] // 2 * 2, dense.shape[1] // 2 * 2
    # The mean of four samples is little blurred, and enough against jagged edges.
    even = dense[:height, :width]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def scale(size: tuple[int, int]) -> int:
    """Return how many px of the geometry one px of the small picture stands for."""
    step = -(-max(size) // SIDE)
    return step if step == 1 else step + step % 2


def correlation(rgb: np.ndarray, thermal: np.ndarray) -> np.ndarray | None:
    """Return the agreement of edge directions for all shifts, h x w in -1..1.

    ``result[dy, dx]`` (negative shifts from the end) is 1 when the thermal picture is the other
    one moved by dx to the right and dy down, about 0 for pictures that have nothing in common.
    None when one of them has no edges.

    Args:
        rgb: h x w float32 brightness, NaN where nothing is seen.
        thermal: the same of the thermal camera.
    """
    fields = [_directions(picture) for picture in (rgb, thermal)]
    power = float(np.prod([np.square(np.abs(field)).sum() for field in fields]))
    if not power > 0:
        return None
    here, there = (np.fft.fft2(field) for field in fields)
    surface: np.ndarray = np.fft.ifft2(np.conj(here) * there).real / power**0.5
    return surface


def _directions(picture: np.ndarray) -> np.ndarray:
    """Return h x w complex: direction with doubled angle, length 0..1; 0 at the border."""
    field = np.zeros(picture.shape, np.complex64)
    if min(picture.shape) < 3:
        return field
    across = picture[1:-1, 2:] - picture[1:-1, :-2]
    down = picture[2:, 1:-1] - picture[:-2, 1:-1]
    gradient = np.nan_to_num(across + 1j * down)
    power = np.square(np.abs(gradient))
    typical = power.mean()
    if typical > 0:
        inner = gradient**2 / (power + typical)
        # A street is full of uprights: without its mean every shift would agree a little.
        edges = power > 0
        inner[edges] -= inner[edges].mean()
        field[1:-1, 1:-1] = inner
    return field
