"""`podsysctl sysctl list`: every parameter, or those that a pattern, prefix or expression selects."""

from __future__ import annotations

import argparse
import errno
import sys

from podsysctl.base.errors import KernelError
from podsysctl.cli import sysctl_output, sysctl_target
from podsysctl.kernel import procsys
from podsysctl.sysctls.name import SysctlName

HELP = """List kernel parameters and their values, as `sysctl -a` does.

  podsysctl sysctl list
  podsysctl sysctl list net.ipv4.tcp_* kernel.shm*
  podsysctl sysctl list -r 'somax|backlog' --pod default/web"""

_DEPRECATED = ("base_reachable_time", "retrans_time")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Patterns and forms of output."""
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="names, groups such as net.core, or patterns")
    parser.add_argument("-r", "--pattern", metavar="REGEX", default="", dest="regex", help="only names that match")
    parser.add_argument("-N", "--names", action="store_true", help="names only")
    parser.add_argument("-n", "--values", action="store_true", help="values only")
    parser.add_argument("-a", "--all", action="store_true", help="everything, which is the default")
    parser.add_argument("--deprecated", action="store_true", help="also parameters that have a successor")
    parser.add_argument("-o", "--output", choices=("text", "table", "json"), default="text", help="form of output")
    sysctl_target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list; exit code 0, or 1 when nothing matched a pattern."""
    args.patterns += args.trailing or []
    selected = sysctl_target.run(args, lambda: select(args.patterns, args.regex, empty=args.names))
    selected = sysctl_target.with_own_users(args, selected)
    if not args.deprecated:
        selected = [item for item in selected if item[0].segments[-1] not in _DEPRECATED]
    if args.output == "json":
        sysctl_output.write_json({name.dotted: value for name, value in selected if isinstance(value, str)})
    elif args.output == "table":
        _print_table(selected)
    elif getattr(args, "binary", False):
        sysctl_output.write("".join(value for _, value in selected if isinstance(value, str)))
    else:
        print_readings(selected, names=args.names, values=args.values)
    return 0 if selected or not (args.patterns or args.regex) else 1


def print_readings(
    readings: list[tuple[SysctlName, procsys.Reading]], *, names: bool = False, values: bool = False
) -> None:
    """Values to standard output, refusals to standard error, in sysctl(8)'s form."""
    pieces = []
    for name, value in readings:
        if isinstance(value, str) or names:
            text = value if isinstance(value, str) else ""
            pieces.append(sysctl_output.lines_of(name.dotted, text, names=names, values=values))
        elif not is_unset(value):
            sys.stderr.write(f"podsysctl: reading {value.message}\n")
    sysctl_output.write("".join(pieces))


def is_unset(value: procsys.Reading) -> bool:
    """Is it an IPv6 stable_secret that nobody has set? Of those sysctl(8) says nothing either."""
    return isinstance(value, KernelError) and value.errno == errno.EIO


def is_failure(reading: tuple[SysctlName, procsys.Reading]) -> bool:
    """Could a value not be read that is there?"""
    return isinstance(reading[1], KernelError) and not is_unset(reading[1])


def select(patterns: list[str], regex: str, *, empty: bool = False) -> list[tuple[SysctlName, procsys.Reading]]:
    """Read what the patterns and the expression select, in the calling thread's namespaces.

    A pattern without wildcards is a name or a group. Raises NameSyntaxError, and KernelError for an absent
    one.
    """
    if not patterns and not regex:
        return procsys.read_tree(empty=empty)
    from podsysctl.sysctls import name, pattern

    out: dict[SysctlName, procsys.Reading] = {}
    wild = [pattern.parse_pattern(text) for text in patterns if pattern.is_pattern(text)]
    for text in patterns:
        if not pattern.is_pattern(text):
            # A shell completes a group with the separator behind it.
            group = text[:-1] if len(text) > 1 and text[-1] in "./" else text
            out.update(procsys.read_tree(name.parse_path(group)))
    if wild or not patterns:
        out.update(item for item in procsys.read_tree(empty=empty) if not wild or any(p.matches(item[0]) for p in wild))
    if regex:
        expression = pattern.parse_regex(regex)
        out = {key: value for key, value in out.items() if expression.matches(key)}
    return sorted(out.items())


def _print_table(selected: list[tuple[SysctlName, procsys.Reading]]) -> None:
    from podsysctl.sysctls import catalogue

    rows = []
    for name, value in selected:
        row = catalogue.find(name)
        shown = sysctl_output.one_line(value) if isinstance(value, str) else "-"
        rows.append(
            (
                name.dotted,
                shown[:40],
                row.namespace if row else "?",
                row.unit if row else "",
                row.summary if row else "",
            )
        )
    sysctl_output.write_table(("NAME", "VALUE", "NAMESPACE", "UNIT", "WHAT IT IS"), rows)
