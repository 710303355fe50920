"""`rsh`: a shell in a container, with a terminal when there is one (oc pkg/cli/rsh)."""

from __future__ import annotations

import argparse
import os
import re
import sys

from podsysctl.base.errors import UsageError
from podsysctl.cli import connect
from podsysctl.cli.connect import Connection
from podsysctl.cli.exec import execute

HELP = """Open a shell in a container.

examples:
  podsysctl rsh web
  podsysctl rsh -c proxy web sysctl -a

Flags of this command stand before POD; what stands behind it is the command's own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rsh`."""
    parser.add_argument("pod", metavar="POD", help="POD or TYPE/NAME")
    words = parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="COMMAND", help="run this instead of a shell"
    )
    words.required = False  # argparse before 3.13 asks for it in vain when POD is missing
    parser.add_argument("-c", "--container", metavar="NAME", default="", help="the container, the first one by default")
    parser.add_argument("--shell", metavar="PATH", default="/bin/sh", help="the shell to run")
    parser.add_argument("-t", "--tty", action="store_true", help="want a terminal, as on a terminal by default")
    parser.add_argument("-T", "--no-tty", action="store_true", help="want no terminal")


def run(args: argparse.Namespace) -> int:
    """Run `rsh`."""
    if args.tty and args.no_tty:
        raise UsageError("you may specify -t or -T but not both")
    if args.words and args.words[0].startswith("-"):
        raise UsageError(
            f"{args.words[0]} stands behind POD, where the command is", hint="podsysctl rsh [FLAGS] POD [COMMAND]"
        )
    command = args.words + (["--"] if args.words and args.trailing is not None else []) + (args.trailing or [])
    if not command:
        command = [args.shell]
        if args.shell == "/bin/sh":
            command = ["/bin/sh", "-c", f'TERM="{_term()}" /bin/sh']
    args.stdin, args.quiet = True, False
    args.tty = args.tty or (not args.no_tty and sys.stdin.isatty())

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        return await execute(connection, args, args.pod, command)

    return connect.run(args, body)


def _term() -> str:
    """The local terminal's type, as oc passes it on."""
    term = os.environ.get("TERM", "")
    return term if re.fullmatch(r"[\w.+-]+", term) else "xterm"
