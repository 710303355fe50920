"""`podsysctl sysctl diff`: host and pod, two pods, two hosts' exports, a host and its sysctl.d files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from podsysctl.base.errors import UsageError
from podsysctl.cli import sysctl_output, sysctl_target
from podsysctl.cli.sysctl_export import VOLATILE, read_export
from podsysctl.kernel import procsys
from podsysctl.sysctls import catalogue, pattern
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.value import values_equal

HELP = """Compare values as values: tabs and spaces are one, 0x10 is 16. Counters are left out. Exit code 1 when
something differs. LEFT and RIGHT are each one of

  host                 this host
  pod:NAMESPACE/NAME   a pod of this node
  pid:PID              the namespaces of a process
  netns:NAME|PATH      a network namespace
  file:PATH            what `podsysctl sysctl export` wrote
  sysctl.d             what the host's sysctl.d files ask for

  podsysctl sysctl diff host pod:default/web
  podsysctl sysctl diff file:node-a.json file:node-b.json net.*
  podsysctl sysctl diff sysctl.d host"""

_MISSING = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two sides and patterns."""
    parser.add_argument("left", metavar="LEFT", help="one side")
    parser.add_argument("right", metavar="RIGHT", help="the other side")
    parser.add_argument("patterns", nargs="*", default=[], metavar="PATTERN", help="compare only these names")
    parser.add_argument("--missing", action="store_true", help="also names that one side does not have")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form of output")


def run(args: argparse.Namespace) -> int:
    """Print the differences."""
    left, right = _load(args, args.left), _load(args, args.right)
    wanted = [pattern.parse_pattern(text) for text in args.patterns]
    # sysctl.d speaks of some names only; what it does not mention is no difference.
    missing = args.missing and "sysctl.d" not in (args.left, args.right)
    if "sysctl.d" in (args.left, args.right):
        missing = True
        asked = left if args.left == "sysctl.d" else right
        left, right = ({name: side[name] for name in asked if name in side} for side in (left, right))
    rows = compare(left, right, missing=missing)
    rows = [row for row in rows if not wanted or any(item.matches(row[0]) for item in wanted)]
    if args.output == "json":
        sysctl_output.write_json([{"name": name.dotted, "left": a, "right": b} for name, a, b in rows])
    elif rows:
        shown = [(name.dotted, _cell(a), _cell(b)) for name, a, b in rows]
        sysctl_output.write_table(("NAME", args.left.upper(), args.right.upper()), shown)
    return 1 if rows else 0


def compare(
    left: Mapping[SysctlName, str], right: Mapping[SysctlName, str], *, missing: bool
) -> list[tuple[SysctlName, str | None, str | None]]:
    """Names whose values differ, sorted, with both values; None for a side that lacks the name."""
    out = []
    for name in sorted({*left, *right}):
        one, other = left.get(name), right.get(name)
        if name.dotted in VOLATILE:
            continue
        if one is None or other is None:
            if missing:
                out.append((name, one, other))
        elif not values_equal(catalogue.spec_of(name), one, other):
            out.append((name, one, other))
    return out


def _load(args: argparse.Namespace, text: str) -> dict[SysctlName, str]:
    if text == "sysctl.d":
        return _of_files()
    kind, _, rest = text.partition(":")
    if kind == "file" and rest:
        return read_export(rest)
    place = argparse.Namespace(**{**vars(args), "pod": "", "pid": 0, "netns": ""})
    if kind in ("pod", "netns") and rest:
        setattr(place, kind, rest)
    elif kind == "pid" and rest.isdecimal() and int(rest):
        place.pid = int(rest)
    elif text != "host":
        raise UsageError(f"{text!r} names nothing to compare", hint="podsysctl sysctl diff --help")
    readings = sysctl_target.with_own_users(place, sysctl_target.run(place, procsys.read_tree))
    return {name: value for name, value in readings if isinstance(value, str)}


def _of_files() -> dict[SysctlName, str]:
    """What the files ask for, of the parameters that this host has or the files name."""
    from podsysctl.kernel import settings
    from podsysctl.sysctls import sysctl_d

    assignments, _ = settings.read_sysctl_files()
    named = {item.name for item in assignments if item.name is not None}
    out = {}
    for name in {*named, *procsys.list_names()}:
        chosen = sysctl_d.winner(assignments, name)
        if chosen is not None and chosen.value is not None:
            out[name] = chosen.value
    return out


def _cell(value: str | None) -> str:
    return _MISSING if value is None else sysctl_output.one_line(value)
