"""`apply`: objects become what files say, by a three-way patch of ours or by the server's own apply.

Requests, annotation, field managers and texts are kubectl's (pkg/cmd/apply, v1.36), so that both can work on
the same objects.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import apply_server, connect, failures, flags, lastapplied, results, targets, three_way
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item
from podsysctl.client.discovery import Found
from podsysctl.client.rest import Object

HELP = """Bring objects to the state that files describe, creating those that do not exist.

examples:
  podsysctl apply -f pod.yaml
  podsysctl apply -f manifests/ -R --server-side
  podsysctl apply -f - --dry-run=server < pod.yaml"""

ATTEMPTS = 5
"""Tries against conflicts of a client-side patch."""

CLIENT_SIDE_MANAGER = "kubectl-client-side-apply"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `apply`."""
    flags.add_files(parser, "to apply")
    flags.add_output(parser)
    flags.add_dry_run(parser)
    flags.add_validate(parser)
    flags.add_field_manager(parser, "")
    parser.add_argument("-l", "--selector", metavar="LABELS", default="", help="only objects with these labels")
    parser.add_argument("--server-side", action="store_true", help="let the server merge, and keep track of owners")
    parser.add_argument("--force-conflicts", action="store_true", help="take fields over from other managers")
    flags.add_bool(parser, "--overwrite", default=True, help="win against changes that others made to the live object")


def run(args: argparse.Namespace) -> int:
    """Run `apply`."""
    if not args.filenames:
        raise UsageError("must specify one of -f and -k", hint="podsysctl apply -f FILE")
    if args.force_conflicts and not args.server_side:
        raise UsageError("--force-conflicts only works with --server-side")
    if args.dry_run == "client" and args.server_side:
        raise UsageError("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)")
    return connect.run(args, _apply)


async def _apply(connection: Connection, args: argparse.Namespace) -> int:
    errors: list[PodsysctlError] = []
    items = await targets.from_files(connection, args, errors=errors)
    items = [item for item in items if _selected(item, args.selector)]
    if not items and not errors:
        raise UsageError("no objects passed to apply")
    shown = results.Results(args)
    for item in items:
        try:
            await _one(connection, args, item, shown)
        except (StatusError, ApplyError, apply_server.ApplyConflictError) as error:
            errors.append(error)
    shown.finish()
    failures.raise_all(errors)
    return 0


class ApplyError(PodsysctlError):
    """An object that cannot be applied."""

    reason = "ApplyFailed"


def _selected(item: Item, selector: str) -> bool:
    if not selector:
        return True
    from podsysctl.objects import selectors

    labels = (item.object.get("metadata") or {}).get("labels") or {}
    return selectors.parse_label_selector(selector).matches(labels)


async def _one(connection: Connection, args: argparse.Namespace, item: Item, shown: results.Results) -> None:
    metadata = dict(item.object.get("metadata") or {})
    if not item.name:
        if metadata.get("generateName"):
            raise ApplyError(f"from {metadata['generateName']}: cannot use generate name with apply")
        raise ApplyError(
            f'error when retrieving current configuration of "{item.source}": resource name may not be empty'
        )
    if item.namespace:
        metadata["namespace"] = item.namespace
    obj = {**item.object, "metadata": metadata}
    if args.server_side:
        await apply_server.apply_object(connection, args, item, obj, shown)
        return
    try:
        live = await connection.client.get(item.kind, item.name, item.namespace)
    except StatusError as error:
        if error.code != 404:
            raise _explained(error, item, "retrieving current configuration of") from error
        await _create(connection, args, item, obj, shown)
        return
    await _update(connection, args, item, obj, live, shown)


def _explained(error: StatusError, item: Item, what: str) -> StatusError:
    head = f"{what}:\n{_describe(item)}\nfrom server for:"
    return failures.with_source(head, item.source, error)


def _describe(item: Item) -> str:
    kind = item.kind
    group = f"{kind.group}/{kind.version}" if kind.group else f"/{kind.version}"
    return (
        f'Resource: "{group}, Resource={kind.plural}", GroupVersionKind: "{group}, Kind={kind.kind}"\n'
        f'Name: "{item.name}", Namespace: "{item.namespace or ""}"'
    )


async def _create(
    connection: Connection, args: argparse.Namespace, item: Item, obj: Object, shown: results.Results
) -> None:
    full = lastapplied.without_nulls(lastapplied.with_annotation(obj))
    if args.dry_run != "client":
        try:
            full = await connection.client.create(
                item.kind,
                full,
                namespace=item.namespace,
                dry_run=args.dry_run == "server",
                field_manager=args.field_manager or CLIENT_SIDE_MANAGER,
                field_validation=flags.field_validation(args.validate),
            )
        except StatusError as error:
            raise failures.with_source("creating", item.source, error) from error
    shown.add(full, "created")


async def _update(
    connection: Connection, args: argparse.Namespace, item: Item, obj: Object, live: Object, shown: results.Results
) -> None:
    if lastapplied.read(live) is None:
        sys.stderr.write(
            f"Warning: resource {item.kind.plural}/{item.name} is missing the {lastapplied.ANNOTATION} annotation "
            "which is required by podsysctl apply. podsysctl apply should only be used on resources created "
            "declaratively by either podsysctl create --save-config or podsysctl apply. The missing annotation will "
            "be patched automatically.\n"
        )
    modified = lastapplied.with_annotation(obj)
    patch, patch_type = _patch(item, modified, live)
    result = live
    if patch and args.dry_run != "client":
        result = await _send(connection, args, item, modified, live)
    elif patch:
        result = _patched_locally(item, live, patch, patch_type)
    if (result.get("metadata") or {}).get("deletionTimestamp"):
        sys.stderr.write(f"Warning: Detected changes to resource {item.name} which is currently being deleted.\n")
    shown.add(result, "configured" if patch else "unchanged")


async def _send(connection: Connection, args: argparse.Namespace, item: Item, modified: Object, live: Object) -> Object:
    for attempt in range(ATTEMPTS + 1):
        patch, patch_type = _patch(item, modified, live)
        try:
            return await connection.client.patch(
                item.kind,
                item.name,
                patch,
                namespace=item.namespace,
                patch_type=patch_type,
                field_manager=args.field_manager or CLIENT_SIDE_MANAGER,
                field_validation=flags.field_validation(args.validate),
                dry_run=args.dry_run == "server",
            )
        except StatusError as error:
            if error.code != 409 or attempt == ATTEMPTS:
                raise _patch_failed(error, item, patch) from error
        if attempt:
            await asyncio.sleep(1)
        live = await connection.client.get(item.kind, item.name, item.namespace)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _patch_failed(error: StatusError, item: Item, patch: Object) -> StatusError:
    from podsysctl.objects import gotext

    inner = failures.with_source("patching", item.source, error)
    return failures.with_source(
        f"applying patch:\n{gotext.json_text(patch)}\nto:\n{_describe(item)}\nfor:", item.source, inner
    )


def schema_of(kind: Found) -> Any:
    """The built-in type of a kind; None for custom kinds."""
    from podsysctl.objects import kinds, schema

    known = kinds.builtin_by_kind(kind.api_version, kind.kind)
    return schema.builtin(known.type_name) if known is not None and known.type_name else None


def _patch(item: Item, modified: Object, live: Object) -> tuple[Object, str]:
    original = lastapplied.read(live) or {}
    schema = schema_of(item.kind)
    if schema is None:
        return three_way.merge_patch(original, modified, live), "merge"
    return three_way.strategic_patch(original, modified, live, schema), "strategic"


def _patched_locally(item: Item, live: Object, patch: Object, patch_type: str) -> Object:
    from podsysctl.objects import patch as patches

    if patch_type == "strategic":
        return patches.strategic_merge(live, patch, schema_of(item.kind))
    merged: Object = patches.merge_patch(live, patch)
    return merged
