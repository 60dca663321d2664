"""The worker thread of a live door: newest wins, errors are survived, it ends when told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from vif_perception.ros.notices import Notices
from vif_perception.ros.worker import Worker
from vif_perception.types import FramePair

PAIRS = [FramePair(None, None, skew_ns) for skew_ns in range(4)]


class Work:
    """Counts what a worker does; ``gate`` holds the work up."""

    def __init__(self, **changes: Callable[..., Any]) -> None:
        self.done: list[FramePair] = []
        self.displaced: list[FramePair] = []
        self.errors: list[Exception] = []
        self.busy, self.gate, self.event = (threading.Event() for _ in range(3))
        self.gate.set()
        self.worker = Worker(**{
            'work': self.work, 'due': lambda: (), 'displaced': self.displaced.append,
            'failed': self.failed, **changes,
        })

    def work(self, pair: FramePair) -> None:
        self.busy.set()
        assert self.gate.wait(20)
        self.done.append(pair)
        self.event.set()

    def failed(self, error: Exception) -> None:
        self.errors.append(error)
        self.event.set()


def test_a_newer_pair_takes_the_place_of_one_that_waits() -> None:
    work = Work()
    work.gate.clear()
    work.worker.start()
    work.worker.offer(PAIRS[:1])
    assert work.busy.wait(20)
    for pair in PAIRS[1:]:
        work.worker.offer([pair])
    work.worker.offer([])
    assert work.displaced == PAIRS[1:3]
    work.gate.set()
    while len(work.done) < 2:
        assert work.event.wait(20)
    assert work.worker.stop(20)
    assert work.done == [PAIRS[0], PAIRS[3]]


def test_pairs_that_became_ready_together_do_not_displace_each_other() -> None:
    work = Work()
    work.gate.clear()
    work.worker.start()
    work.worker.offer(PAIRS[:1])
    assert work.busy.wait(20)
    work.worker.offer(PAIRS[1:3])
    assert not work.displaced
    work.worker.offer(PAIRS[3:])
    assert work.displaced == PAIRS[1:3]
    work.worker.offer(PAIRS[1:])
    work.gate.set()
    while len(work.done) < 4:
        assert work.event.wait(20)
    assert work.worker.stop(20)
    assert work.done == PAIRS


def test_time_that_passes_gives_pairs_too() -> None:
    ready = [PAIRS[:1]]
    work = Work(due=lambda: ready.pop() if ready else ())
    work.worker.start()
    assert work.event.wait(20)
    assert work.worker.stop(20)
    assert work.done == PAIRS[:1]


def test_errors_are_told_and_survived() -> None:
    failures = [ValueError('no'), RuntimeError('never')]

    def fail(pair: FramePair) -> None:
        if failures:
            raise failures.pop(0)
        work.done.append(pair)
        work.event.set()

    work = Work(work=fail)
    work.worker.start()
    for pair in PAIRS[:3]:
        work.event.clear()
        work.worker.offer([pair])
        assert work.event.wait(20)
    assert work.worker.stop(20)
    assert list(map(repr, work.errors)) == ["ValueError('no')", "RuntimeError('never')"]
    assert work.done == PAIRS[2:3]


def test_a_worker_that_does_not_end_is_told() -> None:
    work = Work()
    work.gate.clear()
    work.worker.start()
    work.worker.offer(PAIRS[:1])
    assert work.busy.wait(20)
    assert not work.worker.stop(0.01)
    work.gate.set()
    assert work.worker.stop(20)


def test_a_worker_that_never_began_ends() -> None:
    assert Work().worker.stop(0.01)


def test_the_same_words_are_said_once_in_a_while() -> None:
    said: list[str] = []

    class Logger:
        def warning(self, text: str) -> None:
            said.append(text)

        info = warning

    notices = Notices(Logger())
    for _ in range(3):
        notices.warn('dark')
        notices.inform('mode FUSED')
        notices.warn('')
    assert said == ['dark', 'mode FUSED']
    for number in range(100):  # what was said long ago is forgotten
        notices.warn(str(number))
    notices.warn('dark')
    assert said.count('dark') == 2
