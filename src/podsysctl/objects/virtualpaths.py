"""Files of one volume that would overwrite each other or lie inside each other; the server only warns of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from podsysctl.objects.quote import quote


class _File(NamedTuple):
    path: str
    source: str

    def shown(self) -> str:
        return f"{quote(self.path)} ({self.source})" if self.source else quote(self.path)


def overlap_warnings(volumes: Any) -> Iterator[str]:
    """Upstream's warnings for ConfigMap, Secret, downward API and projected volumes."""
    for volume in volumes:
        name = volume.get("name") or ""
        for kind, label, key in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
            source = volume.get(kind)
            if source is not None and source.get("items"):
                files = [_File(item.get("path") or "", "") for item in source["items"]]
                yield from _overlaps(name, f"{label} {quote(source.get(key) or '')}", files)
        source = volume.get("downwardAPI")
        if source is not None and source.get("items"):
            files = [_File(item.get("path") or "", "") for item in source["items"]]
            yield from _overlaps(name, "DownwardAPI", files)
        if volume.get("projected") is not None:
            yield from _projected(name, volume["projected"])


def _projected(name: str, volume: Mapping[str, Any]) -> Iterator[str]:
    taken: list[_File] = []
    for source in volume.get("sources") or ():
        if not any(value is not None for value in source.values()):
            yield f"volume {quote(name)} (Projected) has no sources provided"
            continue
        yield from _overlaps(name, "Projected", list(_source_files(source)), taken)


def _source_files(source: Mapping[str, Any]) -> Iterator[_File]:
    for kind, label in (("configMap", "ConfigMap"), ("secret", "Secret")):
        part = source.get(kind)
        if part is not None and part.get("items"):
            for item in part["items"]:
                yield _File(item.get("path") or "", f"{label} {quote(part.get('name') or '')}")
            return
    part = source.get("downwardAPI")
    if part is not None and part.get("items"):
        for item in part["items"]:
            yield _File(item.get("path") or "", "DownwardAPI")
    elif source.get("serviceAccountToken") is not None:
        yield _File(source["serviceAccountToken"].get("path") or "", "ServiceAccountToken")


def _overlaps(name: str, what: str, files: list[_File], taken: list[_File] | None = None) -> Iterator[str]:
    known = taken if taken is not None else []
    for entry in files:
        file = _File(entry.path.rstrip("/"), entry.source)
        for other in known if file.path else ():
            if not other.path:
                continue
            inside = f"{other.path}/".startswith(f"{file.path}/") or f"{file.path}/".startswith(f"{other.path}/")
            if inside:
                yield f"volume {quote(name)} ({what}): overlapping paths: {file.shown()} with {other.shown()}"
        known.append(file)
