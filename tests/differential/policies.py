"""Compares two API servers where Pod Security judges more than new pods, and prints where the answers differ.

    python -m tests.differential.policies --ours KUBECONFIG --peer KUBECONFIG [--count 300] [--seed 1] [--show 5]

Namespaces with right and wrong labels; workloads; label changes over pods that are there, with the warnings about them;
updates of pods and ephemeral containers. Namespaces always say what to warn about and audit, and our server must run
with the platform `kubernetes`: OpenShift judges workloads as constraints would complete them. Exit 0 when every answer
is the same.
"""

from __future__ import annotations

import asyncio
import copy
import json
import sys
import time
from typing import Any

from tests.differential import command
from tests.differential.__main__ import Server
from tests.differential.dice import Dice
from tests.differential.random_pods import random_pod
from tests.differential.random_warnings import warned_pod

PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
LEVELS = ("privileged", "baseline", "restricted")
BAD_LEVELS = ("x", "", "Baseline", "a b")
VERSIONS = ("latest", *(f"v1.{minor}" for minor in range(41)))
BAD_VERSIONS = ("1.24", "v1", "v1.01", "v2.0", "", "LATEST", "v1.99999999999999999999")
WORKLOADS = (
    ("apps/v1", "deployments", "Deployment"),
    ("apps/v1", "replicasets", "ReplicaSet"),
    ("apps/v1", "daemonsets", "DaemonSet"),
    ("apps/v1", "statefulsets", "StatefulSet"),
    ("batch/v1", "jobs", "Job"),
    ("batch/v1", "cronjobs", "CronJob"),
)
LAGS = 8
"""How often the other server is asked again before its answer counts as another one."""
STRICT_CONTEXT = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"

Object = dict[str, Any]


class Pair(command.Servers):
    """Sends the same request to both."""

    async def send(self, method: str, path: str, body: Object, kind: str = "application/json") -> Object | None:
        """The same request to both; the peer's answer when it was accepted."""
        mine, theirs = await asyncio.gather(
            _answer(self.ours, method, path, copy.deepcopy(body), kind),
            _answer(self.peer, method, path, copy.deepcopy(body), kind),
        )
        for _ in range(LAGS if theirs[0] >= 400 or "dryRun" in path else 0):
            if _comparable(mine) == _comparable(theirs):
                break
            # The other server's list of pods follows its store by a moment, and some errors come in random order.
            await asyncio.sleep(0.1)
            theirs = await _answer(self.peer, method, path, copy.deepcopy(body), kind)
        self.codes[theirs[0]] += 1
        if _comparable(mine) != _comparable(theirs):
            self.differences[f"{method} {path.partition('?')[0].rpartition('/')[2]}"] += 1
            if self.differences.total() <= self.show:
                shown = (json.dumps(_comparable(answer)) for answer in (mine, theirs))
                print(f"--- {method} {path}\n{json.dumps(body)}\nours: %s\npeer: %s\n" % tuple(shown))
        return theirs[1] if theirs[0] < 400 else None

    async def create_namespace(self, name: str, labels: dict[str, str]) -> None:
        """Make a namespace and its service account on both."""
        short = {key.removeprefix(PREFIX): value for key, value in labels.items()}
        await asyncio.gather(self.ours.namespace(name, short), self.peer.namespace(name, short))


async def _answer(server: Server, method: str, path: str, body: Object, kind: str) -> tuple[int, Object, list[str]]:
    async with server.session.request(method, path, json=body, headers={"Content-Type": kind}) as reply:
        return reply.status, await reply.json(content_type=None), reply.headers.getall("Warning", [])


def _comparable(answer: tuple[int, Object, list[str]]) -> Object:
    code, body, warnings = answer
    warnings = [text for text in warnings if "no controller runs CronJobs here" not in text]  # ours alone
    refused = {key: body.get(key) for key in ("reason", "message", "details")} if code >= 400 else {}
    return {"code": code, "warnings": warnings, **refused}


def random_labels(dice: Dice) -> dict[str, str]:
    """Pod Security labels, wrong ones at the dice's rate; warn and audit are always there."""
    out = {f"{PREFIX}{mode}": "restricted" for mode in ("audit", "warn")}
    for mode in MODES:
        if dice.random() < 0.6:
            out[f"{PREFIX}{mode}"] = dice.pick(LEVELS, BAD_LEVELS)
        if dice.random() < 0.5:
            out[f"{PREFIX}{mode}-version"] = dice.pick(VERSIONS, BAD_VERSIONS)
    return out


def namespace(name: str, labels: dict[str, str]) -> Object:
    """A namespace that constraints leave alone."""
    labels = {"security.openshift.io/disable-securitycontextconstraints": "true", **labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def workload(dice: Dice, index: int) -> tuple[str, Object]:
    """The path's end and an object of some kind around a random pod."""
    api_version, plural, kind = dice.choice(WORKLOADS)
    pod = (warned_pod if dice.random() < 0.25 else random_pod)(dice, "x")
    metadata = {**pod["metadata"], "labels": {"app": "x"}}
    metadata.pop("name")
    template = {"metadata": metadata, "spec": pod["spec"]}
    spec: Object = {"selector": {"matchLabels": {"app": "x"}}, "template": template}
    if kind in ("Job", "CronJob"):
        pod["spec"]["restartPolicy"] = "Never"
        spec = {"template": template}
    if kind == "CronJob":
        spec = {"schedule": "* * * * *", "jobTemplate": {"spec": spec}}
    if kind == "StatefulSet":
        spec["serviceName"] = "s"
    named = {"apiVersion": api_version, "kind": kind, "metadata": {"name": f"w{index}"}, "spec": spec}
    return f"/apis/{api_version}/namespaces/{{}}/{plural}?dryRun=All", named


async def compare(pair: Pair, dice: Dice, count: int) -> None:
    """All comparisons."""
    tag = f"policies-{int(time.time())}"
    dice.wrong = 0.2
    for index in range(count):
        await pair.send("POST", "/api/v1/namespaces?dryRun=All", namespace(f"{tag}-x{index}", random_labels(dice)))
    dice.wrong = 0.0
    names = [f"{tag}-w{index}" for index in range(4)]
    for name in names:
        await pair.create_namespace(name, random_labels(dice))
    for index in range(count):
        path, obj = workload(dice, index)
        await pair.send("POST", path.format(dice.choice(names)), obj)
    await _existing_pods(pair, dice, f"{tag}-pods", max(count // 10, 5))


async def _existing_pods(pair: Pair, dice: Dice, name: str, count: int) -> None:
    """Pods that are really created, and label changes and updates over them."""
    await pair.create_namespace(name, {f"{PREFIX}warn": "privileged"})
    made: list[Object] = []
    for index in range(count * 20):
        pod = random_pod(dice, f"p{index}")
        if dice.random() < 0.4:
            owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": dice.choice("ab")}
            pod["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
        stored = await pair.send("POST", f"/api/v1/namespaces/{name}/pods", pod)
        if stored is not None:
            made.append(stored)
            unset = {f"{PREFIX}{mode}{end}": None for mode in MODES for end in ("", "-version")}
            patch = {"metadata": {"labels": {**unset, **random_labels(dice)}}}
            await pair.send("PATCH", f"/api/v1/namespaces/{name}?dryRun=All", patch, MERGE)
        if len(made) == count:
            break
    for pod in made:
        labels = {f"{PREFIX}enforce": dice.choice(LEVELS), f"{PREFIX}enforce-version": dice.choice(VERSIONS)}
        await pair.send("PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": labels}}, MERGE)
        path = f"/api/v1/namespaces/{name}/pods/{pod['metadata']['name']}"
        first = pod["spec"]["containers"][0]["name"]
        for change in (
            {"metadata": {"labels": {"z": "1"}}},
            {"spec": {"containers": [{"name": first, "image": "new:1"}]}},
            {"spec": {"activeDeadlineSeconds": 5}},
        ):
            await pair.send("PATCH", f"{path}?dryRun=All", change, STRATEGIC)
        for context in ({}, {"privileged": True}, STRICT_CONTEXT):
            container = {"name": "debug", "image": "i", "securityContext": context}
            body = {"spec": {"ephemeralContainers": [container]}}
            await pair.send("PATCH", f"{path}/ephemeralcontainers?dryRun=All", body, STRATEGIC)


if __name__ == "__main__":
    sys.exit(command.main("policies", __doc__, Pair, compare, count=300))
