"""`get -w`: the list, then every change as the server reports it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Callable
from contextlib import aclosing

from podsysctl.base.errors import StatusError, UsageError
from podsysctl.cli import flags, formats, get, tables, targets
from podsysctl.cli.connect import Connection
from podsysctl.client import watch as watching
from podsysctl.client.rest import Object, resource_path


async def watch(connection: Connection, args: argparse.Namespace, asked: list[targets.Target]) -> int:
    """Print the objects, then their changes, until the server ends the watch or the person does."""
    if len(asked) != 1 or len(asked[0].names) > 1:
        raise UsageError("you may only specify a single resource type with --watch")
    target = asked[0]
    if args.sort_by:
        sys.stderr.write("warning: --watch requested, --sort-by will be ignored for watch events received\n")
    is_table = formats.is_table(args.output)
    accept = tables.ACCEPT if is_table else "application/json"
    show = _shower(args, target, is_table)
    answers = await get.pages(connection, args, target, accept)
    version = (answers[-1].get("metadata") or {}).get("resourceVersion") or ""
    if not args.watch_only:
        for answer in answers:
            for obj in [answer] if is_table or "items" not in answer else answer["items"]:
                show(obj, "ADDED" if args.output_watch_events else "")
    timeout_s = flags.parse_duration(args.request_timeout) or None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await _follow(connection, args, target, accept, version, show)
    return 0


def _shower(args: argparse.Namespace, target: targets.Target, is_table: bool) -> Callable[[Object, str], None]:
    if is_table:
        printer = get.table_printer(args, target.kind, with_kind=args.show_kind)

        def show_table(obj: Object, event: str) -> None:
            printer.add(obj, event)
            printer.flush()

        return show_table
    show_object = formats.printer(args)

    def show(obj: Object, event: str) -> None:
        if not obj.get("kind"):
            obj["kind"], obj["apiVersion"] = target.kind.kind, target.kind.api_version
        show_object({"type": event, "object": obj} if args.output_watch_events else obj)

    return show


async def _follow(
    connection: Connection,
    args: argparse.Namespace,
    target: targets.Target,
    accept: str,
    version: str,
    show: Callable[[Object, str], None],
) -> None:
    params = {"resourceVersion": version}
    if target.names:
        params["fieldSelector"] = f"metadata.name={target.names[0]}"
    elif args.field_selector:
        params["fieldSelector"] = args.field_selector
    if args.selector:
        params["labelSelector"] = args.selector
    namespace = None if args.all_namespaces else connection.scope(target.kind)
    path = resource_path(target.kind, namespace)
    events = watching.stream(connection.client, path, params, accept=accept, endless=True)
    try:
        async with aclosing(events) as stream:
            async for event in stream:
                if event.type != "BOOKMARK":
                    show(event.object, event.type if args.output_watch_events else "")
    except StatusError as error:
        if formats.is_table(args.output) and error.code == 410:
            show({"kind": "Status", **error.to_dict()}, "ERROR")
            return
        raise
