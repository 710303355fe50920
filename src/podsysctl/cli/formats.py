"""-o for objects: json, yaml, name, jsonpath and custom-columns.

json and yaml are stable and the same as kubectl's (cli-runtime pkg/printers, v1.36).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.cli.tables import Writer, cell_text
from podsysctl.client.rest import Object

Printer = Callable[[Object], None]

NAMES = ("json", "yaml", "name", "wide", "jsonpath=", "jsonpath-as-json=", "custom-columns=", "custom-columns-file=")


def is_table(output: str) -> bool:
    """Whether the server's table is wanted."""
    return output in ("", "wide", "table")


def printer(args: argparse.Namespace, out: TextIO | None = None) -> Printer:
    """The printer that -o names. Raises UsageError for others."""
    stream = out or sys.stdout
    name, _, argument = str(args.output).partition("=")
    keep = getattr(args, "show_managed_fields", False)
    if name == "json":
        return lambda obj: _write(stream, json_text(_shown(obj, keep)) + "\n")
    if name == "yaml":
        return _yaml_printer(stream, keep)
    if name == "name":
        return lambda obj: _write(stream, "".join(f"{title(o)}\n" for o in items_of(obj)))
    if name in ("jsonpath", "jsonpath-as-json", "jsonpath-file"):
        return _jsonpath_printer(stream, name, argument, keep)
    if name in ("custom-columns", "custom-columns-file"):
        return _columns_printer(stream, name, argument, headers=not getattr(args, "no_headers", False))
    allowed = ",".join(sorted(n.rstrip("=") for n in NAMES))
    raise UsageError(
        f'unable to match a printer suitable for the output format "{args.output}", allowed formats are: {allowed}'
    )


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def items_of(obj: Object) -> list[Object]:
    """The members of a list, or the object itself."""
    return list(obj["items"]) if "items" in obj and str(obj.get("kind", "")).endswith("List") else [obj]


def title(obj: Object) -> str:
    """`pod/web`, `deployment.apps/web`."""
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    kind = str(obj.get("kind", "")).lower()
    name = (obj.get("metadata") or {}).get("name") or "<unknown>"
    return f"{kind}.{group}/{name}" if group else f"{kind}/{name}"


def list_of(objects: Sequence[Object]) -> Object:
    """Several objects as one List."""
    return {"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {"resourceVersion": ""}}


def _shown(obj: Object, keep_managed: bool) -> Object:
    """Without managedFields, unless they were asked for."""
    if keep_managed:
        return obj
    if "items" in obj:
        return {**obj, "items": [_shown(item, False) for item in obj["items"]]}
    metadata = obj.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        return {**obj, "metadata": {k: v for k, v in metadata.items() if k != "managedFields"}}
    return obj


def json_text(value: Any) -> str:
    """Four spaces, sorted keys, and Go's escapes of <, > and &."""
    import json

    text = json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False)
    text = re.sub(r"^( *)(.*?)\[\]", r"\1\2[]", text, flags=re.MULTILINE)
    for rune in "<>&\u2028\u2029":
        if rune in text:
            text = text.replace(rune, f"\\u{ord(rune):04x}")
    return text


def _yaml_printer(stream: TextIO, keep: bool) -> Printer:
    from podsysctl.cli import yaml_text

    count = 0

    def show(obj: Object) -> None:
        nonlocal count
        count += 1
        _write(stream, ("---\n" if count > 1 else "") + yaml_text.dump(_shown(obj, keep)))

    return show


def _jsonpath_printer(stream: TextIO, name: str, argument: str, keep: bool) -> Printer:
    from podsysctl.objects import jsonpath

    if name == "jsonpath-file":
        argument = _read(argument)
    if not argument:
        raise UsageError("template format specified but no template given")
    template = jsonpath.parse(argument if "{" in argument else f"{{{argument}}}")

    def show(obj: Object) -> None:
        shown = _shown(obj, keep)
        try:
            if name == "jsonpath-as-json":
                _write(stream, json_text([value for results in template.find(shown) for value in results]) + "\n")
            else:
                _write(stream, template.render(shown))
        except jsonpath.JsonPathError as error:
            raise PodsysctlError(
                f'error executing jsonpath "{argument}": Error executing template: {error.message}'
            ) from error

    return show


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise UsageError(f"error reading template {path}, {error.strerror}") from error


def _columns_printer(stream: TextIO, name: str, argument: str, *, headers: bool) -> Printer:
    from podsysctl.objects import jsonpath

    if name == "custom-columns-file":
        names, specs = (line.split() for line in _read(argument).splitlines()[:2])
    else:
        pairs = [part.partition(":") for part in argument.split(",") if part]
        if not pairs:
            raise UsageError("custom-columns format specified but no custom columns given")
        for part, colon, spec in pairs:
            if not colon or not spec:
                raise UsageError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        names, specs = [p[0] for p in pairs], [p[2] for p in pairs]
    templates = [jsonpath.relaxed(spec) for spec in specs]
    writer = Writer(stream)
    printed = False

    def show(obj: Object) -> None:
        nonlocal printed
        if headers and not printed:
            writer.row(names)
            printed = True
        for item in items_of(obj):
            cells = []
            for template in templates:
                values = [value for results in template.find(item) for value in results]
                cells.append(",".join(cell_text(value) for value in values) if values else "<none>")
            writer.row(cells)
        writer.flush()

    return show
