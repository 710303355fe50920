"""The Tuned that is always there, so that every node has a profile.

A machine that only runs a cluster keeps its own values: the profile for every node is `machine-defaults`, which sets
nothing. With OpenShift's profiles the rules are those of OpenShift's default Tuned. Its wrapper profile `openshift`,
which includes the profile of a cloud provider, is left out, since there is no provider here.
"""

from __future__ import annotations

from typing import Any

from podsysctl.objects import tuning

Object = dict[str, Any]

CONTROL_PLANE_PRIORITY, NODE_PRIORITY = 30, 40
_DATA = "[main]\nsummary=Leave every kernel parameter of the machine as it is\n"


def default_tuned(openshift_profiles: bool) -> Object:
    """The object as it must be, but for its managementState, which is the administrator's."""
    if openshift_profiles:
        roles = [{"label": f"node-role.kubernetes.io/{role}"} for role in ("control-plane", "infra")]
        recommend: list[Object] = [
            {"profile": "openshift-control-plane", "priority": CONTROL_PLANE_PRIORITY, "match": roles},
            {"profile": "openshift-node", "priority": NODE_PRIORITY},
        ]
    else:
        recommend = [{"profile": tuning.MACHINE_DEFAULTS, "priority": NODE_PRIORITY}]
    return {
        "apiVersion": tuning.TUNED.api_version,
        "kind": tuning.TUNED.kind,
        "metadata": {"name": tuning.DEFAULT, "namespace": tuning.NAMESPACE},
        "spec": {"profile": [{"name": tuning.MACHINE_DEFAULTS, "data": _DATA}], "recommend": recommend},
    }


def repair(current: Object, wanted: Object) -> Object | None:
    """The merge patch that brings back profiles and rules; None when nobody changed them."""
    spec = current.get("spec") or {}
    patch = {key: wanted["spec"][key] for key in ("profile", "recommend") if spec.get(key) != wanted["spec"][key]}
    return {"spec": patch} if patch else None
