"""`podsysctl sysctl` without one of its own verbs: the options and output of sysctl(8)."""

from __future__ import annotations

import argparse
import errno
import sys
from typing import TYPE_CHECKING

from podsysctl.base.errors import KernelError, UsageError
from podsysctl.cli import sysctl_get, sysctl_list, sysctl_output, sysctl_target
from podsysctl.cli.failures import ShownError

if TYPE_CHECKING:
    from podsysctl.sysctls import sysctl_d

HELP = """Read and write kernel parameters with the options of sysctl(8).

  podsysctl sysctl -a
  podsysctl sysctl net.core.somaxconn
  podsysctl sysctl -w net.core.somaxconn=1024
  podsysctl sysctl -p /etc/sysctl.d/99-local.conf

Further verbs: list, get, set, probe, try, diff, export, origin (podsysctl sysctl VERB --help)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """sysctl(8)'s options, and where to look."""
    parser.add_argument("variables", nargs="*", metavar="NAME[=VALUE]", help="what to print or to write")
    parser.add_argument("-a", "--all", "-A", "-X", action="store_true", help="print all parameters")
    parser.add_argument("--deprecated", action="store_true", help="with -a: also those that have a successor")
    parser.add_argument("--dry-run", action="store_true", help="print what would be written")
    parser.add_argument("-b", "--binary", action="store_true", help="print values without a final newline")
    parser.add_argument("-e", "--ignore", action="store_true", help="say nothing of unknown names")
    parser.add_argument("-N", "--names", action="store_true", help="print names only")
    parser.add_argument("-n", "--values", action="store_true", help="print values only")
    parser.add_argument("-p", "-f", "--load", nargs="*", metavar="FILE", default=None, help="read a file and write it")
    parser.add_argument("--system", action="store_true", help="read and write all files of sysctl.d")
    parser.add_argument("-r", "--pattern", metavar="REGEX", default="", help="only names that match")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not print what is written")
    parser.add_argument("-w", "--write", action="store_true", help="only write, do not print values")
    parser.add_argument("-V", "--version", action="store_true", help="print the version of this program")
    parser.add_argument("-o", "-x", action="store_true", dest="nothing", help="do nothing, as in sysctl(8)")
    parser.add_argument("-d", action="help", help="as -h")
    sysctl_target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """As sysctl(8); exit code 1 when something failed."""
    if args.version:
        from podsysctl.base import versions

        sysctl_output.write(f"podsysctl {versions.PROGRAM_VERSION}\n")
        return 0
    args.variables += args.trailing or []
    if args.all or (args.pattern and not args.variables and args.load is None):
        args.patterns, args.regex, args.output = [], args.pattern, "text"
        return sysctl_list.run(args)
    if args.system:
        return _system(args)
    if args.load is not None:
        return _load(args, args.load or ["/etc/sysctl.conf"])
    if not args.variables:
        raise UsageError("no variables specified", hint="podsysctl sysctl --help")
    failed = False
    for text in args.variables:
        if "=" in text:
            failed |= not _write(args, text)
        elif args.write:
            failed = True
            sys.stderr.write(f'podsysctl: "{text}" must be of the form name=value\n')
        else:
            failed |= not _print(args, text)
    if failed:
        raise ShownError
    return 0


def _print(args: argparse.Namespace, text: str) -> bool:
    readings, failed = sysctl_get.read_named(args, [text], ignore=args.ignore)
    if args.binary:
        sysctl_output.write("".join(value for _, value in readings if isinstance(value, str)))
    else:
        sysctl_list.print_readings(readings, names=args.names, values=args.values)
    return not failed and not any(map(sysctl_list.is_failure, readings))


def _write(args: argparse.Namespace, text: str) -> bool:
    from podsysctl.cli import sysctl_set
    from podsysctl.kernel import procsys
    from podsysctl.sysctls import catalogue

    values = sysctl_set.parse_assignments([text])
    try:
        sysctl_target.check_own(args, values)
    except UsageError as error:
        if args.ignore and not any(map(catalogue.find, values)):
            return True
        sys.stderr.write(f"podsysctl: {error.message}\n")
        return False
    try:
        if args.dry_run:
            sysctl_target.run(args, lambda: procsys.check_exist(values))
        else:
            sysctl_target.run(args, lambda: procsys.write_all(values))
    except KernelError as error:
        if args.ignore and error.errno == errno.ENOENT:
            return True
        sys.stderr.write(f"podsysctl: {error.message}\n")
        return False
    for name, value in values.items():
        _say(args, name.dotted, value)
    return True


def _say(args: argparse.Namespace, name: str, value: str) -> None:
    if args.quiet and not args.dry_run:
        return
    if args.binary:
        sysctl_output.write(value)
    else:
        sysctl_output.write(sysctl_output.lines_of(name, value, names=args.names, values=args.values))


def _load(args: argparse.Namespace, files: list[str]) -> int:
    """Apply files in the order given; bad lines are told and skipped, as sysctl(8) does."""
    from podsysctl.sysctls import sysctl_d

    assignments = []
    failed = False
    for file in files:
        try:
            text = sys.stdin.read() if file == "-" else _text(file)
        except OSError as error:
            raise UsageError(f'cannot open "{file}": {error.strerror}') from error
        found, problems = sysctl_d.parse_file(text, file)
        assignments += found
        failed |= bool(problems)
        for problem in problems:
            sys.stderr.write(f"podsysctl: {problem}, continuing\n")
    return _apply(args, assignments, failed)


def _system(args: argparse.Namespace) -> int:
    from podsysctl.kernel import settings

    if not args.quiet:
        sysctl_output.write("".join(f"* Applying {file} ...\n" for file in settings.applied_files()))
    assignments, problems = settings.read_sysctl_files()
    for problem in problems:
        sys.stderr.write(f"podsysctl: {problem}, continuing\n")
    return _apply(args, assignments, bool(problems))


def _apply(args: argparse.Namespace, assignments: list[sysctl_d.Assignment], failed: bool) -> int:
    from podsysctl.kernel import procsys
    from podsysctl.sysctls.pattern import parse_regex
    from podsysctl.sysctls.sysctl_d import winner

    here = sysctl_target.run(args, procsys.list_names) if any(a.pattern for a in assignments) else []
    for item in assignments:
        names = [item.name] if item.name else [name for name in here if item.matches(name)]
        for name in names:
            if item.value is None or (item.pattern and winner(assignments, name) is not item):
                continue
            if args.pattern and not parse_regex(args.pattern).matches(name):
                continue
            quiet = argparse.Namespace(**{**vars(args), "ignore": args.ignore or item.optional})
            written = _write(quiet, f"{name.slashed}={item.value}")
            failed |= not written and not item.optional
    if failed:
        raise ShownError
    return 0


def _text(file: str) -> str:
    with open(file, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()
