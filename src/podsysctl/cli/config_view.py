"""`config view`: the kubeconfig, secrets left out unless they are asked for."""

from __future__ import annotations

import argparse
from typing import Any

from podsysctl.cli import config_files, formats

HELP = """Print the merged kubeconfig.

examples:
  podsysctl config view
  podsysctl config view --minify --raw -o json"""

HIDDEN = {
    "token": "REDACTED",
    "password": "REDACTED",
    "certificate-authority-data": "DATA+OMITTED",
    "client-certificate-data": "DATA+OMITTED",
    "client-key-data": "DATA+OMITTED",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `config view`."""
    parser.add_argument("-o", "--output", metavar="FORMAT", default="yaml", help="yaml|json|jsonpath=")
    parser.add_argument("--raw", action="store_true", help="with certificates, keys and tokens")
    parser.add_argument("--minify", action="store_true", help="only the context in use")


def run(args: argparse.Namespace) -> int:
    """Run `config view`."""
    document = {"preferences": {}, **config_files.read(args)}
    if args.minify:
        document = _minified(document, config_files.context_name(args, document))
    formats.printer(args)(document if args.raw else _redacted(document))
    return 0


def _minified(document: dict[str, Any], name: str) -> dict[str, Any]:
    context = config_files.find_context(document, name)
    keep = {"contexts": name, "clusters": context.get("cluster"), "users": context.get("user")}
    sections = {s: [e for e in document.get(s) or [] if e.get("name") == wanted] for s, wanted in keep.items()}
    return {**document, **sections, "current-context": name}


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: HIDDEN[k] if k in HIDDEN and v else _redacted(v) for k, v in value.items()}
    return [_redacted(item) for item in value] if isinstance(value, list) else value
