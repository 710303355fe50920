"""get and list: one object, or a page of a consistent snapshot."""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from podsysctl.apiserver import options, respond, selection
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.negotiate import JSON, YAML
from podsysctl.apiserver.options import EXACT, ListOptions
from podsysctl.apiserver.selection import Selection
from podsysctl.apiserver.shape import Shaper
from podsysctl.apiserver.store import CompactedError
from podsysctl.apiserver.storeindex import Item
from podsysctl.base import limits
from podsysctl.objects import status

_TOKEN_VERSION = "meta.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Page:
    """Objects of one answer, the revision they are of, and where the next page begins ("" at the end)."""

    items: list[Item]
    revision: int
    next_key: str = ""
    remaining: int | None = None


async def get(call: Call) -> web.StreamResponse:
    """One object."""
    version = call.query.get("resourceVersion", "")
    options.check_version(version)
    check_known_revision(call, version)
    return respond.send_item(call, current(call))


def current(call: Call) -> Item:
    """The stored object that the path names. Raises StatusError 404."""
    item = call.store.get(call.resource.bucket, call.resource.key(call.info.namespace, call.info.name))
    if item is None:
        raise status.not_found(call.resource.kind, call.info.name)
    return item


async def list_objects(call: Call) -> web.StreamResponse:
    """A list, whole or in pages."""
    wanted = options.parse_list(call.query, watch=False)
    chosen = selection.parse(call.resource, wanted)
    shaper = Shaper(call, respond.output_of(call))
    page = await read_page(call, wanted, chosen)
    metadata: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.next_key:
        metadata["continue"] = encode_token(page.revision, page.next_key)
        if page.remaining:
            metadata["remainingItemCount"] = page.remaining
    return await _send(call, shaper, page.items, metadata)


async def read_page(call: Call, wanted: ListOptions, chosen: Selection) -> Page:
    """The objects that a list wants. Raises StatusError 400, 410 and 504."""
    if wanted.continue_token:
        revision, start = _decode_token(wanted.continue_token, call.resource.prefix(call.info.namespace))
        if revision > 0:
            return await _snapshot(call, wanted, chosen, revision, start)
        return await _live(call, wanted, chosen, start)
    check_known_revision(call, wanted.resource_version)
    legacy_exact = wanted.limit > 0 and not wanted.resource_version_match and wanted.revision > 0
    if wanted.resource_version_match == EXACT or legacy_exact:
        return await _snapshot(call, wanted, chosen, wanted.revision, "")
    return await _live(call, wanted, chosen, "")


def check_known_revision(call: Call, version: str) -> None:
    """Raises StatusError 504 for a revision that is still to come; `version` is a number or empty."""
    if version and int(version) > call.store.revision:
        raise status.too_large_resource_version(int(version), call.store.revision)


async def _live(call: Call, wanted: ListOptions, chosen: Selection, start: str) -> Page:
    resource, store = call.resource, call.store
    prefix, revision = resource.prefix(call.info.namespace), store.revision
    if chosen.name is not None and (prefix or not resource.kind.namespaced):
        found = store.get(resource.bucket, resource.key(call.info.namespace, chosen.name))
        return Page([found] if found is not None and chosen.matches(found) else [], revision)
    if chosen.empty and wanted.limit:
        items = store.range(resource.bucket, prefix, start, wanted.limit + 1)
        if len(items) <= wanted.limit:
            return Page(items, revision)
        after = items[wanted.limit - 1].key + "\0"
        remaining = store.count(resource.bucket, prefix, after)
        return Page(items[:-1], revision, after, remaining)
    topic = selection.topic_of(chosen)
    if topic is None:
        items = store.range(resource.bucket, prefix, start)
    else:
        items = [item for item in store.of_topic(resource.bucket, prefix, topic) if item.key >= start]
    if not chosen.empty:
        items = await _select(items, chosen, wanted.limit + 1 if wanted.limit else 0)
    return _cut(items, wanted.limit, revision)


async def _snapshot(call: Call, wanted: ListOptions, chosen: Selection, revision: int, start: str) -> Page:
    resource, store = call.resource, call.store
    prefix = resource.prefix(call.info.namespace)
    found: list[Item] = []
    need = wanted.limit + 1 if wanted.limit else 0
    step = max(need, limits.LIST_PAGE_ITEMS) if need else 0
    try:
        while True:
            items = await store.range_at(resource.bucket, revision, prefix, start, step)
            found += await _select(items, chosen, need - len(found) if need else 0)
            if not step or len(items) < step or len(found) >= need:
                break
            start = items[-1].key + "\0"
    except CompactedError as error:
        if wanted.continue_token:
            fresh = encode_token(-1, start)
            raise status.expired(status.CONTINUE_EXPIRED, continue_token=fresh) from error
        raise status.expired(
            f"The resourceVersion for the provided list is too old. ({error.requested} < {error.compacted})"
        ) from error
    page = _cut(found, wanted.limit, revision)
    if page.next_key and chosen.empty and store.last_revision(resource.bucket) <= revision:
        remaining = store.count(resource.bucket, prefix, page.next_key)
        return Page(page.items, revision, page.next_key, remaining)
    return page


def _cut(items: list[Item], limit: int, revision: int) -> Page:
    if not limit or len(items) <= limit:
        return Page(items, revision)
    return Page(items[:limit], revision, items[limit - 1].key + "\0")


async def _select(items: list[Item], chosen: Selection, enough: int) -> list[Item]:
    """Those that match, at most `enough` unless it is 0; gives way to other requests now and then."""
    if chosen.empty:
        return items[:enough] if enough else items
    out: list[Item] = []
    for index, item in enumerate(items):
        if chosen.matches(item):
            out.append(item)
            if enough and len(out) >= enough:
                break
        if index % limits.LIST_CHUNK_ITEMS == limits.LIST_CHUNK_ITEMS - 1:
            await asyncio.sleep(0)
    return out


def encode_token(revision: int, start: str) -> str:
    """The continue token: version, revision and first key, as upstream packs them."""
    packed = orjson.dumps({"v": _TOKEN_VERSION, "rv": revision, "start": start})
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _decode_token(text: str, prefix: str) -> tuple[int, str]:
    try:
        raw = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error) as error:
        raise status.bad_request(f"continue key is not valid: {error}") from error
    if not isinstance(raw, dict) or raw.get("v") != _TOKEN_VERSION:
        raise status.bad_request("continue key is not valid: incorrect encoded start resourceVersion")
    revision, start = raw.get("rv"), raw.get("start")
    if not isinstance(revision, int) or not isinstance(start, str) or not start.startswith(prefix):
        raise status.bad_request("continue key is not valid: incorrect encoded start resourceVersion")
    return revision, start


async def _send(call: Call, shaper: Shaper, items: list[Item], metadata: dict[str, Any]) -> web.StreamResponse:
    if shaper.output.media_type == YAML:
        text = await _yaml_list(shaper, items, metadata)
        return web.Response(text=text, headers=respond.headers(call.warnings), content_type=YAML)
    step = limits.LIST_CHUNK_ITEMS
    if len(items) <= step:
        body = b"".join((shaper.list_head(metadata), b",".join(map(shaper.item, items)), b"]}\n"))
        return web.Response(body=body, headers=respond.headers(call.warnings), content_type=JSON)
    response = web.StreamResponse(headers=respond.headers(call.warnings))
    response.content_type = JSON
    await response.prepare(call.http)
    await response.write(shaper.list_head(metadata))
    for first in range(0, len(items), step):
        chunk = b",".join(map(shaper.item, items[first : first + step]))
        await response.write(chunk if first == 0 else b"," + chunk)
        await asyncio.sleep(0)
    await response.write(b"]}\n")
    await response.write_eof()
    return response


async def _yaml_list(shaper: Shaper, items: list[Item], metadata: dict[str, Any]) -> str:
    """A list as one document, dumped object by object: the dumper takes a second for what is three megabytes."""
    head = orjson.loads(shaper.list_head(metadata) + b"]}")
    listed = "rows" if "rows" in head else "items"
    if not items:
        return respond.yaml_text(head)
    parts = [respond.yaml_text({key: head[key] for key in head if key < listed}), f"{listed}:\n"]
    for item in items:
        parts.append(respond.yaml_text([orjson.loads(shaper.item(item))]))
        await asyncio.sleep(0)
    rest = {key: head[key] for key in head if key > listed}
    return "".join([*parts, respond.yaml_text(rest) if rest else ""])
