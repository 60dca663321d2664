"""One frame's pictures as small files: photographs as JPEG, class layers as transparent PNG.

The browser lays the layers over the photographs, so the overlay costs a few kilobytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from vif_perception.report.palette import RGB

#: Longest side in px and JPEG quality; the first step that fits the budget is taken.
_STEPS = ((640, 80), (640, 60), (448, 50), (320, 40))

#: What the error layer shows, by the value in it. Colours: Okabe and Ito, told apart by
#: colour-blind eyes; 'correct' is an object found, agreement on nothing stays transparent.
ERRORS: tuple[tuple[str, RGB], ...] = (
    ('correct', (86, 180, 233)),
    ('missed', (213, 94, 0)),
    ('false', (240, 228, 66)),
    ('wrong class', (204, 121, 167)),
)
UNJUDGED: tuple[str, RGB] = ('not labelled', (120, 120, 120))

NOT_LABELLED = 255
_FILL, _EDGE, _ERROR = 115, 255, 205  # alpha 0..255


def encode_frame(
    photographs: Mapping[str, np.ndarray], layers: Mapping[str, tuple[np.ndarray, bytes, bytes]],
    budget: int,
) -> dict[str, bytes]:
    """Encode everything of one frame within a budget, giving up quality, then size.

    Args:
        photographs: name -> HxWx3 or HxW uint8.
        layers: name -> (HxW uint8 values, palette, alpha) as made by ``class_layer`` and
            ``error_layer``.
        budget: bytes for all of them together; the last step is taken whatever it needs.
    """
    for side, quality in _STEPS:
        files = {name: _jpeg(array, side, quality) for name, array in photographs.items()}
        files |= {name: _png(*layer, side) for name, layer in layers.items()}
        if sum(map(len, files.values())) <= budget:
            break
    return files


def class_layer(
    mask: np.ndarray, colors: tuple[RGB, ...], unlabeled: int
) -> tuple[np.ndarray, bytes, bytes]:
    """Classes half transparent with a full outline; HxW uint8 ids in, layer out.

    Outlines take the ids from len(colors) on; more than 127 classes have none.
    """
    count = len(colors)
    values = np.minimum(mask, count)
    alpha = [0 if index == unlabeled else _FILL for index in range(count)]
    palette = list(colors)
    if 2 * count < 256:
        edge = _edges(values) & (values != unlabeled) & (values < count)
        values = values + np.uint8(count + 1) * edge.astype(np.uint8)
        palette += [(0, 0, 0), *colors]
        alpha += [0, *(_EDGE for _ in colors)]
    else:
        palette, alpha = [*palette, (0, 0, 0)][:256], [*alpha, 0][:256]
    return values, bytes(part for color in palette for part in color), bytes(alpha)


def error_map(mask: np.ndarray, truth: np.ndarray, unlabeled: int) -> np.ndarray:
    """Compare ids with the truth: HxW uint8, 0 agreement on nothing, then as in ``ERRORS``.

    Pixels whose truth is 255 have the value len(ERRORS) + 1.
    """
    found, there = mask != unlabeled, truth != unlabeled
    result = np.zeros(mask.shape, np.uint8)
    result[found & there] = 4
    result[there & (mask == truth)] = 1
    result[there & ~found] = 2
    result[found & ~there] = 3
    result[truth == NOT_LABELLED] = len(ERRORS) + 1
    return result


def error_layer(errors: np.ndarray) -> tuple[np.ndarray, bytes, bytes]:
    """The colours of an error map."""
    palette = [(0, 0, 0), *(color for _, color in ERRORS), UNJUDGED[1]]
    alpha = [0, *(_ERROR for _ in ERRORS), _FILL]
    return errors, bytes(part for color in palette for part in color), bytes(alpha)


def _edges(values: np.ndarray) -> np.ndarray:
    """Two pixels wide where neighbours differ."""
    edge = np.zeros(values.shape, bool)
    across = values[:, 1:] != values[:, :-1]
    down = values[1:] != values[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


def _fit(image: Image.Image, side: int, how: Image.Resampling) -> Image.Image:
    scale = side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(part * scale)) for part in image.size)
    return image.resize((width, height), how)


def _jpeg(array: np.ndarray, side: int, quality: int) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(array))
    out = io.BytesIO()
    _fit(image, side, Image.Resampling.BOX).save(out, 'JPEG', quality=quality)
    return out.getvalue()


def _png(values: np.ndarray, palette: bytes, alpha: bytes, side: int) -> bytes:
    height, width = values.shape
    image = Image.frombytes('P', (width, height), values.tobytes())
    image.putpalette(palette)
    out = io.BytesIO()
    _fit(image, side, Image.Resampling.NEAREST).save(out, 'PNG', transparency=alpha)
    return out.getvalue()
