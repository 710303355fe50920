"""The lists of allowed sysctls in kubelet configurations, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podsysctl.policy.lint.context import Context
from podsysctl.policy.lint.document import Document, Kind, Path

_FIELD = "allowedUnsafeSysctls"


def configuration_path(document: Document) -> Path:
    """Where the kubelet's fields stand: below spec.kubeletConfig of OpenShift's object, or at the top."""
    return ("spec", "kubeletConfig") if document.kind is Kind.KUBELET_CONFIG else ()


def kubelet_lists(context: Context) -> Iterator[tuple[Document, Path, list[Any]]]:
    """Each document that has a list, the path to it, and its entries, which may be of any type."""
    for document in context.of_kind(Kind.KUBELET_CONFIG, Kind.KUBELET_FILE):
        path: Path = (*configuration_path(document), _FIELD)
        entries = document.get(*path)
        if isinstance(entries, list):
            yield document, path, entries
