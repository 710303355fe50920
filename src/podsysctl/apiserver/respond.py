"""Answers: bodies in the encoding that was asked for, Status errors, Warning headers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import yaml
from aiohttp import web
from multidict import CIMultiDict

from podsysctl.apiserver import negotiate
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.negotiate import JSON, YAML, Output
from podsysctl.apiserver.shape import Shaper, load
from podsysctl.apiserver.storeindex import Item
from podsysctl.base import limits
from podsysctl.base.errors import StatusError

_BROWSERS = ("curl/", "Wget/", "Mozilla/")


def output_of(call: Call) -> Output:
    """What the client accepts. Raises StatusError 406."""
    return negotiate.choose(call.http.headers.get("Accept"))


def send_item(call: Call, item: Item, code: int = 200) -> web.Response:
    """A stored object."""
    output = output_of(call)
    if output.is_plain and call.resource.from_storage is None and not _pretty(call.http):
        return web.Response(body=item.data, status=code, headers=headers(call.warnings), content_type=JSON)
    return send(call, load(call.resource, item), code)


def send(call: Call, obj: dict[str, Any], code: int = 200) -> web.Response:
    """An object of the resource, in the shape the client asked for."""
    output = output_of(call)
    shaped = Shaper(call, output).single(obj)
    return encode(call.http, shaped, code, call.warnings, output.media_type)


def send_other(call: Call, obj: dict[str, Any], code: int = 200) -> web.Response:
    """An object of another kind than the resource's, such as a Status, Scale or Eviction: never a table."""
    return encode(call.http, obj, code, call.warnings, output_of(call).media_type)


def encode(
    http: web.Request, obj: Any, code: int = 200, warnings: Iterable[str] = (), media_type: str = JSON
) -> web.Response:
    """Any object as JSON or YAML."""
    if media_type == YAML:
        text = yaml.dump(obj, Dumper=yaml.CSafeDumper, sort_keys=True, allow_unicode=True)
        body = text.encode()
    else:
        body = orjson.dumps(obj, option=orjson.OPT_INDENT_2 if _pretty(http) else None)
    return web.Response(body=body, status=code, headers=headers(warnings), content_type=media_type)


def error(http: web.Request, failure: StatusError, warnings: Iterable[str] = ()) -> web.Response:
    """A Status."""
    response = encode(http, failure.to_dict(), failure.code, warnings)
    if failure.code == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="kubernetes-master"'
    if failure.details is not None and failure.details.retry_after_s:
        response.headers["Retry-After"] = str(failure.details.retry_after_s)
    return response


def headers(warnings: Iterable[str] = ()) -> CIMultiDict[str]:
    """Headers of every answer, with one Warning header per warning, bounded as upstream bounds them."""
    out: CIMultiDict[str] = CIMultiDict({"Cache-Control": "no-cache, private"})
    texts = list(warnings)
    if sum(map(len, texts)) > limits.WARNING_TOTAL_RUNES:
        texts = [text[: limits.WARNING_RUNES] for text in texts]
    spent = 0
    for text in texts:
        spent += len(text)
        if spent > limits.WARNING_TOTAL_RUNES:
            break
        out.add("Warning", f"299 - {_quoted(text)}")
    return out


def _quoted(text: str) -> str:
    clean = "".join(char if char.isprintable() else " " for char in text)
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _pretty(http: web.Request) -> bool:
    wanted = http.query.get("pretty")
    if wanted is not None:
        return wanted in ("1", "true")
    return http.headers.get("User-Agent", "").startswith(_BROWSERS)
