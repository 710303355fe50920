"""`events`: what happened, oldest first (kubectl pkg/cmd/events, v1.36)."""

from __future__ import annotations

import argparse
import sys
from contextlib import aclosing

from podsysctl.base import limits
from podsysctl.base.errors import UsageError
from podsysctl.cli import connect, flags, formats, tables
from podsysctl.cli.connect import Connection
from podsysctl.cli.describe_text import event_time, interval
from podsysctl.client import watch as watching
from podsysctl.client.rest import Object, resource_path

HELP = """List events, oldest first.

examples:
  podsysctl events
  podsysctl events --for pod/web -w
  podsysctl events -A --types=Warning"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `events`."""
    flags.add_output(parser, "json|yaml|name|jsonpath=")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="in all namespaces")
    parser.add_argument("-w", "--watch", action="store_true", help="show what happens until interrupted")
    parser.add_argument("--for", dest="about", metavar="TYPE/NAME", default="", help="only events about this object")
    parser.add_argument("--types", metavar="TYPES", default="", help="Normal, Warning or both")
    parser.add_argument("--no-headers", action="store_true", help="leave out the column names")


def run(args: argparse.Namespace) -> int:
    """Run `events`."""
    args.wanted = [t.lower() for t in args.types.split(",") if t]
    if not set(args.wanted) <= {"normal", "warning"}:
        raise UsageError("valid --types are Normal or Warning")
    return connect.run(args, _events)


async def _events(connection: Connection, args: argparse.Namespace) -> int:
    kind = await connection.find("events")
    namespace = None if args.all_namespaces else connection.namespace
    selector = ""
    if args.about:
        word, slash, name = args.about.partition("/")
        if not slash or not name:
            raise UsageError("--for must be in resource/name form")
        about = await connection.find(word)
        selector = (
            f"involvedObject.kind={about.kind},involvedObject.apiVersion={about.api_version},involvedObject.name={name}"
        )
    show = _Printer(args)
    if args.watch:
        params = {"fieldSelector": selector} if selector else {}
        events = watching.stream(connection.client, resource_path(kind, namespace), params, endless=True)
        async with aclosing(events) as stream:
            async for event in stream:
                if event.type in ("ADDED", "MODIFIED") and _wanted(args, event.object):
                    show([event.object])
        return 0
    found = await connection.client.list(kind, namespace, field_selector=selector, limit=limits.LIST_PAGE_ITEMS)
    chosen = sorted((e for e in found.items if _wanted(args, e)), key=event_time)
    if not chosen:
        where = "" if args.all_namespaces else f" in {connection.namespace} namespace"
        sys.stderr.write(f"No events found{where}.\n")
        return 0
    show(chosen)
    return 0


def _wanted(args: argparse.Namespace, event: Object) -> bool:
    return not args.wanted or str(event.get("type", "")).lower() in args.wanted


class _Printer:
    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._writer = tables.Writer(sys.stdout)
        self._format = formats.printer(args) if args.output else None
        self._headed = bool(args.no_headers)

    def __call__(self, events: list[Object]) -> None:
        if self._format is not None:
            several = not self._args.watch
            body = {"apiVersion": "v1", "kind": "EventList", "metadata": {}, "items": events}
            self._format(body if several else events[0])
            return
        lead = ["NAMESPACE"] if self._args.all_namespaces else []
        if not self._headed:
            self._headed = True
            self._writer.row([*lead, "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"])
        for event in events:
            involved = event.get("involvedObject") or {}
            cells = [event["metadata"].get("namespace", "")] if lead else []
            cells += [
                interval(event),
                event.get("type") or "",
                event.get("reason") or "",
                f"{involved.get('kind', '')}/{involved.get('name', '')}",
                str(event.get("message") or "").strip(),
            ]
            self._writer.row(cells)
        self._writer.flush()
