"""Images put into the runtime without a registry: our own two, a user's archives, and new names for both.

It drives `ctr`, which every containerd brings and which speaks to its own version. The images land in the
namespace that CRI uses, and CRI hears of them a moment later; each method returns when it has.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.runtime import commands
from podsysctl.runtime.channel import parse_endpoint
from podsysctl.runtime.images import toolbox
from podsysctl.runtime.images.aliases import PAUSE, TOOLBOX
from podsysctl.runtime.images.reference import parse_reference
from podsysctl.runtime.service import RuntimeService

_NAMESPACE = "k8s.io"
_POLL_S = 0.005
_METADATA_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LocalImage:
    """One image as people see it: its names, its id and its size."""

    names: tuple[str, ...]
    id: str
    size_bytes: int


class LocalImages:
    """The images of the containerd behind `runtime`. `directory` keeps the toolbox archive."""

    def __init__(self, runtime: RuntimeService, directory: Path) -> None:
        self._runtime = runtime
        self._socket = parse_endpoint(runtime.endpoint)
        self._archive = directory / "toolbox.tar"
        self._contents = directory / "toolbox.json"

    async def ensure_toolbox(self) -> bool:
        """Have the toolbox and pause images, built anew when the machine's commands changed.

        True when something was done. The second time it takes some milliseconds.
        """
        wanted = (await asyncio.to_thread(toolbox.contents)).to_json()
        if self._built() == wanted and await self._present(TOOLBOX) and await self._present(PAUSE):
            return False
        await self.build_toolbox()
        return True

    async def build_toolbox(self) -> None:
        """Build both images from the machine's commands as they are now, and import them. Raises PodsysctlError."""
        wanted = (await asyncio.to_thread(toolbox.contents)).to_json()
        try:
            self._archive.parent.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(toolbox.build, self._archive)
        except OSError as error:
            raise PodsysctlError(f"the toolbox image cannot be made at {self._archive}: {error.strerror}") from error
        await self._import(self._archive, (TOOLBOX, PAUSE))
        self._contents.write_text(wanted)

    async def import_archive(self, path: Path, name: str = "") -> list[str]:
        """Import an OCI or docker archive (`podman save`, `docker save`, plain or gzip); the names it got.

        `name` is for an archive that names no image. Raises UsageError when the file is no such archive or
        names none, CommandError when containerd refuses it.
        """
        names = await asyncio.to_thread(archive_names, path)
        if name:
            names = [str(parse_reference(name))]
        if not names:
            raise UsageError(f"{path} names no image", hint=f"podsysctl image import {path} --name NAME")
        self._archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=self._archive.parent) as directory:
            plain = await asyncio.to_thread(_decompressed, path, Path(directory, "archive.tar"))
            await self._import(plain, tuple(names), index_name=name and names[0])
        return names

    async def tag(self, source: str, target: str) -> str:
        """Give an image one more name; the full form of it. Raises UsageError when `source` is not present."""
        full, new = str(parse_reference(source)), str(parse_reference(target))
        if not await self._present(full):
            raise UsageError(f"image {source} is not on this machine", hint="podsysctl image list")
        await self._ctr("tag", "--force", full, new)
        await self._wait((new,))
        return new

    async def list(self) -> list[LocalImage]:
        """All images, by name."""
        images = await self._runtime.list_images()
        found = [LocalImage(tuple(sorted(i.repo_tags or i.repo_digests)), i.id, int(i.size)) for i in images]
        return sorted(found, key=lambda image: (image.names, image.id))

    def _built(self) -> str:
        return self._contents.read_text() if self._contents.exists() else ""

    async def _present(self, image: str) -> bool:
        return await self._runtime.image_status(image) is not None

    async def _import(self, path: Path, names: tuple[str, ...], index_name: str = "") -> None:
        options = ("--index-name", index_name) if index_name else ()
        await self._ctr("import", *options, str(path))
        await self._wait(names)

    async def _wait(self, names: tuple[str, ...]) -> None:
        try:
            async with asyncio.timeout(limits.IMAGE_NOTICE_TIMEOUT_S):
                for name in names:
                    while not await self._present(name):  # noqa: ASYNC110 - it tells nobody
                        await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise PodsysctlError(f"image {', '.join(names)} was imported, and the runtime does not see it") from error

    async def _ctr(self, *arguments: str) -> None:
        await commands.run(
            "ctr", "--address", self._socket, "--namespace", _NAMESPACE, "images", *arguments,
            timeout_s=limits.CRI_PULL_TIMEOUT_S,
        )  # fmt: skip


def _decompressed(path: Path, target: Path) -> Path:
    """The archive as a plain tar: `ctr` of containerd 1.6 reads no other."""
    with path.open("rb") as source:
        if source.read(2) != b"\x1f\x8b":
            return path
    with gzip.open(path) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    return target


def archive_names(path: Path) -> list[str]:
    """Full names of the images in an OCI or docker archive. Raises UsageError when it is neither."""
    try:
        with tarfile.open(path, "r:*") as archive:
            documents = _metadata(archive)
    except tarfile.ReadError as error:  # its text lists every way of reading that failed
        raise UsageError(f"{path} is not an image archive: no whole tar file, packed or not") from error
    except (tarfile.TarError, EOFError) as error:
        raise UsageError(f"{path} is not an image archive: {error}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read as an image archive: {error.strerror or error}") from error
    if not documents:
        raise UsageError(f"{path} is not an image archive: neither index.json nor manifest.json is in it")
    try:
        found = _names(documents)
    except (AttributeError, TypeError) as error:
        raise UsageError(f"{path} is not an image archive: {' and '.join(documents)} lists no images") from error
    # A ref.name is often a tag alone, which names nothing.
    return [str(parse_reference(name)) for name in dict.fromkeys(found) if "/" in name or ":" in name]


def _names(documents: Mapping[str, Any]) -> list[str]:
    """What the images are called. Raises AttributeError or TypeError for documents of another shape."""
    if "manifest.json" in documents:
        return [str(tag) for image in documents["manifest.json"] for tag in image.get("RepoTags") or ()]
    notes = [m.get("annotations") or {} for m in documents["index.json"].get("manifests") or ()]
    named = [note.get("io.containerd.image.name") or note.get("org.opencontainers.image.ref.name") for note in notes]
    return [str(name) for name in named if name]


def _metadata(archive: tarfile.TarFile) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for member in archive:
        name = member.name.removeprefix("./")
        if name in ("manifest.json", "index.json") and member.size <= _METADATA_BYTES:
            content = archive.extractfile(member)
            if content is not None:
                out[name] = _decode(content.read(), name)
    return out


def _decode(content: bytes, name: str) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise tarfile.TarError(f"{name} in it is not JSON") from error
