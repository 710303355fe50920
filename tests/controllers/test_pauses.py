"""Which statuses wait in a cluster of many pods."""

from podsysctl.base.clock import FakeClock
from podsysctl.controllers.pauses import SMALL_CLUSTER, Pauses

BEFORE = {"replicas": 3, "readyReplicas": 3, "observedGeneration": 1}
ONE_LESS = {**BEFORE, "readyReplicas": 2}


def test_counts_in_a_small_cluster_are_written_at_once() -> None:
    """Both sides of the boundary."""
    pauses = Pauses(FakeClock())
    assert pauses.left_s("a", BEFORE, ONE_LESS, SMALL_CLUSTER - 1) == 0
    assert pauses.left_s("a", BEFORE, ONE_LESS, SMALL_CLUSTER) == 0.05


def test_counts_wait_from_their_first_change_and_at_most_a_second() -> None:
    """Later changes do not put the write off any further."""
    clock = FakeClock()
    pauses = Pauses(clock)
    assert pauses.left_s("a", BEFORE, ONE_LESS, 50_000) == 1
    clock.advance(0.75)
    assert pauses.left_s("a", BEFORE, {**BEFORE, "readyReplicas": 1}, 50_000) == 0.25
    clock.advance(0.25)
    assert pauses.left_s("a", BEFORE, ONE_LESS, 50_000) == 0
    assert pauses.left_s("a", BEFORE, ONE_LESS, 50_000) == 1


def test_counts_that_changed_back_begin_anew() -> None:
    """Nothing is written, and the next change has its whole pause."""
    clock = FakeClock()
    pauses = Pauses(clock)
    pauses.left_s("a", BEFORE, ONE_LESS, 10_000)
    clock.advance(0.5)
    assert pauses.left_s("a", BEFORE, dict(BEFORE), 10_000) == 0
    assert pauses.left_s("a", BEFORE, ONE_LESS, 10_000) == 1


def test_conditions_and_generations_never_wait() -> None:
    """Why there are no pods, and that a change was seen."""
    pauses = Pauses(FakeClock())
    assert pauses.left_s("a", BEFORE, {**ONE_LESS, "observedGeneration": 2}, 10_000) == 0
    assert pauses.left_s("a", BEFORE, {**ONE_LESS, "conditions": [{"type": "ReplicaFailure"}]}, 10_000) == 0
