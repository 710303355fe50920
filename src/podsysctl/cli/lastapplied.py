"""The annotation in which client-side apply remembers what a file said (kubectl pkg/util/apply.go, v1.36)."""

from __future__ import annotations

from typing import Any

import orjson

from podsysctl.base.errors import PodsysctlError
from podsysctl.client.rest import Object
from podsysctl.objects import gotext

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's own, so that both programs can take turns on one object."""


def with_annotation(obj: Object) -> Object:
    """A copy of the object that carries itself, as text, in the annotation."""
    metadata = dict(obj.get("metadata") or {})
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != ANNOTATION}
    plain = {**obj, "metadata": {**metadata, "annotations": annotations}}
    text = gotext.json_text(plain) + "\n"
    return {**obj, "metadata": {**metadata, "annotations": {**annotations, ANNOTATION: text}}}


def read(obj: Object) -> Object | None:
    """What was applied last; None when the object has no annotation. Raises PodsysctlError for other text."""
    text = ((obj.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    if not text:
        return None
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise PodsysctlError(
            f"annotation {ANNOTATION} of {obj['metadata'].get('name')} is not JSON: {error}"
        ) from error
    return value if isinstance(value, dict) else None


def without_nulls(value: Any) -> Any:
    """The value without null members, as a patch of the same text would leave it."""
    if isinstance(value, dict):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(member) for member in value]
    return value
