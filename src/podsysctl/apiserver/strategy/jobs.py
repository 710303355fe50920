"""Jobs: the selector and labels that tie a job to its pods, made when the client leaves them to the server.

Source: Kubernetes 1.36 `pkg/registry/batch/job/strategy.go` (generateSelector).
"""

from __future__ import annotations

from podsysctl.apiserver.strategy.base import Object, Warn

UID_LABEL, NAME_LABEL = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
_OLD_UID_LABEL, _OLD_NAME_LABEL = "controller-uid", "job-name"


def prepare_create(obj: Object, warn: Warn) -> None:
    """A new job: first generation, no status, its own selector."""
    obj["metadata"]["generation"] = 1
    obj.pop("status", None)
    spec = obj.get("spec")
    if isinstance(spec, dict) and not spec.get("manualSelector"):
        _generate_selector(spec, obj["metadata"])


def _generate_selector(spec: Object, metadata: Object) -> None:
    """Labels that a client set itself are left for validation to judge."""
    template = spec.setdefault("template", {})
    inner = template["metadata"] = dict(template.get("metadata") or {})
    labels = inner["labels"] = dict(inner.get("labels") or {})
    if any(label in labels for label in (UID_LABEL, _OLD_UID_LABEL, NAME_LABEL, _OLD_NAME_LABEL)):
        return
    name, uid = metadata.get("name") or "", metadata["uid"]
    labels.update({NAME_LABEL: name, _OLD_NAME_LABEL: name, UID_LABEL: uid, _OLD_UID_LABEL: uid})
    selector = spec["selector"] = dict(spec.get("selector") or {})
    selector["matchLabels"] = {UID_LABEL: uid, **(selector.get("matchLabels") or {})}
