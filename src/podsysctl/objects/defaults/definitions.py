"""Defaults of CustomResourceDefinitions (apiextensions-apiserver pkg/apis/apiextensions/v1/defaults.go)."""

from __future__ import annotations

from typing import Any

from podsysctl.objects.defaults.fill import child, fill, items


def default_definition(definition: dict[str, Any]) -> None:
    """Names left out, no conversion, and the first storage version as the stored one."""
    spec = child(definition, "spec")
    names = child(spec, "names")
    fill(names, "singular", names.get("kind", "").lower())
    if names.get("kind"):
        fill(names, "listKind", f"{names['kind']}List")
    if spec.get("conversion") is None:
        spec["conversion"] = {"strategy": "None"}
    service = ((spec["conversion"].get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        fill(service, "port", 443)
    status = child(definition, "status")
    if not status.get("storedVersions"):
        stored = [version["name"] for version in items(spec, "versions") if version.get("storage")]
        if stored:
            status["storedVersions"] = stored[:1]
