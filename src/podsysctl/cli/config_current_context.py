"""`config current-context`."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import config_files

HELP = "Print the context in use."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`config current-context` takes no arguments of its own."""


def run(args: argparse.Namespace) -> int:
    """Run `config current-context`."""
    sys.stdout.write(config_files.context_name(args, config_files.read(args)) + "\n")
    return 0
