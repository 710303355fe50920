"""`podsysctl sysctl get`: the values of named parameters."""

from __future__ import annotations

import argparse
import errno
import sys

from podsysctl.base.errors import KernelError, UsageError
from podsysctl.cli import sysctl_list, sysctl_output, sysctl_target
from podsysctl.cli.failures import ShownError
from podsysctl.kernel import procsys
from podsysctl.sysctls import name as spelling
from podsysctl.sysctls.name import INTERFACE_TOKEN, SysctlName

HELP = """Print the values of kernel parameters.

  podsysctl sysctl get net.core.somaxconn
  podsysctl sysctl get net/ipv4/conf/eth0.100/rp_filter
  podsysctl sysctl get -n kernel.shm* --pod default/web
  podsysctl sysctl get --pod default/web --interface net1
  podsysctl sysctl get --pod default/web --interface net1 net.ipv4.conf.IFNAME.rp_filter"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Names and forms of output."""
    parser.add_argument("names_or_patterns", nargs="*", metavar="NAME", help="a name, a group, or a pattern")
    parser.add_argument(
        "--interface",
        metavar="NAME",
        default="",
        help="stands for IFNAME in names; alone, the settings that OpenShift lets pods have on an interface",
    )
    parser.add_argument("-n", "--values", action="store_true", help="values only")
    parser.add_argument("-N", "--names", action="store_true", help="names only")
    parser.add_argument("-e", "--ignore", action="store_true", help="say nothing of unknown names")
    parser.add_argument("-b", "--binary", action="store_true", help="values without a final newline")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="form of output")
    sysctl_target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print each; exit code 1 when one does not exist."""
    args.names_or_patterns += args.trailing or []
    texts, ignore = args.names_or_patterns, args.ignore
    if args.interface:
        from podsysctl.sysctls import safe

        ignore = ignore or not texts  # the list has names that no kernel has
        texts = of_interface(texts or list(safe.interface_safe()), args.interface)
        if not args.names_or_patterns:
            _check_interface(args)
    elif not texts:
        raise UsageError("name at least one parameter, or an interface with --interface")
    readings, failed = read_named(args, texts, ignore=ignore)
    if args.output == "json":
        sysctl_output.write_json({name.dotted: value for name, value in readings if isinstance(value, str)})
    elif args.binary:
        sysctl_output.write("".join(value for _, value in readings if isinstance(value, str)))
    else:
        sysctl_list.print_readings(readings, names=args.names, values=args.values)
    if failed or any(map(sysctl_list.is_failure, readings)):
        raise ShownError
    return 0


def of_interface(texts: list[str], interface: str) -> list[str]:
    """The names with an interface where IFNAME stands. Raises NameSyntaxError.

    >>> of_interface(["net.ipv4.conf.IFNAME.rp_filter", "net.core.somaxconn"], "eth0.1")
    ['net.ipv4.conf.eth0/1.rp_filter', 'net.core.somaxconn']
    """
    spelling.check_interface(interface)
    out = []
    for text in texts:
        parsed = None if INTERFACE_TOKEN not in text else spelling.parse_path(text)
        out.append(text if parsed is None or not parsed.is_template else parsed.with_interface(interface).dotted)
    return out


def _check_interface(args: argparse.Namespace) -> None:
    """Raise KernelError when there is no such interface: an empty answer would say nothing."""
    name = SysctlName(("net", "ipv4", "conf", args.interface, "forwarding"))
    if not sysctl_target.run(args, lambda: procsys.exists(name)):
        raise KernelError(f"{sysctl_target.describe(args)} has no interface {args.interface}", errno=errno.ENODEV)


def read_named(
    args: argparse.Namespace, texts: list[str], *, ignore: bool
) -> tuple[list[tuple[SysctlName, procsys.Reading]], bool]:
    """What the texts name, each kept in its order; True when one was not there and that matters."""
    out: list[tuple[SysctlName, procsys.Reading]] = []
    failed = False
    answers = sysctl_target.run(args, lambda: list(map(_select, texts)))
    for text, found in zip(texts, answers, strict=True):
        if not isinstance(found, KernelError):
            out += sysctl_target.with_own_users(args, found)
        elif not ignore:
            failed = True
            sys.stderr.write(f"podsysctl: {found.message}\n")
            sys.stderr.write(hint_for(text) if found.errno == errno.ENOENT else "")
    return out, failed


def _select(text: str) -> list[tuple[SysctlName, procsys.Reading]] | KernelError:
    """What one text names, in the calling thread's namespaces."""
    try:
        found = sysctl_list.select([text], "")
    except KernelError as error:
        return error
    if len(found) == 1 and sysctl_list.is_unset(found[0][1]):
        return KernelError(f"{found[0][0]}: has not been set", errno=errno.EIO)
    return found or KernelError(f"{text}: matches no parameter of this namespace", errno=errno.ENOENT)


def hint_for(text: str) -> str:
    """A line for standard error that helps with a name that is not there; empty when nothing does."""
    from podsysctl.sysctls import catalogue, name, pattern

    if pattern.is_pattern(text):
        return ""
    hint = name.interface_hint(text)
    if not hint:
        close = catalogue.suggest(name.parse_path(text).dotted)
        known = name.parse_path(text).template.dotted in close
        hint = f"did you mean {' or '.join(close)}?" if close and not known else ""
        if known:
            row = catalogue.find(name.parse_path(text))
            needs = f"; it needs {row.needs}" if row is not None and row.needs else ""
            hint = f"`podsysctl explain {text}` tells which kernels and namespaces have it{needs}"
    return f"hint: {hint}\n" if hint else ""
