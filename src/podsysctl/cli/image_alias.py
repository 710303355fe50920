"""`image alias`: short names that stand for local images when no registry answers."""

from __future__ import annotations

import argparse
import sys

from podsysctl.base.errors import UsageError
from podsysctl.cli import image_runtime, tables
from podsysctl.cli.machine_files import MachineFiles
from podsysctl.runtime.images import aliases

HELP = """List, set or remove short names of images.

examples:
  podsysctl image alias
  podsysctl image alias centos=localhost/podsysctl/toolbox
  podsysctl image alias --remove=centos"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `image alias`."""
    image_runtime.add_data_dir(parser)
    parser.add_argument("entries", nargs="*", metavar="SHORT=IMAGE", help="short names and what they stand for")
    parser.add_argument("--remove", action="append", default=[], metavar="SHORT", help="forget a short name")


def run(args: argparse.Namespace) -> int:
    """Run `image alias`."""
    path = MachineFiles(args.data_dir).aliases
    known = aliases.load(path)
    if not args.entries and not args.remove:
        tables.print_rows(sys.stdout, ["SHORT NAME", "IMAGE"], [[short, known[short]] for short in sorted(known)])
        return 0
    done = []
    for entry in args.entries:
        short, equals, target = entry.partition("=")
        if not equals or not short or not target:
            raise UsageError(f'"{entry}" is not of the form SHORT=IMAGE')
        known = known.changed(short, target)
        done.append(f"alias {short} set\n")
    for short in args.remove:
        if short not in known:
            raise UsageError(f"{short} is no alias", hint="podsysctl image alias")
        known = known.changed(short, None)
        done.append(f"alias {short} removed\n")
    aliases.save(path, known)
    sys.stdout.write("".join(done))
    return 0
