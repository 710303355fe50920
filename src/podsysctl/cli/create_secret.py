"""`create secret generic NAME`."""

from __future__ import annotations

import argparse
import base64
from typing import Any

from podsysctl.cli import create, data_sources

HELP = """Create a Secret from literals and files.

example:
  podsysctl create secret generic database --from-literal=password=PASSWORD"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `create secret generic`."""
    create.add_generator_arguments(parser)
    data_sources.add_arguments(parser)
    parser.add_argument("--type", metavar="TYPE", default="", help="what kind of secret it is")


def run(args: argparse.Namespace) -> int:
    """Run `create secret generic`."""
    entries = data_sources.read(args, "Secret")
    body: dict[str, Any] = {}
    if entries:
        body["data"] = {key: base64.b64encode(value).decode() for key, value in entries.items()}
    if args.type:
        body["type"] = args.type
    return create.run_generator(args, "v1", "Secret", body)
