"""Whole data sets checked before hours are spent on them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from vif_perception.errors import InputError
from vif_perception.training.datasets.dataset import PairDataset
from vif_perception.training.datasets.sample import Record


def check_samples(
    dataset: PairDataset, progress: Callable[[int, int], None] = lambda done, count: None
) -> None:
    """Read every sample once.

    Args:
        progress: told after each sample how many of how many are read.

    Raises:
        InputError: of the first file that is missing, damaged, of another size, or holds ids
            outside its class list; says how many more samples cannot be used.
    """
    problems: list[InputError] = []
    for index in range(len(dataset)):
        try:
            dataset[index]
        except InputError as error:
            problems.append(error)
        progress(index + 1, len(dataset))
    if problems:
        first, others = problems[0], len(problems) - 1
        tail = f', and {others} more samples cannot be used' if others else ''
        raise InputError(first.what + tail, where=first.where, accepted=first.accepted,
                         remedy=first.remedy)


def check_overlap(train: PairDataset, test: PairDataset) -> None:
    """Refuse two splits that share an image, whatever its name; compares whole files.

    Raises:
        InputError: naming both files of the first image found twice.
    """
    known = {digest: record for record in train.records for digest in _digests(record)}
    for record in test.records:
        for digest in _digests(record):
            if digest in known:
                raise InputError(
                    f'is the same image as {known[digest].thermal} of split {train.split!r}',
                    where=str(record.thermal),
                    accepted='splits that share no image',
                    remedy='take it out of one of them: scores on images that were trained on '
                    'mean nothing',
                )


def _digests(record: Record) -> Iterable[bytes]:
    """Of the camera images; masks may well be equal, most often the empty ones."""
    for path in dict.fromkeys((record.thermal, record.rgb)):
        if path is not None:
            try:
                data = path.read_bytes()
            except OSError as error:
                raise InputError(f'cannot be read ({error})', where=str(path)) from None
            yield hashlib.blake2b(data, digest_size=16).digest()
