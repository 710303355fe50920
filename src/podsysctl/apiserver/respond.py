"""Answers: bodies in the encoding that was asked for, Status errors, Warning headers."""

from __future__ import annotations

import re
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

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters of Unicode's category Cc."""

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
        body = yaml_text(obj).encode()
    else:
        body = orjson.dumps(obj, option=orjson.OPT_INDENT_2 if _pretty(http) else None)
    return web.Response(body=body, status=code, headers=headers(warnings), content_type=media_type)


def yaml_text(obj: Any) -> str:
    """A document as YAML, keys in order."""
    text: str = yaml.dump(obj, Dumper=yaml.CSafeDumper, sort_keys=True, allow_unicode=True)
    return text


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
    for text in bounded(warnings):
        out.add("Warning", f"299 - {_quoted(text)}")
    return out


def bounded(warnings: Iterable[str]) -> list[str]:
    """The warnings that are sent: all, or once they are too long together the beginnings of the first ones.

    Texts with control characters are left out. Source: Kubernetes 1.36 `apiserver/pkg/endpoints/filters/warning.go`.
    """
    seen: dict[str, None] = {}
    sent: list[str] = []
    spent, cutting = 0, False
    for text in warnings:
        if not text or text in seen or (cutting and spent >= limits.WARNING_TOTAL_RUNES):
            continue
        seen[text] = None
        item = text[: limits.WARNING_RUNES] if cutting else text
        if _has_control(item):
            continue
        if cutting or spent + len(item) <= limits.WARNING_TOTAL_RUNES:
            spent += len(item)
            sent.append(item)
            continue
        cutting = True
        sent = [cut for cut in (each[: limits.WARNING_RUNES] for each in seen) if not _has_control(cut)]
        spent = sum(map(len, sent))
    return sent


def _has_control(text: str) -> bool:
    return _CONTROL.search(text) is not None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _pretty(http: web.Request) -> bool:
    wanted = http.query.get("pretty")
    if wanted is not None:
        return wanted in ("1", "true")
    return http.headers.get("User-Agent", "").startswith(_BROWSERS)
