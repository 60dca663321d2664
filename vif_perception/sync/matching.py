"""The two questions of pairing: who belongs to whom, and was a lone frame owed an output."""

from __future__ import annotations

import enum

from vif_perception.sync.stream import Stream, Waiting


class Verdict(enum.Enum):
    """What becomes of the oldest frame that waits."""

    PAIR = enum.auto()
    LONE = enum.auto()
    WAIT = enum.auto()


_PASSED_ON = {
    Verdict.PAIR: Verdict.LONE, Verdict.LONE: Verdict.PAIR, Verdict.WAIT: Verdict.WAIT,
}


def judge(
    older: Stream, other: Stream, limit_ns: int, *, final: bool, i: int = 0, j: int = 0
) -> Verdict:
    """Decide ``older.queue[i]``, the oldest frame left; its only candidate: ``other.queue[j]``.

    The candidate may prefer the frame that follows in ``older``, unless that one in turn has a
    nearer candidate: the question is passed along the queues until it is settled.

    Args:
        older: the stream whose head is not newer than the other's.
        other: the other stream, not empty.
        limit_ns: largest difference of a pair.
        final: judge by what is there, as if no further frame came.
        i: position in ``older``.
        j: position in ``other``.
    """
    partner_ns = other.queue[j].stamp_ns
    skew_ns = partner_ns - older.queue[i].stamp_ns
    if skew_ns > limit_ns:
        return Verdict.LONE
    if i + 1 == len(older.queue):
        settled = final or older.earliest_next_ns() - partner_ns >= skew_ns
        return Verdict.PAIR if settled else Verdict.WAIT
    rival_ns = older.queue[i + 1].stamp_ns
    if rival_ns - partner_ns >= skew_ns:
        return Verdict.PAIR
    if rival_ns <= partner_ns:
        return Verdict.LONE
    return _PASSED_ON[judge(other, older, limit_ns, final=final, i=j, j=i + 1)]


def is_surplus(lone: Waiting, stream: Stream, other: Stream, *, reference: bool) -> bool:
    """Whether the other camera missed nothing at ``lone``, so that no output is owed.

    Args:
        lone: a frame without partner, no longer in its queue.
        stream: its stream.
        other: the other camera's stream.
        reference: whether ``lone`` is of the reference camera: then only a frame between two
            regular frames of a slower camera, the first of them paired, is surplus.
    """
    head = other.head
    before_ns = other.newest_ns if head is None else head.previous_ns
    after_ns = lone.stamp_ns if head is None else head.stamp_ns
    pace_ns, other_pace_ns = stream.typical_ns, other.typical_ns
    regular = (
        other_pace_ns is not None
        and before_ns is not None
        and before_ns < lone.stamp_ns
        and 2 * (after_ns - before_ns) < 3 * other_pace_ns
    )
    faster = regular and pace_ns is not None and 10 * pace_ns < 9 * (other_pace_ns or 0)
    if reference:
        return faster and before_ns == other.paired_ns
    if head is None:
        came_since = other.received_ns is not None and other.received_ns > lone.received_ns
        return came_since or faster
    return regular
