"""Which objects a command means: TYPE, TYPE NAME..., TYPE/NAME..., comma lists, selectors, or files.

The grammar and its errors are those of cli-runtime pkg/resource/builder.go, v1.36.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import failures
from podsysctl.cli.connect import Connection
from podsysctl.client.discovery import Found, UnknownResourceError
from podsysctl.client.rest import Object

if TYPE_CHECKING:
    from podsysctl.cli.manifests import Document


@dataclass(frozen=True, slots=True)
class Target:
    """A kind and the names asked for; no names means all of them."""

    kind: Found
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One object on the server, or (from a file) as the file has it."""

    kind: Found
    name: str
    namespace: str | None
    object: Object
    source: str = ""

    @property
    def title(self) -> str:
        """`pod/web`, `deployment.apps/web`."""
        return f"{self.kind.display}/{self.name}"


async def parse(connection: Connection, words: Sequence[str], *, expand: bool = True) -> list[Target]:
    """Understand the words after a verb. Raises UsageError and UnknownResourceError.

    `all` and other categories stand for their kinds where `expand` is set.
    """
    if not words:
        return []
    if any("/" in word for word in words):
        return await _parse_pairs(connection, words)
    kinds = await _kinds(connection, words[0], expand)
    names = tuple(dict.fromkeys(words[1:]))
    if len(kinds) > 1 and names:
        raise UsageError("you may only specify a single resource type with names")
    return [Target(kind, names) for kind in kinds]


async def _parse_pairs(connection: Connection, words: Sequence[str]) -> list[Target]:
    out: list[Target] = []
    for word in words:
        kind, slash, name = word.partition("/")
        if not slash:
            raise UsageError(
                "there is no need to specify a resource type as a separate argument when passing arguments in "
                "resource/name form (e.g. 'podsysctl get resource/<resource_name>' instead of "
                "'podsysctl get resource resource/<resource_name>'"
            )
        if not kind or not name or "/" in name:
            raise UsageError("arguments in resource/name form must have a single resource and name")
        out.append(Target(await connection.find(kind), (name,)))
    return out


async def _kinds(connection: Connection, text: str, expand: bool) -> list[Found]:
    out: list[Found] = []
    for word in text.split(","):
        members = (await connection.mapper()).category(word) if expand and word else []
        if members:
            out += members
        elif word:
            out.append(await connection.find(word))
    return list(dict.fromkeys(out))


async def select(
    connection: Connection,
    args: argparse.Namespace,
    words: Sequence[str],
    *,
    all_flag: bool = False,
    ignore_not_found: bool = False,
    errors: list[PodsysctlError] | None = None,
) -> list[Item]:
    """The objects that -f, or words with selectors, mean, read from the server.

    `all_flag` says that this command needs --all or a selector before it touches a whole kind. With `errors`,
    objects that cannot be read are put there and the rest is returned; otherwise the first error is raised.
    Raises UsageError.
    """
    if getattr(args, "filenames", None):
        return await from_files(connection, args, read_live=True, errors=errors)
    targets = await parse(connection, words)
    if not targets:
        raise UsageError(
            "You must provide one or more resources by argument or filename.",
            hint="for example: pod/web, or pod web, or -f FILE",
        )
    failed: list[PodsysctlError] = []
    out: list[Item] = []
    selector, fields = getattr(args, "selector", ""), getattr(args, "field_selector", "")
    everywhere = getattr(args, "all_namespaces", False)
    for target in targets:
        if target.names:
            if selector or fields:
                raise UsageError("name cannot be provided when a selector is specified")
            for name in target.names:
                try:
                    obj = await connection.get(target.kind, name)
                except StatusError as error:
                    if not (ignore_not_found and error.code == 404):
                        failed.append(error)
                    continue
                out.append(Item(target.kind, name, connection.scope(target.kind), obj))
            continue
        if all_flag and not (selector or fields or getattr(args, "all", False)):
            raise UsageError("resource(s) were provided, but no name was specified")
        namespace = None if everywhere else connection.scope(target.kind)
        try:
            found = await connection.client.list(
                target.kind,
                namespace,
                label_selector=selector,
                field_selector=fields,
                limit=limits.LIST_PAGE_ITEMS,
            )
        except StatusError as error:
            failed.append(failures.with_selectors(error, target.kind, selector, fields))
            continue
        out += [item_of(target.kind, obj) for obj in found.items]
    _report(failed, errors)
    return out


def _report(failed: list[PodsysctlError], errors: list[PodsysctlError] | None) -> None:
    if errors is None:
        failures.raise_all(failed)
    else:
        errors += failed


def item_of(kind: Found, obj: Object) -> Item:
    """The item of an object from the server."""
    metadata = obj["metadata"]
    return Item(kind, metadata["name"], metadata.get("namespace"), obj)


async def from_files(
    connection: Connection,
    args: argparse.Namespace,
    *,
    read_live: bool = False,
    errors: list[PodsysctlError] | None = None,
) -> list[Item]:
    """The objects of -f, each with its kind and namespace; `read_live` replaces them by the server's.

    Raises UsageError for a namespace that contradicts -n, and PodsysctlError for unknown kinds.
    """
    from podsysctl.cli import manifests

    out: list[Item] = []
    failed: list[PodsysctlError] = []
    for document in manifests.read(args.filenames, recursive=args.recursive):
        try:
            item = await _file_item(connection, document)
            if read_live:
                live = await connection.client.get(item.kind, item.name, item.namespace)
                item = Item(item.kind, item.name, item.namespace, live, item.source)
            out.append(item)
        except (StatusError, UnknownResourceError, UsageError) as error:
            failed.append(error)
    _report(failed, errors)
    return out


async def _file_item(connection: Connection, document: Document) -> Item:
    obj = document.object
    metadata = obj.get("metadata") or {}
    name = metadata.get("name") or ""
    try:
        kind = (await connection.mapper()).find_kind(obj["apiVersion"], obj["kind"])
    except UnknownResourceError as error:
        raise UnknownResourceError(
            f'resource mapping not found for name: "{name}" namespace: "{metadata.get("namespace") or ""}" '
            f'from "{document.source}": {error.message}\nensure CRDs are installed first'
        ) from error
    namespace = None
    if kind.namespaced:
        own = metadata.get("namespace")
        if own and connection.namespace_is_explicit and own != connection.namespace:
            raise UsageError(
                f'the namespace from the provided object "{own}" does not match the namespace '
                f"\"{connection.namespace}\". You must pass '--namespace={own}' to perform this operation."
            )
        namespace = own or connection.namespace
    return Item(kind, name, namespace, obj, document.source)
