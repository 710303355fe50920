"""Service account tokens for projected volumes, asked of the API and renewed before they end."""

from __future__ import annotations

from dataclasses import dataclass

from podsysctl.base.clock import Clock, parse_time
from podsysctl.client.rest import Client
from podsysctl.node import pod as pods

RENEW_PART = 0.8
"""Part of its life after which a token is renewed (pkg/kubelet/token)."""

RENEW_AFTER_S = 24 * 3600
"""Age at which a token is renewed however long it lives."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at_s: float


class Tokens:
    """Tokens in memory only; after a restart they are asked for again."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, str, int], _Token] = {}

    async def get(self, pod: pods.Pod, audience: str, expiration_s: int) -> str:
        """A token of the pod's service account, bound to the pod. Raises StatusError, ConnectionFailedError."""
        key = (pods.uid(pod), audience, expiration_s)
        known = self._known.get(key)
        if known is not None and self._clock.monotonic_s() < known.renew_at_s:
            return known.text
        spec = {
            "audiences": [audience] if audience else [],
            "expirationSeconds": expiration_s,
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": pods.name(pod), "uid": pods.uid(pod)},
        }
        account = pods.spec(pod).get("serviceAccountName") or "default"
        path = f"/api/v1/namespaces/{pods.namespace(pod)}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self._client.request("POST", path, body=body)
        status = answer["status"]
        life_s = (parse_time(status["expirationTimestamp"]) - self._clock.now()).total_seconds()
        renew_s = min(life_s * RENEW_PART, RENEW_AFTER_S)
        self._known[key] = _Token(status["token"], self._clock.monotonic_s() + renew_s)
        return str(status["token"])

    def forget(self, uid: str) -> None:
        """Drop the tokens of a pod that is gone."""
        self._known = {key: token for key, token in self._known.items() if key[0] != uid}
