"""Which ReplicaSet carries the Deployment's template, and the history that annotations keep.

Source: Kubernetes 1.36 `pkg/controller/deployment/util/deployment_util.go`. Names of ReplicaSets end in a hash
of the template; the hash is ours, since upstream's depends on Go's printing of structs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from podsysctl.controllers import ownership
from podsysctl.controllers.deployment import sizes
from podsysctl.controllers.scope import DEPLOYMENTS, REPLICA_SETS, Object, annotations_of
from podsysctl.objects import gotext
from podsysctl.objects.patch import tree

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    }
)
_HISTORY_LENGTH = 2000
_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Object, collisions: int) -> str:
    """Ten characters that a template and a collision count lead to."""
    digest = hashlib.sha256(f"{gotext.json_text(template)}/{collisions}".encode()).digest()
    return "".join(_SAFE[byte % len(_SAFE)] for byte in digest[:10])


def same_template(left: Object, right: Object) -> bool:
    """Whether two templates are one but for the hash label."""
    return bool(_without_hash(left) == _without_hash(right))


def _without_hash(template: Object) -> Object:
    metadata = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    metadata.pop("labels", None)
    metadata.pop("creationTimestamp", None)
    if labels:
        metadata["labels"] = labels
    return {**template, "metadata": metadata}


def oldest_first(sets: Iterable[Object]) -> list[Object]:
    """ReplicaSets by age."""
    return sorted(sets, key=lambda s: (s["metadata"].get("creationTimestamp", ""), s["metadata"]["name"]))


def find_new(deployment: Object, sets: Iterable[Object]) -> Object | None:
    """The oldest ReplicaSet with the Deployment's template."""
    template = deployment["spec"]["template"]
    return next((s for s in oldest_first(sets) if same_template(s["spec"].get("template") or {}, template)), None)


def revision_of(obj: Object) -> int:
    """The revision in an object's annotations; 0 without one."""
    text = annotations_of(obj).get(REVISION, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def next_revision(old_sets: Sequence[Object]) -> int:
    """One more than any of the old ones."""
    return max((revision_of(s) for s in old_sets), default=0) + 1


def annotate(deployment: Object, current: Mapping[str, str], revision: int, *, exists: bool) -> dict[str, str]:
    """The annotations of the new ReplicaSet: the Deployment's, its revision, and revisions it had before."""
    out = dict(current)
    for key, value in annotations_of(deployment).items():
        if key not in _NOT_COPIED:
            out[key] = value
    text = out.get(REVISION, "")
    before = int(text) if text.isascii() and text.isdigit() else 0
    if text and not before:
        return out
    if before < revision:
        out[REVISION] = str(revision)
        if text:
            out[REVISION_HISTORY] = _longer_history(out.get(REVISION_HISTORY, ""), text)
    if not exists:
        out.update(size_annotations(deployment))
    return out


def _longer_history(history: str, revision: str) -> str:
    entries = [entry for entry in history.split(",") if entry]
    while entries and len(",".join([*entries, revision])) > _HISTORY_LENGTH:
        entries.pop(0)
    return ",".join([*entries, revision])


def size_annotations(deployment: Object) -> dict[str, str]:
    """How many replicas were asked for when the ReplicaSet was last scaled, and how many were allowed."""
    desired = sizes.replicas(deployment)
    return {DESIRED_REPLICAS: str(desired), MAX_REPLICAS: str(desired + sizes.max_surge(deployment))}


def make_set(deployment: Object, revision: int, replicas: int) -> Object:
    """The ReplicaSet of a new template."""
    spec = deployment["spec"]
    digest = template_hash(spec["template"], int((deployment.get("status") or {}).get("collisionCount") or 0))
    template = tree.clone(spec["template"])
    metadata = template.setdefault("metadata", {})
    labels = metadata["labels"] = {**(metadata.get("labels") or {}), HASH_LABEL: digest}
    selector = tree.clone(spec.get("selector") or {})
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}
    made: Object = {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": REPLICA_SETS.kind,
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{digest}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": labels,
            "annotations": annotate(deployment, {}, revision, exists=False),
            "ownerReferences": [ownership.make_reference(DEPLOYMENTS, deployment)],
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    }
    if spec.get("minReadySeconds"):
        made["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    return made
