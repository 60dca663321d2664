"""CompressedImage messages (JPEG, PNG, 16-bit PNG) as arrays; the size is checked first."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image

from vif_perception.errors import InputError
from vif_perception.sensing.encodings import check_size, require_grey
from vif_perception.types import Camera

Buffer = bytes | bytearray | memoryview | np.ndarray

_PNG = b'\x89PNG\r\n\x1a\n'
_JPEG = b'\xff\xd8\xff'
_DEEP = ('mono16', '16uc1', '32fc1', '16sc1')
_DEEP_MODES = ('I;16', 'I;16B', 'I;16L', 'I')
_ACCEPTED: dict[Camera, str] = {
    'thermal': '8-bit grey JPEG or PNG, 16-bit grey PNG',
    'rgb': '8-bit colour or grey JPEG or PNG',
}


def decode_compressed(
    *, format: str, data: Buffer, camera: Camera, max_pixels: int
) -> tuple[np.ndarray, str]:
    """Decode a CompressedImage message.

    Args:
        format: as image_transport writes it (``mono16; png compressed mono16``) or short
            (``png``). The bytes decide how to decode; the text tells what was compressed.
        data: the compressed bytes.
        camera: decides what is accepted.
        max_pixels: largest accepted width x height, checked before decoding.

    Returns:
        The image, C-contiguous HxW uint8 | uint16 or HxWx3 | HxWx4 uint8, and its encoding:
        mono8, mono16, rgb8 or rgba8.

    Raises:
        InputError: other codec, truncated or damaged data, zero or huge size, JPEG of a 16-bit
            stream, depth or colours this camera must not have.
    """
    codec = _codec(format, data)
    if camera == 'thermal' and codec == 'JPEG' and format.lower().startswith(_DEEP):
        raise InputError(
            f'format is {format!r}: JPEG keeps 8 bit and destroys thermal values',
            accepted=_ACCEPTED[camera],
            remedy='set the compressed transport of this topic to png, or use the raw topic',
        )
    image = _decode(data, codec, max_pixels)
    array, encoding = _to_array(image)
    if camera == 'rgb' and encoding == 'mono16':
        raise InputError(
            'the visible image is 16-bit grey', accepted=_ACCEPTED[camera],
            remedy='is this the thermal topic?',
        )
    if camera == 'thermal' and array.ndim == 3:
        require_grey(array)
    return array, encoding


def decode_compressed_mask(*, data: Buffer, max_pixels: int) -> np.ndarray:
    """Decode a ground-truth mask: HxW uint8 class ids from an 8-bit grey or palette PNG.

    Raises:
        InputError: JPEG (it invents ids along edges), other codec or depth, damaged data, size.
    """
    if _codec('', data) == 'JPEG':
        raise InputError(
            'mask is a JPEG, which invents class ids along edges', accepted='8-bit PNG',
            remedy='record the mask raw or as PNG',
        )
    image = _decode(data, 'PNG', max_pixels)
    if image.mode not in ('L', 'P'):  # of a palette image the indices are the ids
        raise InputError(
            f'mask is a PNG of mode {image.mode}', accepted='one 8-bit channel of class ids'
        )
    return np.array(image)


def _codec(text: str, data: Buffer) -> str:
    if 'compresseddepth' in text.lower().replace('_', ''):
        raise InputError(
            f'format is {text!r}', accepted='the compressed transport with jpeg or png',
            remedy='subscribe to .../compressed instead of .../compressedDepth',
        )
    start = bytes(data[:8])
    if start.startswith(_JPEG):
        return 'JPEG'
    if start == _PNG:
        return 'PNG'
    found = f'bytes start with {start.hex(" ")}' if start else 'data is empty'
    raise InputError(
        f'not a JPEG or PNG image: {found} (format {text!r})', accepted='JPEG or PNG',
        remedy='the message is damaged or of another codec: publish jpeg or png',
    )


def _decode(data: Buffer, codec: str, max_pixels: int) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # our limit replaces Pillow's warning, which would only be printed
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(bytes(data)), formats=(codec,))
        check_size(*image.size, max_pixels)
        # byte 24 of a PNG is the bit depth; Pillow would silently drop half of a 16-bit colour
        if codec == 'PNG' and data[24] == 16 and image.mode not in _DEEP_MODES:
            raise InputError('PNG has 16-bit colours', accepted='8-bit colours or 16-bit grey')
        image.load()
    except InputError:
        raise
    except Exception as error:  # damaged files raise many kinds: OSError, SyntaxError, ...
        raise InputError(
            f'{codec} of {len(data)} bytes cannot be decoded ({error})', accepted='a whole image',
            remedy='the data is truncated or damaged: check the recorder or the network',
        ) from None
    return image


def _to_array(image: Image.Image) -> tuple[np.ndarray, str]:
    if image.mode in _DEEP_MODES:  # Pillow below 11 opens 16-bit grey as 32-bit 'I'
        return np.asarray(image).astype(np.uint16), 'mono16'
    if image.mode in ('1', 'LA'):
        image = image.convert('L')
    elif image.mode == 'P':
        image = image.convert('RGB')
    encoding = {'L': 'mono8', 'RGB': 'rgb8', 'RGBA': 'rgba8'}.get(image.mode)
    if encoding is None:
        raise InputError(
            f'image mode is {image.mode}', accepted='grey, RGB, RGBA or palette',
            remedy='republish the image as rgb8',
        )
    return np.asarray(image), encoding
