"""ServiceAccount: every pod has an account, and its containers the account's token.

The token is a projected volume, as upstream's plugin adds it: a bound token, the cluster's CA certificate and
the namespace. Source: Kubernetes 1.36 `plugin/pkg/admission/serviceaccount/admission.go`.
"""

from __future__ import annotations

import random
from typing import Any

from podsysctl.apiserver.admission.request import CREATE, AdmissionRequest
from podsysctl.objects.quote import quote

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_VOLUME_PREFIX = "kube-api-access-"
_TOKEN_SECONDS = 60 * 60 + 7
_MIRROR = "kubernetes.io/config.mirror"
_CHARS = "bcdfghjklmnpqrstvwxz2456789"


class ServiceAccount:
    """Names the account and mounts its token."""

    name = "ServiceAccount"

    async def mutate(self, request: AdmissionRequest) -> None:
        """Default the account and add the token volume."""
        if not request.is_for("", "pods") or request.operation != CREATE or request.object is None:
            return
        spec = request.object.get("spec")
        if not isinstance(spec, dict) or _MIRROR in ((request.object.get("metadata") or {}).get("annotations") or {}):
            return
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = name
        spec["serviceAccount"] = name
        account = request.find("", "serviceaccounts", request.namespace, name)
        if account is None:
            subject = f"error looking up service account {request.namespace}/{name}"
            raise request.forbidden(f"{subject}: serviceaccount {quote(name)} not found")
        if _wants_token(account, spec):
            _mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(secret) for secret in account["imagePullSecrets"]]

    async def validate(self, request: AdmissionRequest) -> None:
        """Nothing more: what was added is what upstream demands."""


def _wants_token(account: dict[str, Any], spec: dict[str, Any]) -> bool:
    for holder in (spec, account):
        wanted = holder.get("automountServiceAccountToken")
        if wanted is not None:
            return bool(wanted)
    return True


def _mount_token(spec: dict[str, Any]) -> None:
    volumes = spec.get("volumes") or []
    name = next((v["name"] for v in volumes if str(v.get("name", "")).startswith(_VOLUME_PREFIX)), "")
    fresh = not name
    if fresh:
        name = _VOLUME_PREFIX + "".join(random.choices(_CHARS, k=5))
    needed = False
    for key in ("initContainers", "containers"):
        for container in spec.get(key) or ():
            mounts = container.get("volumeMounts") or []
            if any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
                continue
            needed = True
            container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}]
    if needed and fresh:
        spec["volumes"] = [*volumes, {"name": name, "projected": _projection()}]


def _projection() -> dict[str, Any]:
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
        ],
        "defaultMode": 420,
    }
