"""`podsysctl sysctl export`: values as a file, to compare later or to apply elsewhere."""

from __future__ import annotations

import argparse
import os
from typing import Any

from podsysctl.base.errors import UsageError
from podsysctl.cli import sysctl_list, sysctl_output, sysctl_target
from podsysctl.kernel import procsys
from podsysctl.sysctls.name import SysctlName, parse_name

HELP = """Write out values, as JSON for `podsysctl sysctl diff`, or as a file for /etc/sysctl.d.

  podsysctl sysctl export > node-a.json
  podsysctl sysctl export -o conf net.ipv4.tcp_* > 60-tcp.conf"""

FORMAT = 1

VOLATILE = frozenset(
    {
        "fs.aio-nr", "fs.dentry-state", "fs.file-nr", "fs.inode-nr", "fs.inode-state", "kernel.hung_task_detect_count",
        "kernel.ns_last_pid", "kernel.pty.nr", "kernel.random.boot_id", "kernel.random.entropy_avail",
        "kernel.random.uuid", "net.netfilter.nf_conntrack_count", "vm.stat_refresh",
    }
)  # fmt: skip
"""Counters and random numbers: they differ between two readings of the same machine."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to write and how."""
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="names, groups or patterns; all without")
    parser.add_argument("-r", "--pattern", metavar="REGEX", default="", dest="regex", help="only names that match")
    parser.add_argument("-o", "--output", choices=("json", "conf"), default="json", help="form of output")
    sysctl_target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the file."""
    readings = sysctl_target.run(args, lambda: sysctl_list.select(args.patterns, args.regex))
    readings = sysctl_target.with_own_users(args, readings)
    values = {name: value for name, value in readings if isinstance(value, str)}
    if args.output == "json":
        release = os.uname().release
        document = {
            "format": FORMAT,
            "release": release,
            "of": sysctl_target.describe(args),
            "values": {name.dotted: value for name, value in values.items()},
        }
        sysctl_output.write_json(document)
    else:
        sysctl_output.write("".join(_conf_lines(values)))
    return 0


def _conf_lines(values: dict[SysctlName, str]) -> list[str]:
    """Only what can be written back: no read-only file, no counter, nothing of several lines."""
    writable = {entry.name for entry in procsys.list_entries() if entry.writable}
    return [
        f"{name.sysctl_d} = {sysctl_output.one_line(value)}\n"
        for name, value in values.items()
        if name in writable and name.dotted not in VOLATILE and "\n" not in value
    ]


def read_export(path: str) -> dict[SysctlName, str]:
    """Read what `export` wrote. Raises UsageError when the file is no export."""
    import json

    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            document: Any = json.load(file)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}") from error
    if (
        not isinstance(document, dict)
        or document.get("format") != FORMAT
        or not isinstance(document.get("values"), dict)
    ):
        raise UsageError(f"{path} was not written by `podsysctl sysctl export`")
    return {parse_name(str(name)): str(value) for name, value in document["values"].items()}
