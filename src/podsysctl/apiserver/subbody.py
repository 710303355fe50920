"""Bodies of subresources that have a kind of their own."""

from __future__ import annotations

from typing import Any

from podsysctl.apiserver import body as bodies
from podsysctl.apiserver import options
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.options import WriteOptions
from podsysctl.objects import defaults
from podsysctl.objects import schema as schemas

Object = dict[str, Any]


async def read(call: Call, options_kind: str = "CreateOptions") -> tuple[Object, WriteOptions]:
    """The decoded and defaulted body of the request's subresource, and the write options."""
    kind = call.resource.kind.body_of(call.info.subresource)
    raw = await bodies.read(call.http)
    wanted = options.parse_write(call.query, options_kind)
    decoded = bodies.decode_as(call.http, raw, schemas.builtin(kind.type_name), kind)
    obj = bodies.judge(call, decoded, wanted.field_validation, kind)
    defaults.apply_defaults(kind, obj)
    return obj, wanted


def success(code: int = 201) -> Object:
    """The Status of a subresource that has nothing else to show."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code}
