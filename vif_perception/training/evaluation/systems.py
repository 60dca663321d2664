"""Which systems a command line asks for: networks, seeds of one network, cascades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vif_perception.errors import InputError
from vif_perception.inference.weights import load_network
from vif_perception.training.evaluation.members import Cascade, Inputs, Member, Network
from vif_perception.training.run_folder import weights_of
from vif_perception.types import LabelSet

ONE = 'FILE, RUN or NAME=FILE,FILE,... (seeds of one network)'
TWO = 'NAME=FUSE+SEGMENT, or NAME=FUSE+SEGMENT,FUSE+SEGMENT,... (seeds)'


@dataclass(frozen=True)
class System:
    """What has rows of its own in the tables; members are its seeds."""

    name: str
    members: tuple[Member, ...]

    @property
    def inputs(self) -> Inputs:
        """The cameras it looks at."""
        return self.members[0].inputs

    @property
    def masks(self) -> bool:
        """Whether it has segmentation rows."""
        return self.members[0].masks

    @property
    def fuses(self) -> bool:
        """Whether it has fusion rows."""
        return self.members[0].fuses

    def check_classes(self, labels: LabelSet, where: str) -> None:
        """Refuse data whose masks mean something else; ``where`` is the data.

        Raises:
            InputError: naming both class lists.
        """
        own = self.members[0].labels.names
        if self.masks and own != labels.names:
            raise InputError(
                f'masks of {len(labels)} classes ({", ".join(labels.names)})', where=where,
                accepted=f'those of {self.name}: {", ".join(own)}',
                remedy='evaluate weights and data of one class list',
            )

    def describe(self) -> dict[str, Any]:
        """Return what a result says about it."""
        kind = 'cascade' if isinstance(self.members[0], Cascade) else 'network'
        return {
            'name': self.name, 'kind': kind, 'inputs': self.inputs,
            'seeds': [member.describe() for member in self.members],
        }


def load_systems(words: Sequence[str], cascades: Sequence[str] = ()) -> list[System]:
    """Load what a command line names, each file once.

    Args:
        words: as :data:`ONE`; cascades: as :data:`TWO`.

    Raises:
        InputError: no word, unusable weights, the same weights or name twice, or seeds that
            differ by more than their weights.
    """
    if not words and not cascades:
        raise InputError('no weights to evaluate', accepted=ONE)
    load = _Loader()
    systems = [
        _system(name, [load(place) for place in places], word)
        for word in words for name, places in [_seeds(word)]
    ]
    for word in cascades:
        name, equals, text = word.partition('=')
        pairs = [tuple(pair.split('+')) for pair in text.split(',')]
        if not (name and equals) or any(len(pair) != 2 or not all(pair) for pair in pairs):
            raise InputError(f'{word!r} is no cascade', where='--cascade', accepted=TWO)
        systems.append(_system(
            name, [Cascade(load(fuse), load(segment)) for fuse, segment in pairs], word
        ))
    _refuse_twice(systems)
    return systems


class _Loader:
    """Loads each file once, whoever asks for it."""

    def __init__(self) -> None:
        self._known: dict[Path, Network] = {}

    def __call__(self, place: str) -> Network:
        path = weights_of(place)
        key = path.resolve()
        if key not in self._known:
            network, card = load_network(path)
            self._known[key] = Network(network, card, path)
        return self._known[key]


def _seeds(word: str) -> tuple[str, list[str]]:
    """Name and files of a system; a path that is there is taken as it is."""
    if Path(word).exists() or '=' not in word:
        path = Path(word)
        return (path.stem if path.suffix == '.safetensors' else path.resolve().name), [word]
    name, _, text = word.partition('=')
    places = text.split(',')
    if not name or not all(places):
        raise InputError(f'{word!r} is no system', accepted=ONE)
    return name, places


def _system(name: str, members: Sequence[Member], word: str) -> System:
    for member in members[1:]:
        if member.kind != members[0].kind:
            raise InputError(
                f'{" ".join(map(str, member.kind[:2]))} is no other seed of '
                f'{" ".join(map(str, members[0].kind[:2]))}', where=word,
                accepted='seeds of one network, preset, options and class list',
                remedy='give networks that differ as systems of their own',
            )
    return System(name, tuple(members))


def _refuse_twice(systems: Sequence[System]) -> None:
    names: set[str] = set()
    files: dict[tuple[str, ...], str] = {}
    for system in systems:
        if system.name in names:
            raise InputError(f'two systems are called {system.name!r}', accepted='a name each',
                             remedy=f'name them: {ONE}')
        names.add(system.name)
        for member in system.members:
            file = '+'.join(facts['file'] for facts in member.describe())
            if member.key in files:
                raise InputError(f'the same weights as {files[member.key]}', where=file,
                                 accepted='each weights file once', remedy='leave one out')
            files[member.key] = file
