"""--from-literal, --from-file and --from-env-file: the data of ConfigMaps and Secrets.

Rules and texts: kubectl pkg/cmd/create/create_configmap.go and pkg/cmd/util/env_file.go, v1.36.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from podsysctl.base.errors import UsageError

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The three flags."""
    parser.add_argument("--from-literal", metavar="KEY=VALUE", action="append", default=[], help="one entry")
    parser.add_argument(
        "--from-file", metavar="[KEY=]PATH", action="append", default=[], help="a file, or every file of a directory"
    )
    parser.add_argument(
        "--from-env-file", metavar="PATH", action="append", default=[], help="a file of KEY=VALUE lines"
    )


def read(args: argparse.Namespace, kind: str) -> dict[str, bytes]:
    """The entries that the flags describe. Raises UsageError."""
    if args.from_env_file and (args.from_file or args.from_literal):
        raise UsageError("from-env-file cannot be combined with from-file or from-literal")
    out: dict[str, bytes] = {}
    for path in args.from_env_file:
        for key, value in _env_lines(path):
            _add(out, key, value.encode(), kind)
    for source in args.from_file:
        for key, content in _files(source):
            _add(out, key, content, kind)
    for literal in args.from_literal:
        key, equals, value = literal.partition("=")
        if not equals or not key:
            raise UsageError(f"invalid literal source {literal}, expected key=value")
        _add(out, key, value.encode(), kind)
    return out


def _add(out: dict[str, bytes], key: str, value: bytes, kind: str) -> None:
    if not _KEY.fullmatch(key) or key in (".", ".."):
        rule = (
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
            "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        )
        raise UsageError(f'"{key}" is not a valid key name for a {kind}: {rule}')
    if key in out:
        raise UsageError(f"cannot add key {key}, another key by that name already exists in Data for {kind}")
    out[key] = value


def _files(source: str) -> list[tuple[str, bytes]]:
    key, equals, name = source.rpartition("=")
    if source.count("=") > 1:
        raise UsageError("key names or file paths cannot contain '='")
    if equals and (not key or not name):
        which = "key name" if not key else "file path"
        raise UsageError(f"{which} for file path {name} missing" if not key else f"{which} for key name {key} missing")
    path = Path(name)
    try:
        if path.is_dir():
            if equals:
                raise UsageError("cannot give a key name for a directory path")
            files = [p for p in sorted(path.iterdir()) if p.is_file()]
            return [(p.name, p.read_bytes()) for p in files if _KEY.fullmatch(p.name)]
        return [(key or path.name, path.read_bytes())]
    except OSError as error:
        raise UsageError(f"error reading {name}: {error.strerror}") from error


def _env_lines(name: str) -> list[tuple[str, str]]:
    try:
        lines = Path(name).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"error reading {name}: {error}") from error
    out = []
    for line in lines:
        line = line.lstrip()
        if line and not line.startswith("#"):
            key, _, value = line.partition("=")
            out.append((key, value))
    return out
