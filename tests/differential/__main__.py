"""Posts the same random pods to two API servers and prints where the answers differ.

    python -m tests.differential --ours KUBECONFIG --peer KUBECONFIG [--count 500] [--seed 1] [--show 20]

Compared per pod, in namespaces of several Pod Security policies, with dryRun=All: status code, reason, message,
details and Warning headers of a refusal; for an accepted pod the Warning headers and the whole stored object but
for what is random (uid, times, managedFields). Exit 0 when every answer is the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections import Counter
from typing import Any

import aiohttp

from podsysctl.client import config, tls
from tests.differential.dice import Dice
from tests.differential.random_pods import random_pod
from tests.differential.random_warnings import warned_pod

POLICIES: tuple[dict[str, str], ...] = (
    {},
    {"enforce": "baseline"},
    {"enforce": "restricted"},
    {"warn": "restricted", "warn-version": "v1.24"},
    {"enforce": "baseline", "enforce-version": "v1.20", "warn": "restricted", "warn-version": "v1.31"},
    {"enforce": "privileged", "warn": "baseline", "warn-version": "v1.33"},
)
RANDOM_ORDERS = 8
"""How often the other server is asked again before its answer counts as another one."""
VOLATILE = ("uid", "creationTimestamp", "managedFields", "resourceVersion", "selfLink")


class Server:
    """One API server, reached with a kubeconfig."""

    def __init__(self, kubeconfig: str) -> None:
        self.config = config.load(kubeconfig)

    async def open(self) -> None:
        """Connect."""
        headers = {"Authorization": f"Bearer {self.config.token}"} if self.config.token else {}
        self.session = aiohttp.ClientSession(
            self.config.server,
            headers=headers,
            connector=aiohttp.TCPConnector(ssl=tls.create_context(self.config) or True),
        )

    async def post(self, path: str, body: Any) -> tuple[int, dict[str, Any], list[str]]:
        """Send JSON; returns code, body and Warning texts."""
        async with self.session.post(path, json=body) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers.getall("Warning", [])

    async def namespace(self, name: str, labels: dict[str, str]) -> None:
        """Make a namespace with Pod Security labels; one that is there already will do."""
        metadata = {
            "name": name,
            # A plain Kubernetes has no SecurityContextConstraints, so ours must leave this namespace alone.
            "labels": {
                "security.openshift.io/disable-securitycontextconstraints": "true",
                **{f"pod-security.kubernetes.io/{k}": v for k, v in labels.items()},
            },
        }
        await self._create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await self._create(f"/api/v1/namespaces/{name}/serviceaccounts", account)

    async def _create(self, path: str, body: dict[str, Any]) -> None:
        code, answer, _ = await self.post(path, body)
        if code not in (201, 409):
            raise SystemExit(f"{path}: {answer}")


def comparable(code: int, body: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    """What must be equal of one answer."""
    if code >= 400:
        status = {key: body.get(key) for key in ("reason", "message", "details")}
        return {"code": code, "status": status, "warnings": warnings}
    for key in VOLATILE:
        body.get("metadata", {}).pop(key, None)
    for volume in body.get("spec", {}).get("volumes") or ():
        # OpenShift's build of the API server adds a source of its own to the token volume.
        sources = (volume.get("projected") or {}).get("sources") or []
        sources[:] = [s for s in sources if (s.get("configMap") or {}).get("name") != "openshift-service-ca.crt"]
    named = json.loads(re.sub(r"kube-api-access-[a-z0-9]{5}", "kube-api-access", json.dumps(body)))
    return {"code": code, "object": named, "warnings": warnings}


def first_difference(a: Any, b: Any, path: str = "") -> str:
    """The path of the first place where two values differ, for counting."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            if a.get(key) != b.get(key):
                return first_difference(a.get(key), b.get(key), f"{path}.{key}")
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for x, y in zip(a, b, strict=True):
            if x != y:
                return first_difference(x, y, f"{path}[]")
    return path


async def compare(ours: Server, peer: Server, count: int, seed: int, show: int) -> int:
    """Run the comparison; returns the number of differing answers."""
    await asyncio.gather(ours.open(), peer.open())
    names = [f"differential-{index}" for index in range(len(POLICIES))]
    for name, labels in zip(names, POLICIES, strict=True):
        await asyncio.gather(ours.namespace(name, labels), peer.namespace(name, labels))
    rng = Dice(seed)
    places: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    for index in range(count):
        pod = (warned_pod if index % 4 == 3 else random_pod)(rng, f"p{index}")
        path = f"/api/v1/namespaces/{rng.choice(names)}/pods?dryRun=All&fieldValidation=Strict"
        mine, theirs = await asyncio.gather(ours.post(path, pod), peer.post(path, pod))
        a, b = comparable(*mine), comparable(*theirs)
        codes[b["code"]] += 1
        for _ in range(RANDOM_ORDERS):
            if a == b:
                break
            b = comparable(*await peer.post(path, pod))  # some of its errors come in the random order of a Go map
        if a == b:
            continue
        place = f"{b['code']}/{a['code']} {first_difference(a, b)}"
        places[place] += 1
        if sum(places.values()) <= show:
            print(f"--- {path} {place}\n{json.dumps(pod)}\nours: {json.dumps(a)}\npeer: {json.dumps(b)}\n")
    await asyncio.gather(ours.session.close(), peer.session.close())
    print(f"{count} pods, peer's codes {dict(codes)}, {sum(places.values())} answers differ")
    for place, number in places.most_common():
        print(f"  {number:6} {place}")
    return sum(places.values())


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--ours", required=True, help="kubeconfig of our server")
    parser.add_argument("--peer", required=True, help="kubeconfig of the other server")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=20, help="differences printed whole")
    args = parser.parse_args()
    return 1 if asyncio.run(compare(Server(args.ours), Server(args.peer), args.count, args.seed, args.show)) else 0


if __name__ == "__main__":
    sys.exit(main())
