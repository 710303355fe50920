"""`config set-context NAME|--current`."""

from __future__ import annotations

import argparse
import sys

from podsysctl.base.errors import UsageError
from podsysctl.cli import config_files

HELP = """Change a context of the kubeconfig, or add one.

examples:
  podsysctl config set-context --current --namespace=demo
  podsysctl config set-context test --cluster=podsysctl --user=admin"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `config set-context`: the new values are the global flags."""
    parser.add_argument("name", nargs="?", metavar="NAME", default="", help="the context")
    parser.add_argument("--current", action="store_true", help="the context in use")


def run(args: argparse.Namespace) -> int:
    """Run `config set-context`."""
    if bool(args.name) == args.current:
        raise UsageError("you must specify a non-empty context name or --current")
    name = args.name or config_files.context_name(args, config_files.read(args))
    wanted = {"cluster": args.cluster, "user": args.user, "namespace": args.namespace}
    existed = config_files.change_context(args, name, {k: v for k, v in wanted.items() if v})
    sys.stdout.write(f'Context "{name}" {"modified" if existed else "created"}.\n')
    return 0
