"""Which node path a request for a pod's log or stream means: container, parameters, and what is wrong with them.

Rules and texts follow upstream (pkg/registry/core/pod/strategy.go, pkg/apis/core/validation ValidatePodLogOptions,
1.36). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from multidict import MultiMapping

from podsysctl.base.errors import FieldError
from podsysctl.objects import fielderrors, status

Pod = dict[str, Any]
Query = MultiMapping[str]

_STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
"""Parameters of our clients, and the node's names for them (core/v1 ExecStdinParam and so on)."""

_LOG_STREAMS = ("All", "Stderr", "Stdout")


def stream_path(pod: Pod, subresource: str, query: Query) -> tuple[str, str]:
    """Path and query on the node for exec, attach or portforward. Raises StatusError."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    params: list[tuple[str, str]] = []
    if subresource == "portforward":
        _require_node(pod)
        ports = [str(_integer(text)) for text in query.getall("ports", [])]
        return f"/portForward/{namespace}/{name}", urlencode({"port": ",".join(ports)} if ports else {})
    container = choose_container(pod, query.get("container", ""))
    _require_node(pod)
    params += [(theirs, "1") for ours, theirs in _STREAMS.items() if flag(query, ours)]
    params += [("command", word) for word in query.getall("command", [])]
    return f"/{subresource}/{namespace}/{name}/{quote(container)}", urlencode(params)


def log_path(pod: Pod, query: Query) -> tuple[str, str]:
    """Path and query on the node for the log. Raises StatusError."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    numbers = {key: _integer(query[key]) for key in ("sinceSeconds", "tailLines", "limitBytes") if query.get(key)}
    errors = list(_log_errors(query, numbers))
    if errors:
        raise status.invalid_kind("", "PodLogOptions", name, errors)
    container = choose_container(pod, query.get("container", ""))
    params = {key: "true" for key in ("follow", "previous", "timestamps") if flag(query, key)}
    params |= {key: str(value) for key, value in numbers.items()}
    params |= {key: query[key] for key in ("sinceTime", "stream") if query.get(key)}
    return f"/containerLogs/{namespace}/{name}/{quote(container)}", urlencode(params)


def choose_container(pod: Pod, wanted: str) -> str:
    """The container that is meant; without a name, the pod's only one. Raises StatusError 400."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    everyone = [
        container["name"]
        for key in ("initContainers", "containers", "ephemeralContainers")
        for container in spec.get(key) or ()
    ]
    if wanted:
        if wanted not in everyone:
            raise status.bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    regular = spec.get("containers") or []
    if len(regular) == 1:
        return str(regular[0]["name"])
    text = f"a container name must be specified for pod {name}"
    raise status.bad_request(f"{text}, choose one of: [{' '.join(everyone)}]" if regular else text)


def flag(query: Query, key: str) -> bool:
    """A boolean parameter as upstream reads it: anything but 0 and false is true."""
    return key in query and query[key] != "0" and query[key].lower() != "false"


def _require_node(pod: Pod) -> None:
    if not pod["spec"].get("nodeName"):
        raise status.bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise status.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def _log_errors(query: Query, numbers: dict[str, int]) -> Iterator[FieldError]:
    tail, limit, seconds = (numbers.get(key) for key in ("tailLines", "limitBytes", "sinceSeconds"))
    if tail is not None and tail < 0:
        yield fielderrors.invalid("tailLines", tail, "must be greater than or equal to 0")
    if limit is not None and limit < 1:
        yield fielderrors.invalid("limitBytes", limit, "must be greater than 0")
    if seconds is not None and query.get("sinceTime"):
        yield fielderrors.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified")
    elif seconds is not None and seconds < 1:
        yield fielderrors.invalid("sinceSeconds", seconds, "must be greater than 0")
    stream = query.get("stream") or "All"
    if stream not in _LOG_STREAMS:
        yield fielderrors.not_supported("stream", stream, _LOG_STREAMS)
    if stream != "All" and tail is not None:
        yield fielderrors.forbidden("", "`tailLines` and specific `stream` are mutually exclusive for now")
