"""Whole data sets checked before hours are spent on them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest

from vif_perception.errors import InputError
from vif_perception.training.datasets.dataset import PairDataset


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


def check_classes(datasets: Sequence[PairDataset]) -> None:
    """Refuse data sets whose masks do not mean the same; those without masks fit any.

    Raises:
        InputError: naming the first two that differ, and the first id that does.
    """
    masked = [dataset for dataset in datasets if dataset.labels]
    for other in masked[1:]:
        one = masked[0]
        assert one.labels
        assert other.labels
        pairs = zip_longest(
            zip(one.labels.names, one.labels.colors, strict=True),
            zip(other.labels.names, other.labels.colors, strict=True),
        )
        for number, (left, right) in enumerate(pairs):
            if left != right:
                raise InputError(
                    f'data sets with different classes: id {number} is {_told(left)} in '
                    f'{_title(one)}, {_told(right)} in {_title(other)}', where='data',
                    accepted='one class list, names and colours, for all masks',
                    remedy='give folders of your own one classes.json; leave out the sets that '
                    'have other classes, as `sim` (data.train; docs/data.md)',
                )


def _told(entry: tuple[str, tuple[int, int, int]] | None) -> str:
    return f'{entry[0]!r} {list(entry[1])}' if entry else 'no class'


def _title(dataset: PairDataset) -> str:
    return f'{dataset.name} {dataset.split} ({dataset.root})'


def check_overlap(train: PairDataset, test: PairDataset) -> None:
    """Refuse two splits that share an image, whatever its name; compares whole files.

    Raises:
        InputError: naming both files of the first image found twice.
    """
    known = dict(_digests(train))
    for digest, where in _digests(test):
        if digest in known:
            raise InputError(
                f'is the same image as {known[digest]} of split {train.split!r}', where=where,
                accepted='splits that share no image',
                remedy='take it out of one of them: scores on images that were trained on mean '
                'nothing',
            )


def _digests(dataset: PairDataset) -> Iterator[tuple[bytes, str]]:
    """Yield (digest, where) of all camera images; masks may be equal, as the empty ones are."""
    for index in range(len(dataset)):
        for where, data in dataset.sources(index):
            yield hashlib.blake2b(data, digest_size=16).digest(), where
