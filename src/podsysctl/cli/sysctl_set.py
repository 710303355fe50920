"""`podsysctl sysctl set`: write parameters, checked first, read back after, undone together when one fails."""

from __future__ import annotations

import argparse
import errno
import os
import sys

from podsysctl.base.errors import KernelError, UsageError, ValueSyntaxError
from podsysctl.cli import sysctl_output, sysctl_target
from podsysctl.cli.failures import ShownError
from podsysctl.kernel import procsys
from podsysctl.sysctls import catalogue, value
from podsysctl.sysctls.name import SysctlName, parse_path

HELP = """Write kernel parameters now. All are checked before the first is written; when the kernel refuses
one, those already written get their old value back. Nothing is kept for the next boot: write a file in
/etc/sysctl.d for that (`podsysctl sysctl export -o conf` makes one).

  podsysctl sysctl set net.core.somaxconn=1024
  podsysctl sysctl set --pod default/web net.ipv4.tcp_keepalive_time=300
  podsysctl sysctl set --journal /var/lib/x/undo vm.max_map_count=262144   (then --undo puts it back)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Assignments and what to do with them."""
    parser.add_argument("assignments", nargs="*", metavar="NAME=VALUE", help="what to write")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not print what was set")
    parser.add_argument("-w", "--write", action="store_true", help="does nothing, as in sysctl(8)")
    parser.add_argument("--dry-run", action="store_true", help="check and print, write nothing")
    parser.add_argument("--force", action="store_true", help="let the kernel judge values the catalogue calls wrong")
    parser.add_argument("--journal", metavar="FILE", default="", help="save the old values here first")
    parser.add_argument("--undo", action="store_true", help="put back what --journal holds")
    sysctl_target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write; exit code 1 when the kernel refuses or takes another value."""
    args.assignments += args.trailing or []
    if args.undo:
        return _undo(args)
    if not args.assignments:
        raise UsageError("nothing to set", hint="podsysctl sysctl set NAME=VALUE")
    values = parse_assignments(args.assignments)
    check(values, force=args.force)
    sysctl_target.check_own(args, values, force=args.force)
    try:
        if not args.dry_run:
            return apply(args, values)
        sysctl_target.run(args, lambda: procsys.check_exist(values))
    except KernelError as error:
        unknown = [name for name in values if catalogue.find(name) is None] if error.errno == errno.ENOENT else []
        close = catalogue.suggest(unknown[0].dotted) if unknown else []
        if not close:
            raise
        raise KernelError(error.message, errno=error.errno, hint=f"did you mean {' or '.join(close)}?") from error
    for name, text in values.items():
        sysctl_output.write(sysctl_output.lines_of(name.dotted, text))
    return 0


def apply(args: argparse.Namespace, values: dict[SysctlName, str]) -> int:
    """Write checked values where the flags say; tell of those that read back differently."""
    specs = {name: spec for name in values if (spec := catalogue.spec_of(name)) is not None}
    journal_path = getattr(args, "journal", "")
    if journal_path:
        from podsysctl.kernel.journal import Journal

        if not sysctl_target.is_host(args):
            raise UsageError("--journal keeps the host's values only")
        with Journal(journal_path) as journal:
            written = procsys.write_all(values, specs=specs, journal=journal)
    else:
        written = sysctl_target.run(args, lambda: procsys.write_all(values, specs=specs))
    failed = False
    for item in written:
        if not item.matched:
            failed = True
            shown = sysctl_output.one_line(item.after or "")
            sys.stderr.write(f"podsysctl: {item.name}: the kernel took {item.wanted!r} as {shown!r}\n")
        if not args.quiet:
            shown = item.wanted if item.after is None else item.after
            sysctl_output.write(sysctl_output.lines_of(item.name.dotted, shown))
    if failed:
        raise ShownError
    return 0


def check(values: dict[SysctlName, str], *, force: bool = False) -> None:
    """Refuse values that the catalogue knows to be wrong. Raises ValueSyntaxError."""
    for name, text in values.items():
        row = catalogue.find(name)
        if row is None or force:
            continue
        try:
            value.parse_value(row.spec, text, name=name.dotted, partial=True)
        except ValueSyntaxError as error:
            raise ValueSyntaxError(error.message, hint=f"podsysctl explain {name.template}; or --force") from error


def parse_assignments(texts: list[str]) -> dict[SysctlName, str]:
    """Read `NAME=VALUE` words, the value from the first equals sign on. Raises UsageError, NameSyntaxError."""
    out: dict[SysctlName, str] = {}
    for text in texts:
        name, equals, wanted = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(
                f"{text!r} is not of the form NAME=VALUE", hint="write it as one word, in quotes where it holds spaces"
            )
        out[parse_path(name.strip())] = wanted.strip()
    return out


def _undo(args: argparse.Namespace) -> int:
    from podsysctl.kernel.journal import Journal

    if not args.journal or args.assignments:
        raise UsageError("--undo needs --journal and no assignments")
    if not os.path.lexists(args.journal):
        raise UsageError(f"there is no journal {args.journal}, so there is nothing to put back")
    with Journal(args.journal) as journal:
        restored = procsys.restore(journal)
    for item in restored:
        if item.matched:
            sysctl_output.write(sysctl_output.lines_of(item.name.dotted, item.after or ""))
        else:
            sys.stderr.write(
                f"podsysctl: {item.name}: left at {sysctl_output.one_line(item.after or '')!r}, set by somebody since\n"
            )
    return 0
