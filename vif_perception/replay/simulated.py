"""Records a drive of the synthetic rig as a bag, with everything a replay of it needs."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from vif_perception.errors import InputError
from vif_perception.labels import MFNET
from vif_perception.replay.extrinsic import TF_STATIC
from vif_perception.replay.record import BagRecorder
from vif_perception.report import Progress
from vif_perception.sim import Rig, Sample
from vif_perception.types import Camera, Frame

TRUTH = '/ground_truth/mask'
JPEG_QUALITY = 92


def check_free(out: Path, *, force: bool = False) -> None:
    """Refuse a place that a simulated drive cannot or must not be written to.

    Args:
        out: as in ``record_drive``.
        force: whether files that are there may be replaced.

    Raises:
        InputError: another suffix than ``.mcap``, or a file is there.
    """
    if out.suffix != '.mcap':
        raise InputError(f'{out.name!r} has no .mcap suffix', where='--out', accepted='NAME.mcap')
    for path in (out, out.with_suffix('.yaml')):
        if os.path.lexists(path) and not force:
            raise InputError(
                f'{path} exists already', where='--out', accepted='a name that is free',
                remedy='choose another name, or replace it with --force',
            )


def record_drive(
    rig: Rig,
    frames: int,
    out: Path,
    *,
    compressed: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write ``frames`` samples of a rig as an MCAP bag, and a configuration beside it.

    The bag has ``/rgb`` and ``/thermal`` with ``image_raw`` and ``camera_info``, the extrinsic in
    ``/tf_static``, the mask in ``/ground_truth/mask`` and its classes. The configuration, for
    ``vif-perception replay --config``, holds the registration and the thermal window.

    Args:
        rig: the cameras; the same rig and arguments give the same bytes.
        frames: RGB exposures.
        out: the bag to write, ``.mcap``; the configuration gets the suffix ``.yaml``.
        compressed: JPEG rgb and 16-bit PNG thermal in place of raw images.
        progress: told how far it is, after every frame.

    Returns:
        The path of the configuration.

    Raises:
        InputError: ``out`` has another suffix or cannot be written.
    """
    check_free(out, force=True)
    config = out.with_suffix('.yaml')
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(_configuration(rig), encoding='utf-8')
    except OSError as error:
        raise InputError(
            f'cannot be written: {error.strerror}', where=str(out), accepted='a writable folder'
        ) from None
    with BagRecorder(out) as recorder:
        for sample in rig.samples(frames):
            _record(recorder, rig, sample, compressed)
            if progress is not None:
                progress('simulating', sample.index + 1, (sample.index + 1) / frames)
    return config


def _record(recorder: BagRecorder, rig: Rig, sample: Sample, compressed: bool) -> None:
    frame_id = rig.rgb_camera.frame_id
    truth = Frame(sample.stamp_ns, frame_id, sample.mask, 'mono8')
    if sample.index == 0:
        recorder.label_info(
            '/ground_truth/label_info', sample.rgb_received_ns, sample.stamp_ns, frame_id, MFNET
        )
        recorder.static_transform(
            TF_STATIC, sample.rgb_received_ns, sample.stamp_ns, frame_id,
            rig.thermal_camera.frame_id, rig.t_rgb_thermal,
        )
    cameras: tuple[tuple[Camera, Frame | None, int], ...] = (
        ('rgb', sample.rgb, sample.rgb_received_ns),
        ('thermal', sample.thermal, sample.thermal_received_ns),
    )
    for camera, frame, received_ns in cameras:
        if frame is None:
            continue
        model = rig.rgb_camera if camera == 'rgb' else rig.thermal_camera
        recorder.camera_info(f'/{camera}/camera_info', received_ns, frame.stamp_ns, model)
        if compressed:
            _compressed(recorder, camera, frame, received_ns)
        else:
            recorder.image(f'/{camera}/image_raw', received_ns, frame)
    recorder.image(TRUTH, sample.rgb_received_ns, truth)


def _compressed(recorder: BagRecorder, camera: Camera, frame: Frame, received_ns: int) -> None:
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(frame.data))
    if camera == 'rgb':
        image.save(buffer, 'JPEG', quality=JPEG_QUALITY)
        form = f'{frame.encoding}; jpeg compressed bgr8'
    else:
        image.save(buffer, 'PNG', compress_level=1)
        form = f'{frame.encoding}; png compressed {frame.encoding}'
    recorder.compressed(
        f'/{camera}/image_raw/compressed', received_ns, frame.stamp_ns, frame.frame_id, form,
        buffer.getvalue(),
    )


def _configuration(rig: Rig) -> str:
    registration = rig.registration.model_dump(exclude_defaults=True)
    registration['t_rgb_thermal'] = list(registration['t_rgb_thermal'])
    thermal = rig.thermal.model_dump(exclude_defaults=True)
    tree = {'/**': {'ros__parameters': {'thermal': thermal, 'registration': registration}}}
    head = '# Thermal window and registration of the simulated rig.\n'
    return head + yaml.safe_dump(tree, sort_keys=False)
