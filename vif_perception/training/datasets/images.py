"""Image files as arrays; whatever is wrong with one is said with its path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vif_perception.errors import InputError

#: How image files end.
SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff')
_DEEP = ('I;16', 'I;16L', 'I;16B', 'I')


def read_rgb(path: Path) -> np.ndarray:
    """Return HxWx3 uint8; grey pictures (TNO) are repeated three times.

    Raises:
        InputError: not there, not an image, damaged, or 16-bit.
    """
    image = _open(path)
    if image.mode in (*_DEEP, 'F'):
        raise InputError(f'has mode {image.mode}', where=str(path),
                         accepted='8-bit colour or grey', remedy='is this the thermal image?')
    return np.array(image.convert('RGB'))


def read_thermal(path: Path) -> np.ndarray:
    """Return HxW uint8 or uint16; of colour files that are really grey the one channel.

    Raises:
        InputError: not there, not an image, damaged, a colour palette, which has no order, or
            float values that 8 bit cannot hold.
    """
    image = _open(path)
    if image.mode == 'F':
        _check_floats(np.asarray(image), path)
    if image.mode in _DEEP:
        values = np.asarray(image)
        if values.size and not 0 <= values.min() <= values.max() <= 65535:
            raise InputError('holds values beyond 16 bit', where=str(path), accepted='0..65535')
        return values.astype(np.uint16)
    if image.mode in ('L', '1', 'LA'):
        return np.array(image.convert('L'))
    colours = np.asarray(image.convert('RGB'))
    # JPEG keeps grey only nearly equal in its three channels
    if int(np.abs(colours[..., :1].astype(np.int16) - colours).max(initial=0)) > 24:
        raise InputError(
            'thermal image is coloured', where=str(path), accepted='grey, 8 or 16 bit',
            remedy='export it from the camera without a colour palette',
        )
    return np.array(image.convert('L'))


def _check_floats(values: np.ndarray, path: Path) -> None:
    known = values[np.isfinite(values)]
    if not known.size:
        raise InputError('holds no number, only NaN or infinity', where=str(path),
                         accepted='an image with temperatures or grey values')
    if not 0 <= known.min() <= known.max() <= 255:  # they would become black or white
        raise InputError(
            f'holds float values {known.min():g}..{known.max():g}', where=str(path),
            accepted='grey, 8 or 16 bit; floats only 0..255, which are rounded',
            remedy='save temperatures as 16-bit PNG of round(100 * kelvin)',
        )


def read_both(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return (rgb HxWx3, thermal HxW), uint8, of one four-channel PNG as MFNet has them.

    Raises:
        InputError: not there, not an image, damaged, or without the fourth channel.
    """
    image = _open(path)
    if image.mode != 'RGBA':
        raise InputError(
            f'has mode {image.mode}', where=str(path),
            accepted='PNG with four channels: red, green, blue, thermal',
            remedy='unpack the archive of MFNet again; converted copies are read as `folder`',
        )
    pixels = np.array(image)
    return np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])


def read_mask(path: Path) -> np.ndarray:
    """Return HxW uint8 class ids; of a palette image the indices are the ids.

    Raises:
        InputError: not there, damaged, a JPEG (it invents ids), or coloured.
    """
    image = _open(path)
    if image.format == 'JPEG':
        raise InputError('mask is a JPEG, which invents class ids along edges', where=str(path),
                         accepted='PNG', remedy='export the masks as PNG')
    if image.mode not in ('L', 'P'):
        raise InputError(
            f'mask has mode {image.mode}', where=str(path),
            accepted='one 8-bit channel of class ids',
            remedy='give the folder with ids, not the one with colours for people to look at',
        )
    return np.array(image)


def _open(path: Path) -> Image.Image:
    if path.exists() and not path.is_file():
        raise InputError('is no file', where=str(path), accepted='an image')
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise InputError('is missing', where=str(path), remedy='unpack the archive again, or '
                         'take the entry out of the list') from None
    except Exception as error:  # damaged files make Pillow raise nearly anything
        raise InputError(f'cannot be read ({error})', where=str(path), accepted='a whole image',
                         remedy='the file is damaged: copy or download it again') from None
