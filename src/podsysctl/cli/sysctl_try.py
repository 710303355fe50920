"""`podsysctl sysctl try`: would this kernel take these values in a pod?"""

from __future__ import annotations

import argparse

from podsysctl.base.errors import UsageError
from podsysctl.cli import sysctl_output
from podsysctl.cli.sysctl_set import parse_assignments
from podsysctl.kernel import dry_run
from podsysctl.sysctls.name import parse_path

HELP = """Try values in namespaces that vanish: nothing on the host changes, and root is not needed.
Exit code 1 when a pod would not get one of the values.

  podsysctl sysctl try net.core.somaxconn=1024 'net.ipv4.ip_local_port_range=32770 60666'
  podsysctl sysctl try --range net.ipv4.tcp_fin_timeout"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Assignments, or names with --range."""
    parser.add_argument("assignments", nargs="+", metavar="NAME=VALUE", help="what to try")
    parser.add_argument("--range", action="store_true", help="find which numbers the kernel takes for a NAME")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form of output")


def run(args: argparse.Namespace) -> int:
    """Print the kernel's answers."""
    if args.range:
        return _ranges(args)
    outcomes = dry_run.try_values(parse_assignments(args.assignments))
    if args.output == "json":
        sysctl_output.write_json([outcome.to_dict() for outcome in outcomes])
    else:
        rows = [
            (o.name, sysctl_output.one_line(o.wanted), o.answer, sysctl_output.one_line(o.value) or "-", o.message)
            for o in outcomes
        ]
        sysctl_output.write_table(("NAME", "WANTED", "ANSWER", "VALUE", "WHY"), rows)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _ranges(args: argparse.Namespace) -> int:
    if any("=" in text for text in args.assignments):
        raise UsageError("--range takes names without values")
    found = {text: dry_run.find_range(parse_path(text)) for text in args.assignments}
    if args.output == "json":
        sysctl_output.write_json({name: [list(pair) for pair in pairs] for name, pairs in found.items()})
    else:
        rows = [
            (name, str(index + 1), str(low), str(high))
            for name, pairs in found.items()
            for index, (low, high) in enumerate(pairs)
        ]
        sysctl_output.write_table(("NAME", "NUMBER", "LOWEST", "HIGHEST"), rows)
    return 0
