"""Which pod and which container a command means when it is given POD, TYPE/NAME and perhaps -c.

Choices and texts: kubectl pkg/cmd/util/podcmd and pkg/polymorphichelpers, v1.36.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.cli.connect import Connection
from podsysctl.client.rest import Object

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
FINISHED = ("Succeeded", "Failed")


class NoPodError(PodsysctlError):
    """Nothing runs that the command could work on."""

    reason = "NoPod"


async def pod(connection: Connection, word: str) -> Object:
    """The pod of a name or of TYPE/NAME; of a workload's pods the oldest running one. Raises NoPodError."""
    kind_word, slash, name = word.partition("/")
    kind = await connection.find(kind_word if slash else "pods")
    obj = await connection.get(kind, name if slash else word)
    if kind.qualified == "pods":
        return obj
    found = await pods_of(connection, obj)
    running = [p for p in found if (p.get("status") or {}).get("phase") == "Running"]
    chosen = sorted(running or found, key=lambda p: str(p["metadata"].get("creationTimestamp") or ""))
    if not chosen:
        raise NoPodError(f"no pods of {kind.display}/{name} are there")
    return chosen[0]


async def pods_of(connection: Connection, owner: Object) -> list[Object]:
    """The pods that a workload or Service selects. Raises UsageError for kinds without a selector."""
    selector = selector_text((owner.get("spec") or {}).get("selector"))
    if not selector:
        raise UsageError(f"cannot find pods of {owner.get('kind')} {owner['metadata']['name']}: it has no selector")
    kind = await connection.find("pods")
    found = await connection.client.list(kind, owner["metadata"].get("namespace"), label_selector=selector)
    return found.items


def selector_text(selector: Object | None) -> str:
    """A LabelSelector, or a plain map of labels, as text."""
    if not selector:
        return ""
    labels = selector
    parts: list[str] = []
    if "matchLabels" in selector or "matchExpressions" in selector:
        labels = selector.get("matchLabels") or {}
        for term in selector.get("matchExpressions") or ():
            values = ",".join(term.get("values") or ())
            words = {"In": f"{term['key']} in ({values})", "NotIn": f"{term['key']} notin ({values})"}
            words |= {"Exists": term["key"], "DoesNotExist": f"!{term['key']}"}
            parts.append(words[term["operator"]])
    return ",".join([f"{key}={value}" for key, value in sorted(labels.items())] + parts)


def _containers(obj: Object) -> Iterator[tuple[str, str]]:
    spec = obj.get("spec") or {}
    for field, mark in (("containers", ""), ("ephemeralContainers", " (ephem)"), ("initContainers", " (init)")):
        for container in spec.get(field) or ():
            yield container["name"], mark


def all_names(obj: Object) -> str:
    """`a, b, c (init)`."""
    return ", ".join(name + mark for name, mark in _containers(obj))


def container(obj: Object, wanted: str, *, quiet: bool = False) -> str:
    """The container to use; says on stderr when it chose among several. Raises NoPodError."""
    name = wanted or (obj["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER) or ""
    names = [n for n, _ in _containers(obj)]
    if name:
        if name not in names:
            raise NoPodError(
                f"container {name} is not valid for pod {obj['metadata']['name']} out of: {all_names(obj)}"
            )
        return name
    first = str(names[0])
    if len(names) > 1 and not quiet:
        sys.stderr.write(f'Defaulted container "{first}" out of: {all_names(obj)}\n')
    return first


def refuse_finished(obj: Object, verb: str) -> None:
    """Nothing runs in a finished pod. Raises NoPodError; `verb` is `exec into` or `attach`."""
    phase = (obj.get("status") or {}).get("phase")
    if phase in FINISHED:
        raise NoPodError(f"cannot {verb} a container in a completed pod; current phase is {phase}")
