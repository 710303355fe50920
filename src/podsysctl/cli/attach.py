"""`attach`: the process that a container already runs."""

from __future__ import annotations

import argparse
import sys

from podsysctl.base.errors import UsageError
from podsysctl.cli import connect, podpick, terminal
from podsysctl.cli.connect import Connection

HELP = """Attach to the process of a container.

examples:
  podsysctl attach web
  podsysctl attach -it web -c shell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `attach`."""
    parser.add_argument("words", nargs="+", metavar="POD", help="POD or TYPE/NAME")
    parser.add_argument("-c", "--container", metavar="NAME", default="", help="the container, the first one by default")
    parser.add_argument("-i", "--stdin", action="store_true", help="pass standard input on")
    parser.add_argument("-t", "--tty", action="store_true", help="stdin is a terminal")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what the process prints")


def run(args: argparse.Namespace) -> int:
    """Run `attach`."""
    if len(args.words) > 2:
        raise UsageError(f"expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw {len(args.words)}")
    return connect.run(args, _attach)


async def _attach(connection: Connection, args: argparse.Namespace) -> int:
    pod = await podpick.pod(connection, "/".join(args.words))
    podpick.refuse_finished(pod, "attach")
    name = podpick.container(pod, args.container, quiet=args.quiet)
    container = next(c for c in (pod["spec"].get("containers") or []) if c["name"] == name)
    is_tty = terminal.wants_tty(args.tty, args.stdin, quiet=args.quiet)
    if is_tty and not container.get("tty"):
        is_tty = False
        sys.stderr.write(f"error: Unable to use a TTY - container {name} did not allocate one\n")
    elif not is_tty and container.get("tty") and not args.quiet:
        is_tty = args.stdin and sys.stdin.isatty()
    if args.stdin and not args.quiet:
        sys.stderr.write("If you don't see a command prompt, try pressing enter.\n")
    metadata = pod["metadata"]
    code = await terminal.run(
        connection, metadata["namespace"], metadata["name"], name, None, stdin=args.stdin, is_tty=is_tty
    )
    if args.stdin and is_tty and pod["spec"].get("restartPolicy") == "Always" and not args.quiet:
        sys.stdout.write(
            f"Session ended, resume using 'podsysctl attach {metadata['name']} -c {name} -i -t' command when the pod "
            "is running\n"
        )
    return code
