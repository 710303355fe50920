"""`create serviceaccount NAME`."""

from __future__ import annotations

import argparse

from podsysctl.cli import create

HELP = """Create a ServiceAccount.

example:
  podsysctl create serviceaccount builder"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `create serviceaccount`."""
    create.add_generator_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run `create serviceaccount`."""
    return create.run_generator(args, "v1", "ServiceAccount", {})
