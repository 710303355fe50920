"""`create namespace NAME`."""

from __future__ import annotations

import argparse

from podsysctl.cli import create

HELP = """Create a namespace.

example:
  podsysctl create namespace demo"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `create namespace`."""
    create.add_generator_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run `create namespace`."""
    return create.run_generator(args, "v1", "Namespace", {})
