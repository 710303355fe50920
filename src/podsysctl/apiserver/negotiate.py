"""Which encoding and which shape of an object the client asked for in Accept.

We answer JSON and YAML. Protobuf is never sent: typed clients offer JSON beside it and accept either. Shapes
are the object itself, a Table, or PartialObjectMetadata. Source: Kubernetes 1.36
`apiserver/pkg/endpoints/handlers/negotiation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from podsysctl.objects import status

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"

TABLE = "Table"
PARTIAL = "PartialObjectMetadata"
PARTIAL_LIST = "PartialObjectMetadataList"

_OFFERED = (JSON, YAML, PROTOBUF)
_SHAPES = frozenset({TABLE, PARTIAL, PARTIAL_LIST})


@dataclass(frozen=True, slots=True)
class Clause:
    """One entry of an Accept header."""

    media_type: str
    parameters: dict[str, str]
    quality: float


@dataclass(frozen=True, slots=True)
class Output:
    """The chosen answer: `media_type` without parameters, `shape` empty for the object itself."""

    media_type: str = JSON
    shape: str = ""
    shape_version: str = "v1"

    @property
    def is_plain(self) -> bool:
        """Whether stored JSON can be sent as it is."""
        return self.media_type == JSON and not self.shape


PLAIN = Output()


def parse_accept(header: str) -> list[Clause]:
    """The entries of an Accept header, the most wanted first; equal ones in their order."""
    clauses = []
    for part in header.split(","):
        media, *rest = (piece.strip() for piece in part.split(";"))
        if not media:
            continue
        parameters = dict(piece.partition("=")[::2] for piece in rest if piece)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        clauses.append(Clause(media.lower(), parameters, quality))
    clauses.sort(key=lambda clause: -clause.quality)
    return clauses


@lru_cache(maxsize=256)
def choose(header: str | None) -> Output:
    """The answer for a resource request. Raises StatusError 406 when nothing fits."""
    if not header or header == "*/*":
        return PLAIN
    protobuf_only = False
    for clause in parse_accept(header):
        if clause.media_type == PROTOBUF:
            protobuf_only = True
            continue
        media = {"*/*": JSON, "application/*": JSON}.get(clause.media_type, clause.media_type)
        if media not in (JSON, YAML):
            continue
        shape = clause.parameters.get("as", "")
        if not shape:
            return PLAIN if media == JSON else Output(media)
        version = clause.parameters.get("v", "")
        group = clause.parameters.get("g", "")
        if shape in _SHAPES and group == "meta.k8s.io" and version in ("v1", "v1beta1"):
            return Output(media, shape, version)
    if protobuf_only:
        return PLAIN
    raise status.not_acceptable(_OFFERED)
