from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podsysctl.base.clock import FakeClock
from podsysctl.node import container_logs
from podsysctl.node.container_logs import LogRequestError

ID = "containerd://1234"
OLD = "containerd://0123"


def _pod(state: dict[str, Any] | None, last: dict[str, Any] | None = None, key: str = "containerStatuses") -> Any:
    status: dict[str, Any] = {"phase": "Running"}
    if state is not None:
        status[key] = [{"name": "c", "containerID": ID, "state": state, "lastState": last or {}}]
    return {"metadata": {"name": "p", "namespace": "n"}, "status": status}


LAST = {"terminated": {"containerID": OLD}}


@pytest.mark.parametrize(
    ("state", "last", "previous", "found"),
    [
        ({"running": {}}, None, False, ID),
        ({"running": {}}, LAST, True, OLD),
        ({"terminated": {"containerID": ID}}, None, False, ID),
        ({"terminated": {}}, LAST, False, OLD),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, LAST, False, OLD),
    ],
)
def test_run_of_a_container_is_chosen_by_its_state(
    state: dict[str, Any], last: dict[str, Any] | None, previous: bool, found: str
) -> None:
    """The present run, or the last one when there is none or it is asked for."""
    assert container_logs.find_run(_pod(state, last), "c", previous=previous) == found


@pytest.mark.parametrize(
    ("state", "last", "previous", "text"),
    [
        (None, None, False, 'container "c" in pod "p" is not available'),
        (
            {"waiting": {"reason": "ContainerCreating"}},
            None,
            False,
            'container "c" in pod "p" is waiting to start: ContainerCreating',
        ),
        (
            {"waiting": {"reason": "ErrImagePull"}},
            None,
            False,
            'container "c" in pod "p" is waiting to start: image can\'t be pulled',
        ),
        (
            {"waiting": {"reason": "ImagePullBackOff"}},
            None,
            False,
            'container "c" in pod "p" is waiting to start: trying and failing to pull image',
        ),
        ({}, None, False, 'container "c" in pod "p" is waiting to start - no logs yet'),
        ({"terminated": {}}, None, False, 'container "c" in pod "p" is terminated'),
        ({"running": {}}, None, True, 'previous terminated container "c" in pod "p" not found'),
    ],
)
def test_container_without_a_log_says_why(
    state: dict[str, Any] | None, last: dict[str, Any] | None, previous: bool, text: str
) -> None:
    """In the kubelet's words, which clients print."""
    with pytest.raises(LogRequestError) as caught:
        container_logs.find_run(_pod(state, last), "c", previous=previous)
    assert (caught.value.status, caught.value.message) == (400, text)


@pytest.mark.parametrize("key", ["initContainerStatuses", "ephemeralContainerStatuses"])
def test_run_of_an_init_or_ephemeral_container_is_found(key: str) -> None:
    """Logs are not only for regular containers."""
    assert container_logs.find_run(_pod({"running": {}}, key=key), "c", previous=False) == ID


def test_query_in_full_is_understood() -> None:
    """Every parameter of PodLogOptions."""
    clock = FakeClock()
    query = {"follow": "true", "timestamps": "1", "previous": "true", "tailLines": "3", "limitBytes": "9"}
    wanted = container_logs.parse_query({**query, "sinceSeconds": "60"}, clock)
    options = wanted.options
    assert (options.follow, options.timestamps, wanted.previous) == (True, True, True)
    assert (options.tail_lines, options.limit_bytes) == (3, 9)
    assert options.since == datetime(2025, 12, 31, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"tailLines": "x"}, 400),
        ({"sinceTime": "yesterday"}, 400),
        ({"tailLines": "-1"}, 422),
        ({"limitBytes": "0"}, 422),
        ({"sinceSeconds": "0"}, 422),
        ({"sinceSeconds": "1", "sinceTime": "2026-01-01T00:00:00Z"}, 422),
        ({"stream": "Both"}, 422),
    ],
)
def test_query_that_is_wrong_is_refused(query: dict[str, str], status: int) -> None:
    """Text that cannot be read, and values that make no sense."""
    with pytest.raises(LogRequestError) as caught:
        container_logs.parse_query(query, FakeClock())
    assert caught.value.status == status


def test_seconds_beyond_all_logs_show_everything() -> None:
    """A time before the first year is no time; the API takes any number of seconds."""
    wanted = container_logs.parse_query({"sinceSeconds": str(2**62)}, FakeClock())
    assert wanted.options.since is not None
    assert wanted.options.since < datetime(1970, 1, 1, tzinfo=UTC)


def test_time_without_a_zone_is_refused() -> None:
    """It could be compared with no line of a log, and the answer would break off at the first one."""
    with pytest.raises(LogRequestError):
        container_logs.parse_query({"sinceTime": "2026-01-01T00:00:00"}, FakeClock())
