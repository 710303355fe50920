"""The mutating step for clusters whose scheduler is not ours: answers AdmissionReviews of new pods.

It follows the cluster's nodes and adds what `policy/preference.py` says. It never refuses a pod, and whatever it cannot
read it lets through unchanged. Form of requests and answers: `admission.k8s.io/v1`.
"""

from __future__ import annotations

import base64
import logging
import ssl
from typing import Any

import orjson
from aiohttp import web

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError
from podsysctl.client.informer import Informer
from podsysctl.policy import preference
from podsysctl.policy.node_facts import NodeFacts

log = logging.getLogger(__name__)

PATH = "/mutate"
API_VERSION = "admission.k8s.io/v1"

Object = dict[str, Any]


class PlacementWebhook:
    """The HTTPS endpoint; `nodes` must run beside it."""

    def __init__(self, nodes: Informer, context: ssl.SSLContext, *, address: str = "127.0.0.1", port: int = 0) -> None:
        self._nodes = nodes
        self._context = context
        self._facts: dict[str, tuple[str, NodeFacts]] = {}
        self._runner: web.AppRunner | None = None
        self.address = address
        self.port = port

    async def __aenter__(self) -> PlacementWebhook:
        app = web.Application(client_max_size=limits.REQUEST_BODY_BYTES)
        app.router.add_post(PATH, self._mutate)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.address, self.port, ssl_context=self._context).start()
        except OSError as error:
            await self._runner.cleanup()
            text = f"the webhook cannot listen on {self.address}:{self.port}: {error.strerror}"
            raise PodsysctlError(text, hint="stop what uses the port, or choose another with --port") from error
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready = self._nodes.synced.is_set()
        return web.Response(status=200 if ready else 503, text="ok" if ready else "nodes are not known yet")

    async def _mutate(self, request: web.Request) -> web.Response:
        try:
            review = orjson.loads(await request.read())
        except ValueError:
            return web.Response(status=400, text="the body is no JSON")
        asked = review.get("request") if isinstance(review, dict) else None
        if not isinstance(asked, dict) or not isinstance(asked.get("uid"), str):
            return web.Response(status=400, text="the body is no AdmissionReview")
        answer = {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": self.review(asked)}
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    def review(self, asked: Object) -> Object:
        """The response to one request: always allowed, with a patch for a new pod that nodes treat differently."""
        response: Object = {"uid": asked["uid"], "allowed": True}
        pod, resource = asked.get("object"), asked.get("resource")
        is_pod = isinstance(resource, dict) and (resource.get("group"), resource.get("resource")) == ("", "pods")
        if not is_pod or asked.get("operation") != "CREATE" or asked.get("subResource") or not isinstance(pod, dict):
            return response
        try:
            patch = preference.patch(pod, self._known())
        except (PodsysctlError, AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning("a pod is let through unread: %s", error)  # the server has checked no field of it yet
            return response
        if patch:
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(orjson.dumps(patch)).decode()}
        return response

    def _known(self) -> list[NodeFacts]:
        """What the nodes publish, read once for each version of a node."""
        fresh = {}
        for key, node in self._nodes.store.items():
            version = str(node["metadata"].get("resourceVersion"))
            held = self._facts.get(key)
            fresh[key] = held if held is not None and held[0] == version else (version, NodeFacts.from_node(node))
        self._facts = fresh
        return [facts for _, facts in fresh.values()]


def configuration(name: str, ca_pem: bytes, *, url: str = "", service: tuple[str, str] | None = None) -> Object:
    """The MutatingWebhookConfiguration that makes an API server ask; a webhook that does not answer is passed over."""
    client: Object = {"caBundle": base64.b64encode(ca_pem).decode()}
    if service is not None:
        client["service"] = {"namespace": service[0], "name": service[1], "path": PATH}
    else:
        client["url"] = url
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "placement.podsysctl.dev",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Ignore",
                "timeoutSeconds": 2,
                "clientConfig": client,
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            }
        ],
    }
