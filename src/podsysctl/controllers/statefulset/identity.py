"""What makes a pod the one of its number: names, labels, revision.

Source: Kubernetes 1.36 `pkg/controller/statefulset/stateful_set_utils.go`.
"""

from __future__ import annotations

from podsysctl.controllers.history import HASH_LABEL, template_of
from podsysctl.controllers.podcontrol import from_template
from podsysctl.controllers.scope import STATEFUL_SETS, Object, labels_of

NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"


def replicas(owner: Object) -> int:
    """How many pods the set is to have."""
    value = owner["spec"].get("replicas")
    return 1 if value is None else int(value)


def first_ordinal(owner: Object) -> int:
    """The number of the first pod."""
    return int((owner["spec"].get("ordinals") or {}).get("start") or 0)


def ordinal(owner: Object, pod: Object) -> int | None:
    """A pod's number; None for one whose name is not the set's."""
    parent, dash, number = pod["metadata"]["name"].rpartition("-")
    if dash and parent == owner["metadata"]["name"] and number.isascii() and number.isdigit():
        return int(number)
    return None


def revision_of(pod: Object) -> str:
    """The name of the revision a pod was made of."""
    return str(labels_of(pod).get(HASH_LABEL, ""))


def labels_for(name: str, number: int) -> dict[str, str]:
    """The labels of a number."""
    return {NAME_LABEL: name, INDEX_LABEL: str(number)}


def new_pod(owner: Object, revision: Object, number: int) -> Object:
    """The pod of a number as a revision has it."""
    pod = from_template(template_of(revision), STATEFUL_SETS, owner)
    metadata, spec = pod["metadata"], pod["spec"]
    metadata.pop("generateName")
    name = metadata["name"] = f"{owner['metadata']['name']}-{number}"
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        **labels_for(name, number),
        HASH_LABEL: revision["metadata"]["name"],
    }
    spec["hostname"] = name
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    return pod
