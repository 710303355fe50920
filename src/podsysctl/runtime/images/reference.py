"""What an image name means: registry, repository, tag and digest.

The rules are those of docker's reference grammar, which Kubernetes and containerd share
(distribution/reference `normalize.go`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from podsysctl.base.errors import UsageError

DEFAULT_REGISTRY = "docker.io"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"
REFERENCE_BYTES = 255
"""Longest registry and repository together (NameTotalLengthMax)."""

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?P<path>(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A full image name. At least one of `tag` and `digest` is set."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"


def parse_reference(text: str) -> Reference:
    """Read an image name as a pod or a user writes it. Raises UsageError.

    >>> str(parse_reference("centos")), str(parse_reference("localhost/podsysctl/toolbox"))
    ('docker.io/library/centos:latest', 'localhost/podsysctl/toolbox:latest')
    >>> str(parse_reference("quay.io/a/b:1")), str(parse_reference("me/tools"))
    ('quay.io/a/b:1', 'docker.io/me/tools:latest')
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"image {text!r} is not an image name",
            hint="names are [REGISTRY/]REPOSITORY[:TAG][@DIGEST], the repository in lower case",
        )
    registry, slash, repository = match["path"].partition("/")
    if not slash or not _names_a_registry(registry):
        registry, repository = DEFAULT_REGISTRY, match["path"]
    if registry == f"index.{DEFAULT_REGISTRY}":
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"{DEFAULT_NAMESPACE}/{repository}"
    if len(registry) + 1 + len(repository) > REFERENCE_BYTES:
        raise UsageError(f"image name {text[:40]!r}... is longer than {REFERENCE_BYTES} bytes")
    digest = match["digest"] or ""
    tag = match["tag"] or ("" if digest else DEFAULT_TAG)
    return Reference(registry, repository, tag, digest)


def _names_a_registry(part: str) -> bool:
    return "." in part or ":" in part or part == "localhost" or part.lower() != part
