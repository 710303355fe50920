"""New and changed objects against answers recorded from the API machinery of Kubernetes 1.36.

`recorded/*.jsonl` holds what upstream's own decode, defaulting, strategy and validation code answered: the errors as
(reason, field, message) in order, or the object as it would be stored together with the warnings. Between them the
lines show every distinct error text that thousands of random objects of each kind brought up.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podsysctl.base.errors import StatusError
from podsysctl.objects import decode, defaults, kinds, schema, strategy
from podsysctl.objects.kinds import Kind

RECORDED = Path(__file__).parent / "recorded"
UID = "00000000-0000-0000-0000-000000000001"
BORN = "2026-01-01T00:00:00Z"
SERVER_SET = ("uid", "resourceVersion", "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


def rows() -> Iterator[Any]:
    """Every recorded case, named by its file and line."""
    for path in sorted(RECORDED.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield pytest.param(json.loads(line), id=f"{path.stem}:{number}")


def load(kind: Kind, body: Any) -> dict[str, Any]:
    """An object as a request brings it, with its defaults."""
    obj = decode.decode_json(json.dumps(body).encode(), schema.builtin(kind.type_name), kind).object
    defaults.apply_defaults(kind, obj)
    if kind.namespaced:
        obj["metadata"].setdefault("namespace", "default")
    return obj


def create(kind: Kind, row: Any, warnings: list[str]) -> dict[str, Any]:
    """What the server makes of a new object."""
    obj = load(kind, row["body"])
    meta = obj["metadata"]
    for key in SERVER_SET:
        meta.pop(key, None)
    meta |= {"uid": UID, "creationTimestamp": BORN}
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + "abcde"
    strategy.before_create(kind, obj, warnings.append)
    return obj


def update(kind: Kind, row: Any, warnings: list[str]) -> dict[str, Any]:
    """What the server makes of a changed object."""
    obj = load(kind, row["body"])
    strategy.before_update(kind, obj, load(kind, row["old"]), row["sub"], warnings.append)
    return obj


def answer(row: Any) -> dict[str, Any]:
    """What podsysctl answers to a recorded request, in the shape of the recording."""
    kind, warnings = kinds.builtin_by_kind(*row["kind"]), list[str]()
    try:
        obj = (create if row["do"] == "create" else update)(kind, row, warnings)
    except StatusError as error:
        return {"causes": [[cause.reason, cause.field, cause.message] for cause in error.details.causes]}
    obj["metadata"].pop("creationTimestamp")
    return {"warnings": warnings, "object": obj}


@pytest.mark.parametrize("row", list(rows()))
def test_recorded_request_gets_upstreams_answer(row: Any) -> None:
    """Errors, warnings and the stored object are those that upstream's code gave, to the byte."""
    assert answer(row) == row["want"]
