"""OCI image archives: written from files in memory and on disk, always the same bytes for the same content.

An archive is a tar of the OCI image layout (image-spec v1.0 `image-layout.md`) whose index names the image in
the annotation that containerd and podman read at import.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_EPOCH = "1970-01-01T00:00:00Z"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of a layer: a directory, a symbolic link, or a file whose content is bytes or a path."""

    mode: int
    link: str = ""
    content: bytes | Path | None = None


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """How containers of the image start, unless a pod says otherwise."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def directory(mode: int = 0o755) -> Entry:
    """A directory."""
    return Entry(mode)


def symlink(target: str) -> Entry:
    """A symbolic link."""
    return Entry(0o777, link=target)


def regular(content: bytes | Path, mode: int = 0o644) -> Entry:
    """A file."""
    return Entry(mode, content=content)


def layer(entries: Mapping[str, Entry]) -> bytes:
    """An uncompressed layer. Paths are relative; parents stand before their children because `a` < `a/b`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(entries):
            entry = entries[path]
            member = tarfile.TarInfo(path)
            member.mode = entry.mode
            if entry.link:
                member.type, member.linkname = tarfile.SYMTYPE, entry.link
                archive.addfile(member)
            elif entry.content is None:
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            else:
                data = entry.content if isinstance(entry.content, bytes) else entry.content.read_bytes()
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def write_archive(target: Path, images: Mapping[str, tuple[Iterable[bytes], ImageConfig]]) -> None:
    """Write images, by full name, as one archive; layers that are the same are stored once.

    The file appears whole or not at all.
    """
    blobs: dict[str, bytes] = {}
    manifests = [_image(blobs, name, tuple(layers), config) for name, (layers, config) in sorted(images.items())]
    members = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": manifests}),
        **{f"blobs/sha256/{digest}": content for digest, content in blobs.items()},
    }
    entries: dict[str, Entry] = {"blobs": directory(), "blobs/sha256": directory()}
    entries |= {path: regular(content) for path, content in members.items()}
    new = target.with_name(f".{target.name}.{os.getpid()}")
    new.write_bytes(layer(entries))
    new.replace(target)


def _image(blobs: dict[str, bytes], name: str, layers: tuple[bytes, ...], config: ImageConfig) -> dict[str, Any]:
    document: dict[str, Any] = {
        "created": _EPOCH,
        "architecture": _ARCHITECTURES.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": {
            "Env": list(config.environment),
            "Entrypoint": list(config.entrypoint) or None,
            "Cmd": list(config.command) or None,
            "WorkingDir": "/",
            "Labels": dict(config.labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers]},
        "history": [{"created": _EPOCH, "created_by": "podsysctl"} for _ in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _blob(blobs, _CONFIG, _json(document)),
        "layers": [_blob(blobs, _LAYER, data) for data in layers],
    }
    descriptor = _blob(blobs, _MANIFEST, _json(manifest))
    annotations = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    return descriptor | {"annotations": annotations}


def _blob(blobs: dict[str, bytes], media_type: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    blobs[digest] = content
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
