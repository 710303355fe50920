"""The storm brake, told from pods alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

from podsysctl.base.clock import format_time
from podsysctl.controllers import rejections

START = datetime(2026, 1, 1, tzinfo=UTC)
Object = dict[str, Any]


def pod(at_s: float, phase: str = "Failed", **status: Any) -> Object:
    """A pod made so many seconds after the start; refused unless told otherwise."""
    stamp = format_time(START + timedelta(seconds=at_s))
    known: Object = {"phase": phase, "startTime": stamp, **status}
    if phase == "Failed":
        known |= {"reason": "SysctlForbidden", "message": "Pod was rejected: forbidden sysctl"}
    return {"metadata": {"name": f"p{at_s}", "creationTimestamp": stamp}, "status": known}


def look(pods: list[Object], at_s: float, missing: int = 3) -> rejections.Brake | None:
    """The brake at a moment."""
    return rejections.look(pods, missing, START + timedelta(seconds=at_s))


def test_look_without_refusal_lets_everything_pass() -> None:
    """No refused pod, no brake."""
    assert look([pod(0, "Running")], 1) is None


def test_look_after_refusal_allows_one_pod_after_ten_seconds() -> None:
    """One pod is tried, not all that are missing."""
    refused = [pod(0), pod(0), pod(1)]
    early = look(refused, 2)
    assert early is not None
    assert (early.allowed, early.attempts) == (0, 1)
    assert 0 < early.wait_s <= 10
    due = look(refused, 11)
    assert due is not None
    assert due.allowed == 1


def test_look_at_a_refusal_at_the_end_of_time_waits() -> None:
    """A node may write any time that the API can."""
    late = look([pod(0, startTime="9999-12-31T23:59:59Z")], 2)
    assert late is not None
    assert late.allowed == 0


def test_look_waits_while_one_is_being_tried() -> None:
    """A pod that is on its way is waited for."""
    waiting = look([pod(0), pod(11, "Pending")], 12)
    assert waiting is not None
    assert (waiting.allowed, waiting.wait_s) == (0, 0)


def test_look_after_an_admitted_pod_lets_everything_pass() -> None:
    """A node took one in: the reason is gone."""
    assert look([pod(0), pod(11, "Running", containerStatuses=[{"name": "c"}])], 12) is None


def test_brake_three_replicas_make_at_most_twenty_pods_in_ten_minutes() -> None:
    """The promise: a forbidden sysctl costs few pods, and never stops being tried."""
    pods = [pod(0), pod(0), pod(0)]
    for second in range(1, 1200):
        brake = look(pods, second)
        assert brake is not None
        pods += [pod(second) for _ in range(brake.allowed)]
        if second == 600:
            assert len(pods) <= 20
    assert len(pods) > 8
