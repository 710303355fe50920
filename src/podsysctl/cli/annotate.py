"""`annotate`: set and remove annotations."""

from __future__ import annotations

import argparse

from podsysctl.cli import pairs

HELP = """Set or remove annotations.

examples:
  podsysctl annotate pod web description='first of its kind'
  podsysctl annotate pod web description-"""

SUBJECT = pairs.Subject("annotation", "annotations", "annotate", lambda word, value: None)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `annotate`."""
    pairs.add_arguments(parser, "annotation")


def run(args: argparse.Namespace) -> int:
    """Run `annotate`."""
    return pairs.run(args, SUBJECT)
