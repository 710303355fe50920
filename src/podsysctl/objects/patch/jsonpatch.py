"""RFC 6902 JSON patch, with the deviations of the library that upstream uses.

Deviations (evanphx/json-patch v4): negative array indices count from the end, `replace` creates a missing
object key, `copy` of a missing key copies null. A patch that fails changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import StatusError
from podsysctl.objects.patch import problems, tree

MAX_OPERATIONS = 10_000
"""Most operations of one patch (apiserver handlers/patch.go)."""

_MEMBERS = frozenset({"op", "path", "from", "value"})
_INDEX = re.compile(r"[+-]?[0-9]{1,18}")


class _MisfitError(Exception):
    """An operation that does not fit the document, in the library's words."""


def json_patch(doc: Any, operations: Any) -> Any:
    """The document after all operations; `operations` is the decoded body.

    Raises StatusError: 400 when the body is not a list of operations, 413 when there are too many, 422 when
    one does not fit (with the library's text as hint).
    """
    checked = _check(operations)
    root = tree.clone(doc)
    copied_bytes = 0
    for operation in checked:
        try:
            root, size = _apply(root, operation)
        except _MisfitError as error:
            raise problems.rejected(str(error)) from error
        copied_bytes += size
        if copied_bytes > limits.REQUEST_BODY_BYTES:
            raise problems.rejected(
                "Unable to complete the copy, the accumulated size increase of copy is "
                f"{copied_bytes}, exceeding the limit {limits.REQUEST_BODY_BYTES}"
            )
    return root


def strict_problems(operations: Any) -> list[str]:
    """Unknown members of the operations, as `fieldValidation` Strict and Warn report them."""
    return [
        f'json patch unknown field "[{index}].{member}"'
        for index, operation in enumerate(operations)
        for member in operation
        if member not in _MEMBERS
    ]


def _check(operations: Any) -> Sequence[dict[str, Any]]:
    if operations is None:
        return ()
    if not isinstance(operations, list):
        raise problems.undecodable(operations, "[]handlers.jsonPatchOp")
    for operation in operations:
        if not isinstance(operation, dict):
            raise problems.undecodable(operation, "handlers.jsonPatchOp")
        for member in ("op", "path", "from"):
            value = operation.get(member, "")
            if not isinstance(value, str) and value is not None:
                raise problems.undecodable(value, "string")
    if len(operations) > MAX_OPERATIONS:
        raise StatusError(
            413,
            "RequestEntityTooLarge",
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(operations)}",
        )
    return operations


def _apply(root: Any, operation: dict[str, Any]) -> tuple[Any, int]:
    """One operation: the new root, and how many bytes a copy added."""
    kind = operation.get("op")
    path = _pointer(operation, "path", kind)
    value = operation.get("value")
    if kind == "test":
        _test(root, path, value)
    elif kind == "replace":
        return _replace(root, path, value), 0
    elif kind == "remove":
        parent, key = _parent(root, path, "remove operation does not apply: doc is missing path")
        _remove(parent, key, path)
    elif kind == "add":
        parent, key = _parent(root, path, "add operation does not apply: doc is missing path")
        _add(parent, key, tree.clone(value), path)
    elif kind == "move":
        source = _pointer(operation, "from", kind)
        parent, key = _parent(root, source, "move operation does not apply: doc is missing from path")
        moved = _get(parent, key, source)
        _remove(parent, key, source)
        parent, key = _parent(root, path, "move operation does not apply: doc is missing destination path")
        _add(parent, key, moved, path)
    elif kind == "copy":
        source = _pointer(operation, "from", kind)
        parent, key = _parent(root, source, "copy operation does not apply: doc is missing from path")
        copied = tree.clone(_get(parent, key, source))
        parent, key = _parent(root, path, "copy operation does not apply: doc is missing destination path")
        _add(parent, key, copied, path)
        return root, len(json.dumps(copied, separators=(",", ":")))
    else:
        raise _MisfitError(f"Unexpected kind: {kind or 'unknown'}")
    return root, 0


def _pointer(operation: dict[str, Any], member: str, kind: Any) -> str:
    value = operation.get(member)
    if not isinstance(value, str):
        raise _MisfitError(f"{kind} operation failed to decode {member}: missing value")
    return value


def _replace(root: Any, path: str, value: Any) -> Any:
    if path == "":
        if not isinstance(value, (dict, list)):
            raise _MisfitError("replace operation value must be object or array")
        return tree.clone(value)
    parent, key = _parent(root, path, "replace operation does not apply: doc is missing path")
    _bound(path, value)
    if isinstance(parent, list):
        parent[_index(key, len(parent), len(parent), path)] = tree.clone(value)
    else:
        parent[key] = tree.clone(value)
    return root


def _test(root: Any, path: str, value: Any) -> None:
    if path == "":
        actual = root
    else:
        parent, key = _parent(root, path, "test operation does not apply: is missing path")
        actual = _get(parent, key, path)
    if not tree.equal(actual, value):
        raise _MisfitError(f"testing value {path} failed: test failed")


def _parent(root: Any, path: str, text: str) -> tuple[Any, str]:
    """The object or list that holds the last part of a pointer, and that part."""
    parts = path.split("/")
    if len(parts) < 2:
        raise _MisfitError(f"{text}: {path}: missing value")
    node = root
    for part in parts[1:-1]:
        key = _unescape(part)
        node = _get(node, key, path)
        if not isinstance(node, (dict, list)):
            raise _MisfitError(f"{text}: {path}: missing value")
    return node, _unescape(parts[-1])


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~") if "~" in part else part


def _index(key: str, count: int, end: int, path: str) -> int:
    """An array index below `end`; a negative one counts back from it."""
    if not _INDEX.fullmatch(key):
        raise _MisfitError(f"value was not a proper array index: '{key}'")
    index = int(key)
    if index >= end or index < -end:
        raise _MisfitError(f"error for path: '{path}': Unable to access invalid index: {index} of {count}")
    return index + end if index < 0 else index


def _get(parent: Any, key: str, path: str) -> Any:
    if isinstance(parent, dict):
        return parent.get(key)
    return parent[_index(key, len(parent), len(parent), path)]


def _add(parent: Any, key: str, value: Any, path: str) -> None:
    _bound(path, value)
    if isinstance(parent, dict):
        parent[key] = value
    elif key == "-":
        parent.append(value)
    else:
        parent.insert(_index(key, len(parent), len(parent) + 1, path), value)


def _remove(parent: Any, key: str, path: str) -> None:
    if isinstance(parent, list):
        del parent[_index(key, len(parent), len(parent), path)]
    elif key not in parent:
        raise _MisfitError(
            f"error in remove for path: '{path}': Unable to remove nonexistent key: {key}: missing value"
        )
    else:
        del parent[key]


def _bound(path: str, value: Any) -> None:
    if path.count("/") + tree.depth(value) > limits.OBJECT_DEPTH:
        raise _MisfitError(f"error in add for path: '{path}': nested deeper than {limits.OBJECT_DEPTH}")
