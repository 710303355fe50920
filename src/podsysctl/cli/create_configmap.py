"""`create configmap NAME`."""

from __future__ import annotations

import argparse
import base64
from typing import Any

from podsysctl.cli import create, data_sources

HELP = """Create a ConfigMap from literals and files.

examples:
  podsysctl create configmap settings --from-literal=colour=red
  podsysctl create configmap web --from-file=nginx.conf --from-file=conf.d/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `create configmap`."""
    create.add_generator_arguments(parser)
    data_sources.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run `create configmap`."""
    text: dict[str, str] = {}
    binary: dict[str, str] = {}
    for key, value in data_sources.read(args, "ConfigMap").items():
        try:
            text[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(value).decode()
    body: dict[str, Any] = {}
    if text:
        body["data"] = text
    if binary:
        body["binaryData"] = binary
    return create.run_generator(args, "v1", "ConfigMap", body)
