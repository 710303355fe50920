"""`label`: set and remove labels."""

from __future__ import annotations

import argparse

from podsysctl.base.errors import UsageError
from podsysctl.cli import pairs

HELP = """Set or remove labels.

examples:
  podsysctl label pod web tier=front
  podsysctl label node n1 pool=latency --overwrite
  podsysctl label pods --all tier-"""


def _check(word: str, value: str) -> None:
    from podsysctl.objects import names

    if "=" in value:
        raise UsageError(f"invalid label spec: {word}")
    problems = names.label_value(value)
    if problems:
        raise UsageError(f'invalid label value: "{word}": {";".join(problems)}')


SUBJECT = pairs.Subject("label", "labels", "label", _check)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `label`."""
    pairs.add_arguments(parser, "label")


def run(args: argparse.Namespace) -> int:
    """Run `label`."""
    return pairs.run(args, SUBJECT)
