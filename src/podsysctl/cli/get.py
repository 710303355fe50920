"""`get`: objects as the server's tables, or as json, yaml, names, paths and columns; and watching them."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, formats, tables, targets
from podsysctl.cli.connect import Connection
from podsysctl.client.discovery import Found
from podsysctl.client.rest import Object, resource_path

HELP = """List one or many objects.

examples:
  podsysctl get pods                         the pods of the namespace in use
  podsysctl get pods -A -o wide              all pods, with node and address
  podsysctl get pod/web node/n1              objects of several kinds
  podsysctl get pod web -o yaml              everything the server has
  podsysctl get pods -l app=web -w           and every change from now on
  podsysctl get pods -o jsonpath='{.items[*].metadata.name}'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `get`."""
    parser.add_argument("words", nargs="*", metavar="TYPE[/NAME]", help="TYPE [NAME...], TYPE,TYPE, or TYPE/NAME...")
    flags.add_output(parser, "wide|json|yaml|name|jsonpath=PATH|custom-columns=HEADER:PATH,...")
    flags.add_selector(parser)
    flags.add_files(parser, "to show")
    parser.add_argument("-w", "--watch", action="store_true", help="show changes until interrupted")
    parser.add_argument("--watch-only", action="store_true", help="show changes alone")
    parser.add_argument("--output-watch-events", action="store_true", help="show what kind of change each one is")
    parser.add_argument("--show-labels", action="store_true", help="add a column of labels")
    parser.add_argument("--show-kind", action="store_true", help="put the kind before each name")
    parser.add_argument("-L", "--label-columns", metavar="KEYS", action="append", default=[], help="a column per label")
    parser.add_argument("--no-headers", action="store_true", help="leave out the column names")
    parser.add_argument("--sort-by", metavar="PATH", default="", help="sort by a field, such as .metadata.name")
    parser.add_argument("--ignore-not-found", action="store_true", help="an absent object is no failure")
    parser.add_argument("--chunk-size", type=int, metavar="N", default=limits.LIST_PAGE_ITEMS, help="objects per page")
    parser.add_argument("--subresource", metavar="NAME", default="", help="show this part of each object")
    parser.add_argument("--raw", metavar="PATH", default="", help="print what the server has at a path")


def run(args: argparse.Namespace) -> int:
    """Run `get`."""
    return connect.run(args, _get)


async def _get(connection: Connection, args: argparse.Namespace) -> int:
    if args.raw:
        response = await connection.client.send("GET", args.raw)
        sys.stdout.write(response.body.decode("utf-8", "replace"))
        return 0
    if not args.words and not args.filenames:
        raise UsageError(
            "Required resource not specified.", hint="name a kind, such as pods; `podsysctl api-resources` lists them"
        )
    asked = await _targets(connection, args)
    if args.watch or args.watch_only:
        from podsysctl.cli import get_watch

        return await get_watch.watch(connection, args, asked)
    if formats.is_table(args.output):
        return await _tables(connection, args, asked)
    return await _objects(connection, args, asked)


async def _targets(connection: Connection, args: argparse.Namespace) -> list[targets.Target]:
    if not args.filenames:
        asked = await targets.parse(connection, args.words)
        if any(t.names for t in asked):
            if args.selector or args.field_selector:
                raise UsageError("name cannot be provided when a selector is specified")
            if args.all_namespaces and any(t.kind.namespaced for t in asked):
                raise UsageError("a resource cannot be retrieved by name across all namespaces")
        return asked
    items = await targets.from_files(connection, args)
    return [targets.Target(item.kind, (item.name,)) for item in items]


def table_printer(args: argparse.Namespace, kind: Found, *, with_kind: bool) -> tables.TablePrinter:
    """The table printer for one kind, as the flags want it."""
    return tables.TablePrinter(
        sys.stdout,
        wide=args.output == "wide",
        headers=not args.no_headers,
        with_namespace=args.all_namespaces and kind.namespaced,
        kind_prefix=kind.display if with_kind else "",
        label_columns=[key for text in args.label_columns for key in text.split(",") if key],
        show_labels=args.show_labels,
        with_event=getattr(args, "output_watch_events", False),
    )


async def pages(connection: Connection, args: argparse.Namespace, target: targets.Target, accept: str) -> list[Object]:
    """The answers for a target: one per name, or the pages of its list. Raises StatusError."""
    namespace = None if args.all_namespaces else connection.scope(target.kind)
    params: dict[str, str] = {"includeObject": "Object"} if args.sort_by and accept == tables.ACCEPT else {}
    out: list[Object] = []
    for name in target.names:
        path = resource_path(target.kind, namespace, name, args.subresource)
        out.append(await connection.client.request("GET", path, params=params, accept=accept))
    if target.names:
        return out
    if args.selector:
        params["labelSelector"] = args.selector
    if args.field_selector:
        params["fieldSelector"] = args.field_selector
    if args.chunk_size and not args.sort_by:
        params["limit"] = str(args.chunk_size)
    while True:
        try:
            page: Object = await connection.client.request(
                "GET", resource_path(target.kind, namespace), params=params, accept=accept
            )
        except StatusError as error:
            raise failures.with_selectors(error, target.kind, args.selector, args.field_selector) from error
        out.append(page)
        params["continue"] = (page.get("metadata") or {}).get("continue") or ""
        if not params["continue"]:
            return out


async def _tables(connection: Connection, args: argparse.Namespace, asked: list[targets.Target]) -> int:
    errors: list[PodsysctlError] = []
    printed = 0
    several = len({t.kind for t in asked}) > 1
    last: tuple[Found, tables.TablePrinter] | None = None
    for target in asked:
        answers: list[Object] = []
        for single in [targets.Target(target.kind, (n,)) for n in target.names] or [target]:
            try:
                answers += await pages(connection, args, single, tables.ACCEPT)
            except StatusError as error:
                error = await explained(connection, error, single)
                if not (args.ignore_not_found and error.code == 404 and single.names):
                    errors.append(error)
        answers = [_sorted_table(answer, args.sort_by) for answer in _joined(answers, bool(args.sort_by))]
        if not any(_rows(answer) for answer in answers):
            continue
        if last is None or last[0] != target.kind:
            if last is not None:
                last[1].flush()
                sys.stdout.write("\n")
            last = target.kind, table_printer(args, target.kind, with_kind=several or args.show_kind)
        for answer in answers:
            last[1].add(answer)
            printed += _rows(answer)
    if last is not None:
        last[1].flush()
    if not printed and not errors and not args.ignore_not_found:
        sys.stdout.flush()
        sys.stderr.write(nothing_found(connection, args, asked))
    failures.raise_all(errors)
    return 0


def _rows(answer: Object) -> int:
    if answer.get("kind") == "Table":
        return len(answer.get("rows") or [])
    return len(answer["items"]) if "items" in answer else 1


def _joined(answers: list[Object], as_one: bool) -> list[Object]:
    """Several tables as one, so that their rows can be sorted together."""
    if not as_one or len(answers) < 2 or any(a.get("kind") != "Table" for a in answers):
        return answers
    return [{**answers[0], "rows": [row for a in answers for row in a.get("rows") or []]}]


def _sorted_table(answer: Object, path: str) -> Object:
    if not path or answer.get("kind") != "Table":
        return answer
    from podsysctl.cli import sorting

    rows = answer.get("rows") or []
    return {**answer, "rows": sorting.sort(rows, path, lambda row: row.get("object") or {})}


def nothing_found(connection: Connection, args: argparse.Namespace, asked: list[targets.Target]) -> str:
    """kubectl's sentence for an empty answer."""
    if args.all_namespaces or not all(t.kind.namespaced for t in asked):
        return "No resources found\n"
    return f"No resources found in {connection.namespace} namespace.\n"


async def explained(connection: Connection, error: StatusError, target: targets.Target) -> StatusError:
    """For an object that is absent because its namespace is: the namespace's own error, as kubectl."""
    if error.code != 404 or not target.kind.namespaced or connection.namespace == "default":
        return error
    try:
        await connection.client.request("GET", f"/api/v1/namespaces/{connection.namespace}")
    except StatusError as other:
        if other.code == 404:
            return other
    return error


async def _objects(connection: Connection, args: argparse.Namespace, asked: list[targets.Target]) -> int:
    show = formats.printer(args)
    errors: list[PodsysctlError] = []
    found: list[Object] = []
    for target in asked:
        for single in [targets.Target(target.kind, (n,)) for n in target.names] or [target]:
            try:
                answers = await pages(connection, args, single, "application/json")
            except StatusError as error:
                error = await explained(connection, error, single)
                if not (args.ignore_not_found and error.code == 404 and single.names):
                    errors.append(error)
                continue
            for answer in answers:
                found += answer["items"] if "items" in answer and not single.names else [answer]
            _complete(found, target.kind)
    if args.sort_by:
        from podsysctl.cli import sorting

        found = sorting.sort(found, args.sort_by, lambda obj: obj)
    single_object = len(asked) == 1 and len(asked[0].names) == 1
    if single_object:
        for obj in found:
            show(obj)
    elif not errors or found:
        if args.output == "name" or args.output.startswith("custom-columns"):
            if not found and args.output == "name" and not errors:
                return 0
            show({"kind": "List", "items": found})
        else:
            show(formats.list_of(found))
    failures.raise_all(errors)
    return 0


def _complete(objects: list[Any], kind: Found) -> None:
    for obj in objects:
        if not obj.get("kind"):
            obj["kind"], obj["apiVersion"] = kind.kind, kind.api_version
