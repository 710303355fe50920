"""`config get-contexts`."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import config_files, tables

HELP = "List the contexts of the kubeconfig; the one in use has a star."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `config get-contexts`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("-o", "--output", metavar="FORMAT", default="", choices=("", "name"), help="name")
    parser.add_argument("--no-headers", action="store_true", help="leave out the column names")


def run(args: argparse.Namespace) -> int:
    """Run `config get-contexts`."""
    document = config_files.read(args)
    names = args.names or sorted(entry["name"] for entry in document.get("contexts") or [])
    entries = {name: config_files.find_context(document, name) for name in names}
    if args.output == "name":
        sys.stdout.write("".join(f"{name}\n" for name in names))
        return 0
    current = document.get("current-context")
    rows = [
        ["*" if name == current else "", name, c.get("cluster") or "", c.get("user") or "", c.get("namespace") or ""]
        for name, c in entries.items()
    ]
    headers = ["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]
    tables.print_rows(sys.stdout, headers, rows, show_headers=not args.no_headers)
    return 0
