"""`config use-context NAME`."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import config_files

HELP = "Switch to another context of the kubeconfig."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `config use-context`."""
    parser.add_argument("name", metavar="NAME", help="the context")


def run(args: argparse.Namespace) -> int:
    """Run `config use-context`."""
    config_files.set_current_context(args, args.name)
    sys.stdout.write(f'Switched to context "{args.name}".\n')
    return 0
