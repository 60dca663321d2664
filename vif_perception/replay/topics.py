"""Finds the thermal, the rgb and the ground-truth topic of a recording."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vif_perception.errors import InputError
from vif_perception.replay.decode import CAMERA_INFO, COMPRESSED, IMAGES, RAW
from vif_perception.replay.recording import Source, TopicInfo
from vif_perception.types import Camera

#: Words of a topic's name that tell the camera.
HINTS: dict[Camera, frozenset[str]] = {
    'thermal': frozenset((
        'thermal', 'thermo', 'thermography', 'ir', 'lwir', 'infrared', 'boson', 'lepton', 'flir',
        'seek', 'optris', 'tau2',
    )),
    'rgb': frozenset((
        'rgb', 'color', 'colour', 'visible', 'vis', 'vi', 'visual', 'optical', 'eo', 'webcam',
        'usb', 'front',
    )),
}
#: Pictures that are no camera's: masks, depth, and what a fusion made.
TRUTH_WORDS = frozenset((
    'mask', 'masks', 'label', 'labels', 'truth', 'gt', 'segmentation', 'semantic', 'annotation',
))
OTHER_WORDS = frozenset((
    'depth', 'disparity', 'confidence', 'fused', 'fusion', 'overlay', 'debug', 'infra1', 'infra2',
    'theora', 'costmap',
))
COLOUR = ('rgb8', 'bgr8', 'rgba8', 'bgra8')
DEEP = ('mono16', '16UC1', '32FC1')
NONE = 'none'
CAMERAS: tuple[Camera, ...] = ('thermal', 'rgb')


@dataclass(frozen=True)
class Candidate:
    """An image topic and what speaks for each camera."""

    name: str
    type: str
    count: int
    encoding: str
    camera_info: str | None

    @property
    def words(self) -> frozenset[str]:
        """The parts of the name, in lower case."""
        return frozenset(re.split(r'[^a-z0-9]+', self.name.lower()))

    @property
    def truth(self) -> bool:
        """Whether the name says that it is a ground-truth mask."""
        return bool(self.words & TRUTH_WORDS) and self.encoding not in (*COLOUR, *DEEP)

    def score(self, camera: Camera) -> int:
        """How much speaks for this camera; 0 or less: nothing."""
        other: Camera = 'rgb' if camera == 'thermal' else 'thermal'
        colour, deep = self.encoding in COLOUR, self.encoding in DEEP
        points = 4 * bool(self.words & HINTS[camera]) - 4 * bool(self.words & HINTS[other])
        if camera == 'thermal':
            return points + 3 * deep - 2 * colour
        return points + 3 * colour - 8 * deep + ({'image', 'raw'} <= self.words)

    def __str__(self) -> str:
        kind = self.type.rpartition('/')[2]
        return f'{self.name} ({kind} {self.encoding or "?"}, {self.count} messages)'


@dataclass(frozen=True)
class Topics:
    """The topics of one replay; None: not there or not wanted.

    Attributes:
        thermal, rgb: image topics.
        thermal_info, rgb_info: the CameraInfo topics beside them.
        truth: the ground-truth mask topic.
    """

    thermal: str | None
    rgb: str | None
    thermal_info: str | None
    rgb_info: str | None
    truth: str | None

    def all(self) -> set[str]:
        """Return the names of the topics to read."""
        names = (self.thermal, self.rgb, self.thermal_info, self.rgb_info, self.truth)
        return {name for name in names if name}


def find_topics(
    source: Source, *, thermal: str | None = None, rgb: str | None = None,
    truth: str | None = None,
) -> Topics:
    """Choose the topics by name, encoding of the first message, and camera_info beside them.

    Args:
        source: the recording.
        thermal, rgb: a topic; None: find it; 'none': run without this camera.
        truth: a topic; None: the only mask topic, if there is one; 'none': no ground truth.

    Raises:
        InputError: no images, a camera is missing or ambiguous, a named topic is not there, is
            empty or not an image; names what is there and the option to use.
    """
    infos = source.topics()
    candidates = [_candidate(source, name, infos) for name in _images(infos)]
    if not candidates:
        held = ', '.join(f'{name} ({info.type})' for name, info in sorted(infos.items()))
        raise InputError(
            'has no images', where=str(source.path),
            accepted=f'topics of type {" or ".join(IMAGES)} with messages',
            remedy=f'it holds: {held or "no messages"}',
        )
    if thermal == NONE and rgb == NONE:
        raise InputError('both cameras are switched off', accepted='at most one of them none')
    asked: dict[Camera, str | None] = {'thermal': thermal, 'rgb': rgb}
    found: dict[Camera, Candidate | None] = {}
    for camera in CAMERAS:
        wanted = asked[camera]
        if wanted is not None:
            found[camera] = None if wanted == NONE else _named(
                source, wanted, infos, candidates, f'--{camera}'
            )
    for camera in CAMERAS:
        if camera not in found:
            taken = {entry.name for entry in found.values() if entry}
            found[camera] = _best(source, camera, candidates, taken)
    chosen = found['thermal'], found['rgb']
    if chosen[0] and chosen[0] is chosen[1]:
        raise InputError(f'--thermal and --rgb are both {chosen[0].name}', accepted='two topics')
    mask = _truth(source, truth, infos, candidates, {entry.name for entry in chosen if entry})
    return Topics(
        chosen[0].name if chosen[0] else None, chosen[1].name if chosen[1] else None,
        chosen[0].camera_info if chosen[0] else None,
        chosen[1].camera_info if chosen[1] else None, mask,
    )


def _images(infos: dict[str, TopicInfo]) -> list[str]:
    return sorted(name for name, info in infos.items() if info.type in IMAGES and info.count)


def _candidate(source: Source, name: str, infos: dict[str, TopicInfo]) -> Candidate:
    info = infos[name]
    base = name.removesuffix('/compressed') if info.type == COMPRESSED else name
    beside = base.rpartition('/')[0] + '/camera_info'
    known = infos.get(beside)
    has_info = known is not None and known.type == CAMERA_INFO and known.count > 0
    return Candidate(
        name, info.type, info.count, _encoding(source, name), beside if has_info else None
    )


def _encoding(source: Source, name: str) -> str:
    """Return the encoding of the first message, '' when unknown; of JPEG what was packed."""
    try:
        first = next(source.messages([name]), None)
        decoded = first.decode() if first else None
    except InputError:
        return ''
    if decoded is None:
        return ''
    if hasattr(decoded, 'encoding'):
        return str(decoded.encoding)
    return str(decoded.format).partition(';')[0].strip()


def _named(
    source: Source, name: str, infos: dict[str, TopicInfo], candidates: list[Candidate],
    option: str,
) -> Candidate:
    for candidate in candidates:
        if candidate.name == name:
            return candidate
    info = infos.get(name)
    if info is None:
        what = f'{option} {name} is not in the recording'
    elif info.type not in IMAGES:
        what = f'{option} {name} is a {info.type}'
    else:
        what = f'{option} {name} has no messages'
    raise InputError(what, where=str(source.path), accepted=_listing(candidates))


def _best(
    source: Source, camera: Camera, candidates: list[Candidate], taken: set[str]
) -> Candidate:
    """Return the one topic that most speaks for; a raw topic beats its compressed twin."""
    usable = [
        entry for entry in candidates
        if entry.name not in taken and not entry.words & (TRUTH_WORDS | OTHER_WORDS)
    ]
    fitting = [entry for entry in usable if entry.score(camera) > 0]
    names = {entry.name for entry in fitting}
    fitting = [
        entry for entry in fitting
        if entry.type == RAW or entry.name.removesuffix('/compressed') not in names - {entry.name}
    ]
    best = max((_rank(entry, camera) for entry in fitting), default=(0, False))
    top = [entry for entry in fitting if _rank(entry, camera) == best]
    if len(top) == 1:
        return top[0]
    what = f'{len(top)} topics could be the {camera} camera' if top else f'no {camera} topic found'
    raise InputError(
        what, where=str(source.path), accepted=_listing(top or candidates),
        remedy=f'name it with --{camera} TOPIC, or run with the other camera alone by '
        f'--{camera} none',
    )


def _rank(entry: Candidate, camera: Camera) -> tuple[int, bool]:
    return entry.score(camera), entry.camera_info is not None


def _truth(
    source: Source, wanted: str | None, infos: dict[str, TopicInfo],
    candidates: list[Candidate], taken: set[str],
) -> str | None:
    if wanted == NONE:
        return None
    if wanted is not None:
        return _named(source, wanted, infos, candidates, '--truth').name
    masks = [entry for entry in candidates if entry.truth and entry.name not in taken]
    if len(masks) > 1:
        raise InputError(
            f'{len(masks)} topics could be the ground truth', where=str(source.path),
            accepted=_listing(masks), remedy='name it with --truth TOPIC, or --truth none',
        )
    return masks[0].name if masks else None


def _listing(candidates: Iterable[Candidate]) -> str:
    return ', '.join(map(str, candidates))
