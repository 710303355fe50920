"""Reading request bodies: bounded, in any of the encodings clients use."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from podsysctl.apiserver import customresource
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.negotiate import JSON, PROTOBUF, YAML
from podsysctl.apiserver.options import IGNORE, STRICT
from podsysctl.base import limits
from podsysctl.objects import decode, protobuf, status
from podsysctl.objects.decode import Decoded
from podsysctl.objects.kinds import Kind
from podsysctl.objects.patch import tree
from podsysctl.objects.schema import Schema

ACCEPTED = (JSON, YAML, PROTOBUF)


async def read(http: web.Request) -> bytes:
    """The whole body. Raises StatusError 413 past the limit."""
    limit = limits.REQUEST_BODY_BYTES
    if http.content_length is not None and http.content_length > limit:
        raise status.body_too_large(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in http.content.iter_chunked(64 * 1024):
        size += len(chunk)
        if size > limit:
            raise status.body_too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def media_type(http: web.Request) -> str:
    """The body's media type without parameters; JSON when there is none."""
    header = http.headers.get("Content-Type", "")
    return header.partition(";")[0].strip().lower() or JSON


def decode_as(http: web.Request, body: bytes, schema: Schema | None, kind: Kind) -> Decoded:
    """A body as an object of a kind. Raises StatusError 400 and 415."""
    media = media_type(http)
    if media == JSON:
        return decode.decode_json(body, schema, kind)
    if media == YAML:
        return decode.decode_value(decode.decode_yaml(body), schema, kind)
    if media == PROTOBUF:
        return decode.decode_value(protobuf.decode(body, kind), schema, kind)
    raise status.unsupported_media_type(ACCEPTED)


def decode_resource(call: Call, body: bytes) -> Decoded:
    """A body as an object of the call's resource, custom kinds pruned to their schema."""
    decoded = decode_as(call.http, body, call.resource.schema, call.resource.kind)
    return customresource.prune(call.resource, decoded) if call.resource.definition is not None else decoded


def judge(call: Call, decoded: Decoded, validation: str, kind: Kind) -> dict[str, Any]:
    """The object, its unknown and doubled fields refused, warned about or ignored."""
    if decoded.problems:
        if validation == STRICT:
            raise decode.strict_error(decoded, kind)
        if validation != IGNORE:
            for problem in decoded.problems:
                call.warn(problem)
    return decoded.object


def loads(body: bytes) -> Any:
    """Plain JSON of a client, nested no deeper than objects may be. Raises ValueError."""
    value = orjson.loads(body)
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Raises ValueError for a value nested deeper than objects may be."""
    if tree.depth(value) > limits.OBJECT_DEPTH:
        raise ValueError("exceeded max depth")


def dumps(value: Any) -> bytes:
    """Plain JSON."""
    return orjson.dumps(value)
