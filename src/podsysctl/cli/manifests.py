"""Objects from files: -f FILE, DIRECTORY, URL or -, with lists taken apart.

Reading and its texts follow cli-runtime pkg/resource/{builder,visitor,mapper}.go, v1.36.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.client.rest import Object
from podsysctl.objects import yamltext

SUFFIXES = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Document:
    """One object and the name of the file it came from (`STDIN` for -)."""

    object: Object
    source: str


def read(filenames: Sequence[str], *, recursive: bool = False) -> list[Document]:
    """All objects of the files, in order. Raises UsageError for paths, PodsysctlError for content."""
    out: list[Document] = []
    for filename in filenames:
        for name in filename.split(","):
            for source, text in _texts(name, recursive):
                out += _documents(source, text)
    return out


def _texts(name: str, recursive: bool) -> Iterator[tuple[str, bytes]]:
    if name == "-":
        yield "STDIN", _bounded(sys.stdin.buffer.read(limits.YAML_DOCUMENT_BYTES + 1), "STDIN")
    elif name.startswith(("http://", "https://")):
        yield name, _download(name)
    else:
        path = Path(name)
        if not path.exists():
            raise UsageError(f'the path "{name}" does not exist')
        files = _files(path, recursive) if path.is_dir() else [path]
        if not files:
            raise UsageError(
                f"error reading [{name}]: recognized file extensions are [.json .yaml .yml]",
                hint="name a file, or a directory that holds manifests (-R looks below as well)",
            )
        for file in files:
            yield str(file), _read(file)


def _files(directory: Path, recursive: bool) -> list[Path]:
    found = directory.rglob("*") if recursive else directory.glob("*")
    return sorted(p for p in found if p.suffix in SUFFIXES and p.is_file())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return _bounded(stream.read(limits.YAML_DOCUMENT_BYTES + 1), str(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _bounded(text: bytes, source: str) -> bytes:
    if len(text) > limits.YAML_DOCUMENT_BYTES:
        raise UsageError(f"{source} is longer than {limits.YAML_DOCUMENT_BYTES} bytes")
    return text


def _download(url: str) -> bytes:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=limits.REQUEST_TIMEOUT_S) as answer:
            return _bounded(answer.read(limits.YAML_DOCUMENT_BYTES + 1), url)
    except (URLError, OSError, ValueError) as error:
        raise PodsysctlError(f'unable to read URL "{url}": {error}') from error


def _documents(source: str, text: bytes) -> Iterator[Document]:
    try:
        values = yamltext.load_documents(text)
    except yamltext.YAMLSyntaxError as error:
        raise PodsysctlError(f"error parsing {source}: error converting YAML to JSON: {error.message}") from error
    for value in values:
        if value is None:
            continue
        yield from _objects(source, value)


def _objects(source: str, value: object) -> Iterator[Document]:
    if not isinstance(value, dict):
        raise PodsysctlError(
            f'unable to decode "{source}": json: cannot unmarshal {_json_type(value)} into Go value of type '
            "unstructured.detector"
        )
    for key in ("kind", "apiVersion"):
        if not isinstance(value.get(key), str) or not value[key]:
            raise PodsysctlError(
                f'error validating "{source}": error validating data: {key} not set; if you choose to ignore these '
                "errors, turn validation off with --validate=false"
            )
    if str(value["kind"]).endswith("List") and isinstance(value.get("items"), list):
        for item in value["items"]:
            if isinstance(item, dict) and "kind" not in item and value["kind"] != "List":
                item = {"apiVersion": value["apiVersion"], "kind": value["kind"].removesuffix("List"), **item}
            yield from _objects(source, item)
        return
    yield Document(value, source)


def _json_type(value: object) -> str:
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    return "array" if isinstance(value, list) else "number"
