"""Short names that stand for local images when no registry answers, such as `centos`.

The file `aliases.toml` has one table, as registries.conf has (containers-registries.conf(5)):

    [aliases]
    "centos" = "localhost/podsysctl/toolbox"

A key without a tag stands for every tag of that name; with one, for that tag alone.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from podsysctl.base import durable
from podsysctl.base.errors import UsageError
from podsysctl.runtime.images.reference import parse_reference

TOOLBOX = "localhost/podsysctl/toolbox:latest"
PAUSE = "localhost/podsysctl/pause:latest"

DEFAULT = {
    "centos": TOOLBOX,
    "busybox": TOOLBOX,
    "alpine": TOOLBOX,
    "debian": TOOLBOX,
    "ubuntu": TOOLBOX,
    "fedora": TOOLBOX,
    "rockylinux": TOOLBOX,
    "almalinux": TOOLBOX,
    "quay.io/centos/centos": TOOLBOX,
    "quay.io/fedora/fedora": TOOLBOX,
    "registry.access.redhat.com/ubi8/ubi": TOOLBOX,
    "registry.access.redhat.com/ubi9/ubi": TOOLBOX,
    "registry.access.redhat.com/ubi9/ubi-minimal": TOOLBOX,
    "registry.redhat.io/rhel9/support-tools": TOOLBOX,
    "registry.k8s.io/e2e-test-images/busybox": TOOLBOX,
    "registry.k8s.io/pause": PAUSE,
}
"""What a new file holds: images whose usual use, a shell and basic commands, the toolbox serves."""

_HEADER = "# Short names and the local images they stand for when no registry answers.\n\n[aliases]\n"


class Aliases(Mapping[str, str]):
    """The aliases of one file. Reading by key takes any spelling of an image name.

    >>> aliases = Aliases({"centos": "localhost/podsysctl/toolbox"})
    >>> aliases["docker.io/library/centos:7"], aliases.get("nginx")
    ('localhost/podsysctl/toolbox:latest', None)
    """

    def __init__(self, entries: Mapping[str, str]) -> None:
        self._entries = dict(entries)
        self._targets: dict[str, str] = {}
        for short, target in entries.items():
            self._targets[_key(short)] = str(parse_reference(target))

    def __getitem__(self, image: str) -> str:
        try:
            reference = parse_reference(image)
        except UsageError:
            raise KeyError(image) from None
        if str(reference) in self._targets:
            return self._targets[str(reference)]
        return self._targets[reference.name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def changed(self, short: str, target: str | None) -> Aliases:
        """The same with one alias set, or removed when `target` is None. Raises UsageError."""
        entries = {k: v for k, v in self._entries.items() if _key(k) != _key(short)}
        if target is not None:
            entries[short] = target
        return Aliases(entries)


def load(path: Path) -> Aliases:
    """Read the file; the defaults when there is none. Raises UsageError naming the file."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return Aliases(DEFAULT)
    except OSError as error:
        raise UsageError(f"aliases {path}: {error.strerror}") from error
    try:
        entries = tomllib.loads(text).get("aliases", {})
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"aliases {path}: {error}") from error
    if not isinstance(entries, dict) or not all(isinstance(v, str) for v in entries.values()):
        raise UsageError(f"aliases {path}: [aliases] must map names to image names")
    try:
        return Aliases(entries)
    except UsageError as error:
        raise UsageError(f"aliases {path}: {error.message}", hint=error.hint) from error


class LiveAliases(Mapping[str, str]):
    """The aliases of a file as they are at each look-up, so that a change needs no restart.

    A file that cannot be read any more raises UsageError at the look-up.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, int] | None = None
        self._read = load(path)

    def __getitem__(self, image: str) -> str:
        return self._now()[image]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def _now(self) -> Aliases:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            state = None
        else:
            state = (there.st_ino, there.st_mtime_ns)
        if state != self._state:
            self._read, self._state = load(self._path), state
        return self._read


def save(path: Path, aliases: Aliases) -> None:
    """Write the file, whole or not at all."""
    lines = [f"{json.dumps(short)} = {json.dumps(target)}\n" for short, target in sorted(aliases._entries.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.write(path, _HEADER + "".join(lines), mode=0o644)


def _key(short: str) -> str:
    reference = parse_reference(short)
    tagged = ":" in short.rpartition("/")[2] or "@" in short
    return str(reference) if tagged else reference.name
