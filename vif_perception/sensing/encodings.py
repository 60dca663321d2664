"""Raw image messages (sensor_msgs/Image fields) as NumPy views, checked once at the border."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vif_perception.errors import InputError
from vif_perception.types import Camera, Frame


class _Layout(NamedTuple):
    kind: str
    channels: int


_LAYOUTS = {
    'mono8': _Layout('u1', 1),
    '8UC1': _Layout('u1', 1),
    'mono16': _Layout('u2', 1),
    '16UC1': _Layout('u2', 1),
    '32FC1': _Layout('f4', 1),
    'rgb8': _Layout('u1', 3),
    'bgr8': _Layout('u1', 3),
    'rgba8': _Layout('u1', 4),
    'bgra8': _Layout('u1', 4),
}
_COLOUR = ('rgb8', 'bgr8', 'rgba8', 'bgra8')
_MASK = ('mono8', '8UC1')
_ACCEPTED: dict[Camera, tuple[str, ...]] = {
    'thermal': tuple(_LAYOUTS),
    'rgb': (*_COLOUR, 'mono8', '8UC1'),
}
_REMEDIES = {
    'bayer': 'run image_proc on this topic and use its image_color',
    'yuv': 'run image_proc on this topic and use its image_color',
    'uyvy': 'run image_proc on this topic and use its image_color',
    'yuyv': 'run image_proc on this topic and use its image_color',
    'nv': 'run image_proc on this topic and use its image_color',
    '8uc3': 'set the encoding of the driver to rgb8 or bgr8',
    '8uc4': 'set the encoding of the driver to rgba8 or bgra8',
    'mono16': 'the visible camera must publish 8 bit; is this the thermal topic?',
    '16uc1': 'the visible camera must publish 8 bit; is this the thermal topic?',
    '32fc1': 'the visible camera must publish 8 bit; is this the thermal topic?',
}


def decode_image(
    *, height: int, width: int, encoding: str, is_bigendian: bool | int, step: int, data: Any,
    camera: Camera, max_pixels: int,
) -> np.ndarray:
    """Return the pixels of an Image message without copying them.

    Args:
        height: rows, px.
        width: columns, px.
        encoding: sensor_msgs/image_encodings name.
        is_bigendian: byte order of 16 and 32 bit values.
        step: bytes from one row to the next; may exceed the bytes of a row.
        data: any contiguous buffer of at least height x step bytes. The result refers to it, so
            it must not be overwritten afterwards.
        camera: decides which encodings are accepted.
        max_pixels: largest accepted width x height.

    Returns:
        HxW or HxWxC uint8, uint16 or float32 in native byte order. A view of ``data``; a copy
        only for foreign byte order or values that lie unaligned in memory (odd ``step``).

    Raises:
        InputError: encoding not accepted for this camera, zero or huge size, step shorter than a
            row, data shorter than height x step, a colour palette on the thermal topic.
    """
    check_size(width, height, max_pixels)
    image = _view(height, width, _accept(encoding, _ACCEPTED[camera], camera), is_bigendian,
                  step, data)
    if camera == 'thermal' and image.ndim == 3:
        require_grey(image)
    return image


def decode_mask(
    *, height: int, width: int, encoding: str, is_bigendian: bool | int, step: int, data: Any,
    max_pixels: int,
) -> np.ndarray:
    """Return the class ids of a ground-truth Image message: HxW uint8, a view of ``data``.

    Raises:
        InputError: as decode_image; only mono8 and 8UC1 are accepted.
    """
    check_size(width, height, max_pixels)
    return _view(height, width, _accept(encoding, _MASK, 'mask'), is_bigendian, step, data)


def check_frame(frame: Frame, camera: Camera) -> None:
    """Refuse a frame whose data is not what its encoding says; decode_image never makes one.

    Raises:
        InputError: encoding not accepted for this camera, or other values or channels.
    """
    layout = _accept(frame.encoding, _ACCEPTED[camera], camera)
    channels = 1 if frame.data.ndim == 2 else frame.data.shape[2]
    if (frame.data.dtype, channels) != (np.dtype(layout.kind), layout.channels):
        raise InputError(
            f'{camera} image is {frame.data.dtype.name} with {channels} channels but its encoding'
            f' is {frame.encoding!r}', accepted='data as the encoding says',
            remedy='check the encoding the driver sets',
        )


def rgb_view(frame: Frame) -> tuple[np.ndarray, bool]:
    """Return (HxWx3 uint8 with positive strides, True when the channel order is B G R).

    Colour frames are views without the alpha channel; grey ones are repeated (a copy).
    """
    if frame.data.ndim == 2:
        return np.repeat(frame.data[..., None], 3, axis=2), False
    return frame.data[..., :3], frame.encoding.startswith('bgr')


def thermal_view(frame: Frame) -> np.ndarray:
    """Return a HxW uint8, uint16 or float32 view; of a grey colour image the green channel."""
    return frame.data if frame.data.ndim == 2 else frame.data[..., 1]


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse an empty or too large image before any memory is taken for it."""
    if width <= 0 or height <= 0:
        raise InputError(
            f'image size is {width}x{height}', accepted='at least 1x1 px',
            remedy='check the driver: it publishes empty images',
        )
    if width * height > max_pixels:
        raise InputError(
            f'image size {width}x{height} is {width * height} px',
            accepted=f'at most {max_pixels} px',
            remedy='reduce the image or raise limits.max_pixels',
        )


def require_grey(image: np.ndarray) -> None:
    """Refuse a thermal picture drawn with a colour palette; HxWx3 or HxWx4 uint8.

    Looks at about 4000 pixels. A few coloured ones (overlay text, JPEG noise) are tolerated.
    """
    sample = subsample(image, 4000)[..., :3].astype(np.int16)
    spread = sample.max(axis=2) - sample.min(axis=2)
    if np.count_nonzero(spread > 24) > 0.05 * spread.size:
        raise InputError(
            'thermal image is drawn with a colour palette',
            accepted='grey (the channels equal), or one channel: mono8, mono16, 32FC1',
            remedy='set the palette of the thermal driver to white-hot, or publish raw counts',
        )


def subsample(image: np.ndarray, pixels: int) -> np.ndarray:
    """Return a view with roughly ``pixels`` of the pixels, evenly spread."""
    stride = max(1, int((image.shape[0] * image.shape[1] / pixels) ** 0.5))
    return image[::stride, ::stride]


def _accept(encoding: str, accepted: tuple[str, ...], what: str) -> _Layout:
    if encoding in accepted:
        return _LAYOUTS[encoding]
    name = encoding.lower()
    remedy = next((text for key, text in _REMEDIES.items() if name.startswith(key)), '')
    raise InputError(
        f'{what} encoding is {encoding!r}', accepted=', '.join(accepted), remedy=remedy
    )


def _view(
    height: int, width: int, layout: _Layout, is_bigendian: bool | int, step: int, data: Any
) -> np.ndarray:
    dtype = np.dtype(('>' if is_bigendian else '<') + layout.kind)
    pixel = dtype.itemsize * layout.channels
    if step < width * pixel:
        raise InputError(
            f'step is {step} bytes for rows of {width} px', accepted=f'at least {width * pixel}',
            remedy='check width, encoding and step in the driver',
        )
    buffer = _bytes(data)
    if buffer.size < height * step:
        raise InputError(
            f'data holds {buffer.size} bytes', accepted=f'height x step = {height * step}',
            remedy='the message is cut off or its size fields are wrong: check the driver',
        )
    shape: tuple[int, ...] = (height, width)
    strides: tuple[int, ...] = (step, pixel)
    if layout.channels > 1:
        shape, strides = (*shape, layout.channels), (*strides, 1)
    image: np.ndarray = np.ndarray(shape, dtype, buffer=buffer, strides=strides)
    # torch cannot take rows whose step is no multiple of the value size, nor foreign byte order
    if not (dtype.isnative and image.flags.aligned):
        image = image.astype(dtype.newbyteorder('='), order='C')
    return image


def _bytes(data: Any) -> np.ndarray:
    try:
        buffer = memoryview(data)
        return np.frombuffer(buffer, np.uint8) if buffer.nbytes else np.empty(0, np.uint8)
    except (TypeError, ValueError, BufferError):
        raise InputError(
            f'data is a {type(data).__name__}',
            accepted='a contiguous buffer: bytes, memoryview, array.array or uint8 ndarray',
        ) from None
