"""How a request body becomes an object: bounded, typed, canonical, with upstream's words for what is wrong.

A body that fits its type takes the quick path (orjson and one walk). Anything odd, a wrong type, an unknown or
a doubled field, takes a second look through `diagnose`, which knows what upstream would say. Defaults, admission
and validation come after.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from podsysctl.base.errors import StatusError
from podsysctl.objects import gojson, status
from podsysctl.objects.canonical import Canonicaliser, TypeMismatch
from podsysctl.objects.diagnose import DecodeError, Diagnosis
from podsysctl.objects.kinds import Kind, builtin_by_kind
from podsysctl.objects.quote import quote
from podsysctl.objects.schema import Schema, builtin
from podsysctl.objects.yamltext import YAMLSyntaxError, load_document

_SCHEME = "pkg/api/legacyscheme/scheme.go:30"
_HEAD_TYPE = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_SUMMARY_BYTES = 30
_METADATA = "meta/v1.ObjectMeta"


@dataclass(frozen=True, slots=True)
class Decoded:
    """An object, and its unknown or doubled fields in document order.

    Strict validation refuses an object with `problems` (see `strict_error`), Warn sends them as warnings and
    Ignore is silent; the object is the same in all three.
    """

    object: dict[str, Any]
    problems: list[str] = field(default_factory=list)


def decode_json(body: bytes, schema: Schema | None, kind: Kind) -> Decoded:
    """Read a JSON body as an object of `kind`.

    `schema` is the type's tree; None, or a custom kind, leaves typing to the custom schema's own validation.
    For a subresource with a body of its own, such as `scale`, `kind` is `Kind.body_of(name)`. `apiVersion` and
    `kind` are filled in when absent. Raises StatusError 400 for syntax, type and kind errors.
    """
    try:
        value = orjson.loads(body)
        doubled = gojson.count_kept(value) != gojson.count_members(body)
    except (orjson.JSONDecodeError, gojson.JSONSyntaxError):
        return _look_closer(body, schema, kind, kind.kind)
    if doubled:
        return _look_closer(body, schema, kind, kind.kind)
    return _decode(value, body, schema, kind)


def _decode(value: Any, body: bytes, schema: Schema | None, kind: Kind) -> Decoded:
    """The quick path: `value` is what `body` says."""
    expected = kind.kind
    if type(value) is not dict:
        return _look_closer(body, schema, kind, expected)
    if schema is None or kind.is_custom:
        _check_head(value, body, kind, expected)
        return _with_metadata(Decoded(_with_head(value, kind, expected)), kind)
    if value.get("kind") != expected or value.get("apiVersion") != kind.api_version:
        _check_head(value, body, kind, expected)
    trip = Canonicaliser()
    try:
        out = trip.root(value, schema)
    except TypeMismatch:
        return _look_closer(body, schema, kind, expected)
    if trip.dropped:
        return _look_closer(body, schema, kind, expected)
    return Decoded(_with_head(out, kind, expected))


def decode_value(value: Any, schema: Schema | None, kind: Kind) -> Decoded:
    """The same for an object that is already parsed: YAML, a protobuf message or the result of a patch."""
    body = orjson.dumps(value)
    fresh = orjson.loads(body)
    try:
        gojson.count_kept(fresh)
    except gojson.JSONSyntaxError:
        return _look_closer(body, schema, kind, kind.kind)
    return _decode(fresh, body, schema, kind)


def decode_changed(value: dict[str, Any], known: dict[str, Any], schema: Schema, kind: Kind) -> Decoded:
    """The same for an object that a merge made from a decoded one, with which it shares what the merge left alone.

    The result shares it too. Only what is new is looked at, and a merge nests nothing deeper than its two sides did.
    """
    if type(value) is dict and value.get("kind") == kind.kind and value.get("apiVersion") == kind.api_version:
        trip = Canonicaliser()
        try:
            out = trip.root(value, schema, known)
        except TypeMismatch:
            trip.dropped = True
        if not trip.dropped:
            return Decoded(_with_head(out, kind, kind.kind))
    return decode_value(value, schema, kind)


def decode_yaml(body: bytes) -> Any:
    """The JSON value of a YAML body, aliases unfolded within bounds. Raises StatusError 400."""
    try:
        return load_document(body)
    except YAMLSyntaxError as error:
        raise status.bad_request(f"error converting YAML to JSON: {error.message}") from error


def strict_error(decoded: Decoded, kind: Kind) -> StatusError:
    """What Strict field validation answers when there are problems: 400 that names them all."""
    text = f"strict decoding error: {', '.join(decoded.problems)}"
    return status.bad_request(_cannot_be_handled(kind.kind, kind.version, kind.kind, text))


def summarise(body: bytes) -> str:
    """The beginning of a body, as upstream shows it in errors."""
    if not body:
        return "<empty>"
    more = " ..." if len(body) > _SUMMARY_BYTES else ""
    head = body[:_SUMMARY_BYTES]
    return (head.decode("utf-8", "replace") if body[:1] == b"{" else head.hex()) + more


def _cannot_be_handled(got: str, version: str, expected: str, text: str) -> str:
    return f"{got} in version {quote(version)} cannot be handled as a {expected}: {text}"


def _unrecognised(expected: str, text: str, body: bytes) -> StatusError:
    what = f"the object provided is unrecognized (must be of type {expected})"
    return status.bad_request(f"{what}: {text} ({summarise(body)})")


def _look_closer(body: bytes, schema: Schema | None, kind: Kind, expected: str) -> Decoded:
    """The slow path: raise what upstream would, or return the object with its problems."""
    try:
        tree = gojson.read_tree(body)
    except gojson.JSONSyntaxError as error:
        text = f"couldn't get version/kind; json parse error: {error.message}"
        raise _unrecognised(expected, text, body) from error
    _, version, name = _check_head(tree, body, kind, expected)
    diagnosis = Diagnosis()
    if schema is None or kind.is_custom:
        diagnosis.duplicates(tree)
        plain = gojson.finish_numbers(gojson.to_plain(tree))
        return _with_metadata(Decoded(_with_head(plain or {}, kind, expected), diagnosis.problems), kind)
    try:
        diagnosis.root(tree, schema)
    except DecodeError as error:
        raise status.bad_request(_cannot_be_handled(name, version, expected, error.message)) from error
    if diagnosis.error is not None:
        raise status.bad_request(_cannot_be_handled(name, version, expected, diagnosis.error))
    out = Canonicaliser().root(gojson.to_plain(tree) or {}, schema)
    return Decoded(_with_head(out, kind, expected), diagnosis.problems)


def _with_metadata(decoded: Decoded, kind: Kind) -> Decoded:
    """The object with its metadata read as what it is for every kind, custom ones too. Raises StatusError 400."""
    metadata = decoded.object.get("metadata")
    if metadata is None:
        return decoded
    schema = builtin(_METADATA)
    trip = Canonicaliser()
    try:
        out = trip.root(metadata, schema)
    except TypeMismatch:
        trip.dropped = True
    problems: list[str] = []
    if trip.dropped:
        tree = gojson.read_tree(orjson.dumps(metadata))
        diagnosis = Diagnosis()
        try:
            diagnosis.root(tree, schema)
        except DecodeError as error:
            diagnosis.error = error.message
        if diagnosis.error is not None:
            raise status.bad_request(_cannot_be_handled(kind.kind, kind.version, kind.kind, diagnosis.error))
        out = Canonicaliser().root(gojson.to_plain(tree) or {}, schema)
        problems = [text.replace('field "', 'field "metadata.', 1) for text in diagnosis.problems]
    return Decoded({**decoded.object, "metadata": out}, [*decoded.problems, *problems])


def _check_head(value: Any, body: bytes, kind: Kind, expected: str) -> tuple[str, str, str]:
    """Group, version and kind of the body after filling gaps. Raises StatusError when it is not this kind."""
    api_version, name = _read_head(value, body, expected)
    if api_version.count("/") > 1:
        raise _unrecognised(expected, f"unexpected GroupVersion string: {api_version}", body)
    group, _, version = api_version.rpartition("/")
    if not version and not group:
        group, version = kind.group, kind.version
    elif not version and group == kind.group:
        version = kind.version
    name = name or expected
    if (group, version, name) == (kind.group, kind.version, expected):
        return group, version, name
    full = f"{group}/{version}" if group else version
    known = builtin_by_kind(full, name) or (builtin_by_kind(full, name.removesuffix("List")) or name == "Status")
    if kind.is_custom:
        text = f"no kind {quote(name)} is registered for version {quote(full)} in scheme {quote(_SCHEME)}"
        if (group, name) == (kind.group, expected) or name == expected:
            text = f"the API version in the data ({full}) does not match the expected API version ({kind.api_version})"
            raise status.bad_request(text)
    elif known is not None:
        text = f"converting (v1.{name}) to ({_internal(kind)}.{expected}): unknown conversion"
    else:
        text = f"no kind {quote(name)} is registered for version {quote(full)} in scheme {quote(_SCHEME)}"
    raise status.bad_request(_cannot_be_handled(name, version, expected, text))


def _internal(kind: Kind) -> str:
    """The Go package of upstream's internal types of a group."""
    return {"": "core", "events.k8s.io": "core"}.get(kind.group, re.sub(r"\..*", "", kind.group))


def _read_head(value: Any, body: bytes, expected: str) -> tuple[str, str]:
    """`apiVersion` and `kind`, found whatever their case, the last one of each winning."""
    members = value.items() if isinstance(value, dict) else value
    if value is None:
        return "", ""
    if not isinstance(value, (dict, gojson.Members)):
        shown = _json_name(value)
        text = f"json: cannot unmarshal {shown} into Go value of type {_HEAD_TYPE}"
        raise _unrecognised(expected, f"couldn't get version/kind; json parse error: {text}", body)
    found = {"apiversion": "", "kind": ""}
    for key, item in members:
        folded = key.lower()
        if folded not in found or item is None:
            continue
        if type(item) is not str:
            named = "apiVersion" if folded == "apiversion" else "kind"
            text = f"json: cannot unmarshal {_json_name(item)} into Go struct field .{named} of type string"
            raise _unrecognised(expected, f"couldn't get version/kind; json parse error: {text}", body)
        found[folded] = item
    return found["apiversion"], found["kind"]


def _json_name(value: Any) -> str:
    if isinstance(value, (dict, gojson.Members)):
        return "object"
    if isinstance(value, list):
        return "array"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float, gojson.NumberText)):
        return "number"
    return "string"


def _with_head(value: dict[str, Any], kind: Kind, expected: str) -> dict[str, Any]:
    value["apiVersion"] = kind.api_version
    value["kind"] = expected
    return value
