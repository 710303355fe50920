from __future__ import annotations

from typing import Any

import pytest
from multidict import MultiDict

from podsysctl.apiserver.streaming import location
from podsysctl.base.errors import StatusError


def _pod(*names: str, node: str = "n1", **spec: Any) -> dict[str, Any]:
    containers = [{"name": name} for name in names or ("c",)]
    return {"metadata": {"name": "p", "namespace": "d"}, "spec": {"nodeName": node, "containers": containers, **spec}}


def test_exec_path_names_the_streams_as_the_node_does() -> None:
    """stdin is `input` there; the command's words stay apart and in order."""
    query = MultiDict([("stdin", "true"), ("tty", "true"), ("stdout", "1"), ("command", "a b"), ("command", "c&d")])
    path, text = location.stream_path(_pod(), "exec", query)
    assert (path, text) == ("/exec/d/p/c", "input=1&output=1&tty=1&command=a+b&command=c%26d")


@pytest.mark.parametrize("value", ["0", "false", "False"])
def test_flag_that_says_no_is_false(value: str) -> None:
    """Everything else that is given is true."""
    assert not location.flag(MultiDict({"tty": value}), "tty")
    assert location.flag(MultiDict({"tty": ""}), "tty")
    assert not location.flag(MultiDict(), "tty")


def test_port_forward_path_lists_the_ports() -> None:
    """Older WebSocket clients name them in the query."""
    path = location.stream_path(_pod(), "portforward", MultiDict([("ports", "80"), ("ports", "443")]))
    assert path == ("/portForward/d/p", "port=80%2C443")
    assert location.stream_path(_pod("a", "b"), "portforward", MultiDict()) == ("/portForward/d/p", "")


@pytest.mark.parametrize(
    ("pod", "wanted", "text"),
    [
        (_pod("a", "b"), "", "a container name must be specified for pod p, choose one of: [a b]"),
        (_pod("a"), "x", "container x is not valid for pod p"),
        (_pod("a", node=""), "", "pod p does not have a host assigned"),
    ],
)
def test_stream_of_an_unclear_container_or_an_unbound_pod_is_refused(
    pod: dict[str, Any], wanted: str, text: str
) -> None:
    """In upstream's words."""
    with pytest.raises(StatusError) as caught:
        location.stream_path(pod, "exec", MultiDict({"container": wanted}))
    assert (caught.value.code, caught.value.message) == (400, text)


def test_container_may_be_an_init_or_ephemeral_one() -> None:
    """Named, but never chosen by itself."""
    pod = _pod("a", initContainers=[{"name": "i"}], ephemeralContainers=[{"name": "e"}])
    assert [location.choose_container(pod, name) for name in ("i", "e", "")] == ["i", "e", "a"]


def test_log_path_passes_the_options_on() -> None:
    """And leaves out what is not asked for."""
    query = MultiDict(
        {"follow": "true", "tailLines": "5", "timestamps": "false", "sinceSeconds": "9", "container": "b"}
    )
    assert location.log_path(_pod("a", "b"), query) == (
        "/containerLogs/d/p/b",
        "follow=true&sinceSeconds=9&tailLines=5",
    )


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"tailLines": "-1"}, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ({"limitBytes": "0"}, "limitBytes: Invalid value: 0: must be greater than 0"),
        ({"sinceSeconds": "0"}, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        (
            {"sinceSeconds": "1", "sinceTime": "2026-01-01T00:00:00Z"},
            ": Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        ),
    ],
)
def test_log_options_that_are_wrong_are_invalid(query: dict[str, str], text: str) -> None:
    """422 with upstream's field errors."""
    with pytest.raises(StatusError) as caught:
        location.log_path(_pod(), MultiDict(query))
    assert (caught.value.code, caught.value.message) == (422, f'PodLogOptions "p" is invalid: {text}')


def test_log_option_that_is_no_number_is_a_bad_request() -> None:
    """Go's words for it."""
    with pytest.raises(StatusError) as caught:
        location.log_path(_pod(), MultiDict({"tailLines": "x"}))
    assert (caught.value.code, caught.value.message) == (400, 'strconv.ParseInt: parsing "x": invalid syntax')
