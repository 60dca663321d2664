"""Class colours that can be read on top of a photograph.

The palettes of the data sets are dark (MFNet's person is 64, 64, 0) and some differ only in
brightness. Here every class keeps its hue as far as it can, gets the same lightness, and moves on
to a neighbouring hue where an earlier class already has its colour. Overlay and legend use the
same list. Colour space: Oklab (Ottosson, "A perceptual color space for image processing", 2020).
"""

from __future__ import annotations

import math

from vif_perception.types import LabelSet

RGB = tuple[int, int, int]

_LIGHTNESS = 0.78
_CHROMA = 0.17
_APART = 0.10  # Oklab distance at which two colours are told apart at a glance


def display_colors(labels: LabelSet) -> tuple[RGB, ...]:
    """One (r, g, b) 0..255 per class id, bright and distinct; the unlabelled one is black."""
    taken: list[tuple[float, float, float]] = []
    colors: list[RGB] = []
    for index, color in enumerate(labels.colors):
        if index == labels.unlabeled:
            colors.append((0, 0, 0))
            continue
        lab = _free_color(_to_lab(color), taken)
        taken.append(lab)
        colors.append(_to_rgb(lab))
    return tuple(colors)


def _free_color(
    lab: tuple[float, float, float], taken: list[tuple[float, float, float]]
) -> tuple[float, float, float]:
    """Return the nearest bright variant of a colour that no earlier class has."""
    best, best_gap = lab, -1.0
    for candidate in _variants(lab):
        gap = min((math.dist(candidate, other) for other in taken), default=1.0)
        if gap >= _APART:
            return candidate
        if gap > best_gap:
            best, best_gap = candidate, gap
    return best


def _variants(lab: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    """Bright variants of a colour, nearest hue first, then lighter and darker ones."""
    hue = math.atan2(lab[2], lab[1])
    chroma = _CHROMA if math.hypot(lab[1], lab[2]) > 0.03 else 0.0
    turns = [0] + [sign * step for step in range(20, 181, 20) for sign in (-1, 1)]
    return [
        _inside_gamut(lightness, chroma, hue + math.radians(turn))
        for lightness in (_LIGHTNESS, _LIGHTNESS - 0.14, _LIGHTNESS + 0.12)
        for turn in (turns if chroma else [0])
    ]


def _inside_gamut(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """Lower the chroma until sRGB can show the colour."""
    while True:
        lab = (lightness, chroma * math.cos(hue), chroma * math.sin(hue))
        if chroma <= 0 or all(-0.001 <= value <= 1.001 for value in _to_linear(lab)):
            return lab
        chroma -= 0.01


def _to_lab(color: RGB) -> tuple[float, float, float]:
    r, g, b = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in color)
    )
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    medium = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _to_linear(lab: tuple[float, float, float]) -> tuple[float, float, float]:
    lightness, a, b = lab
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _to_rgb(lab: tuple[float, float, float]) -> RGB:
    r, g, b = (
        round(255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))
        for value in (min(max(part, 0.0), 1.0) for part in _to_linear(lab))
    )
    return r, g, b
