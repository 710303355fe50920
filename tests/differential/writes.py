"""Compares how two API servers take changes of pods, and prints where the answers differ.

    python -m tests.differential.writes --ours KUBECONFIG --peer KUBECONFIG [--count 300] [--seed 1] [--show 5]

Pods made by server-side apply, with every fieldValidation and with fields of the wrong type; then changes of stored
pods by PUT, by every kind of patch and through subresources, as dry runs. Compared are codes, reasons, messages,
causes, warnings and the whole objects, managed fields included but for their times. Our server must run with the
platform `kubernetes`. Exit 0 when every answer is the same.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from typing import Any

from tests.differential import command
from tests.differential.__main__ import Server, comparable, first_difference
from tests.differential.dice import Dice, Object
from tests.differential.random_pods import random_pod

JSON, MERGE, STRATEGIC, JSON_PATCH, APPLY = (
    "application/json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
REPEATS = 6
"""How often the other server is asked again before its answer counts as another one."""
WRONG_VALUES = (1, 1.5, True, None, "x", [], {}, [1], {"a": 1}, -1, 2**40, "", ["x"], [None], {"name": None})


class Pair(command.Servers):
    """Sends the same request to both."""

    async def send(self, what: str, method: str, path: str, bodies: tuple[Any, Any], media: str = JSON) -> list[Object]:
        """The same request to both, each with its own body; both answers."""
        raw = [await _ask(server, method, path, body, media) for server, body in zip(self.both, bodies, strict=True)]
        mine, theirs = (_tidy(*answer) for answer in copy.deepcopy(raw))
        for _ in range(REPEATS):
            if mine == theirs or theirs["code"] < 400:
                break
            theirs = _tidy(*await _ask(self.peer, method, path, bodies[1], media))
        self.codes[theirs["code"]] += 1
        if mine != theirs:
            place = f"{what} {theirs['code']}/{mine['code']} {first_difference(mine, theirs)}"
            self.differences[place] += 1
            if self.differences[place] <= 3 and len(self.differences) <= self.show:
                print(f"--- {method} {path} {place}\n{json.dumps(bodies[0])}")
                print(f"ours: {json.dumps(mine)}\npeer: {json.dumps(theirs)}\n")
        return [answer[1] for answer in raw]


async def _ask(server: Server, method: str, path: str, body: Any, media: str) -> tuple[int, Object, list[str]]:
    async with server.session.request(method, path, data=json.dumps(body), headers={"Content-Type": media}) as reply:
        return reply.status, await reply.json(content_type=None), reply.headers.getall("Warning", [])


def _tidy(code: int, body: Object, warnings: list[str]) -> Object:
    managed = body.get("metadata", {}).get("managedFields") or []
    fields = [{key: value for key, value in entry.items() if key != "time"} for entry in managed]
    answer = comparable(code, body, warnings)
    listed = answer.get("status", {}).get("message", "").split(" errors:\n")
    if len(listed) == 2:  # of a typed patch, in the order of a Go map
        answer["status"]["message"] = [listed[0], *sorted(listed[1].split("\n"))]
    if code < 400:
        answer["object"]["metadata"]["managedFields"] = fields
    return answer


def spoil(dice: Dice, value: Any) -> Any:
    """The value with one place of it replaced by something of another type, or an unknown field added."""
    out = copy.deepcopy(value)
    spots: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key, below in list(node.items()) if isinstance(node, dict) else list(enumerate(node)):
            spots.append((node, key))
            if isinstance(below, dict | list):
                walk(below)

    walk(out["spec"])
    node, key = dice.choice(spots)
    if isinstance(node, dict) and dice.random() < 0.4:
        node["unknown" if dice.random() < 0.7 else key.upper()] = 1
    else:
        node[key] = dice.choice(WRONG_VALUES)
    return out


def changed(dice: Dice, stored: Object, other: Object) -> Object:
    """The stored pod with some fields of another one."""
    out = copy.deepcopy(stored)
    for key in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
        out["metadata"].pop(key, None)
    for key in dice.sample(sorted(other["spec"]), min(dice.choice([0, 1, 1, 2]), len(other["spec"]))):
        out["spec"][key] = copy.deepcopy(other["spec"][key])
    choice = dice.random()
    if choice < 0.15:
        out["spec"]["containers"][0]["image"] = "other:1"
    elif choice < 0.25:
        out["spec"].setdefault("tolerations", []).append({"key": "new", "operator": "Exists", "tolerationSeconds": 5,
                                                          "effect": "NoExecute"})  # fmt: skip
    elif choice < 0.35:
        out["metadata"]["labels"] = {"l": dice.choice(["v", "bad value!"])}
    elif choice < 0.4:
        out["spec"]["containers"].append({"name": "more", "image": "i"})
    elif choice < 0.5:
        out["spec"].setdefault("securityContext", {})["sysctls"] = [{"name": "kernel.sem", "value": "1"}]
    elif choice < 0.55:
        out["spec"]["terminationGracePeriodSeconds"] = dice.choice([1, 5, -1])
    elif choice < 0.6:
        out["spec"]["nodeSelector"] = {"more": "x"}
        out["spec"].pop("schedulingGates", None)
    return out


def json_patch(dice: Dice, pod: Object) -> list[Object]:
    """A few operations, not all of which fit."""
    values: dict[str, list[Any]] = {
        "/spec/activeDeadlineSeconds": [5, -1],
        "/metadata/labels": [{"a": "b"}, None, {"a b": "c"}],
        "/spec/containers/0/image": ["i:2", ""],
        "/spec/securityContext/sysctls/0/value": ["7"],
        "/spec/tolerations/-": [{"key": "k", "operator": "Exists"}, {"operator": "Bogus"}],
        "/spec/containers/7": [{"name": "x", "image": "i"}],
        "/spec/gone/x": [1],
        "/metadata/name": ["x"],
    }
    paths = [dice.choice(sorted(values)) for _ in range(dice.randint(1, 2))]
    operation = ["add", "add", "replace", "test", "remove"]
    return [{"op": dice.choice(operation), "path": path, "value": dice.choice(values[path])} for path in paths]


def without_empty_lists(pod: Object) -> Object:
    """The pod without lists that are there and empty, which ours takes for absent (docs/compatibility.md)."""
    security = pod["spec"].get("securityContext", {})
    if security.get("sysctls") == []:
        del security["sysctls"]
    return pod


async def compare(pair: Pair, dice: Dice, count: int) -> None:
    """All comparisons, in a namespace of their own."""
    name = f"writes-{int(time.time())}"
    for server in pair.both:
        await server.namespace(name, {"warn": "baseline"})
    pods = f"/api/v1/namespaces/{name}/pods"
    stored: list[list[Object]] = []
    for index in range(count):
        pod = without_empty_lists(random_pod(dice, f"p{index}"))
        pod["metadata"].pop("generateName", None)
        pod["spec"].pop("runtimeClassName", None)
        pod["spec"]["automountServiceAccountToken"] = False  # the volume's name is random
        mode = dice.choice(["Strict", "Warn", "Ignore"])
        spoiled = spoil(dice, pod)
        await pair.send("spoiled", "POST", f"{pods}?dryRun=All&fieldValidation={mode}", (spoiled, spoiled))
        query = f"dryRun=All&fieldManager=m&fieldValidation={mode}"
        for what, body in (("apply", pod), ("apply spoiled", spoiled)):
            await pair.send(what, "PATCH", f"{pods}/{pod['metadata']['name']}?{query}", (body, body), APPLY)
        if index % 3 == 0:
            path = f"{pods}/{pod['metadata']['name']}?fieldManager=m"
            made = await pair.send("apply", "PATCH", path, (pod, pod), APPLY)
            if all(answer.get("kind") == "Pod" for answer in made):
                stored.append(made)
    for both in stored:
        await change(pair, dice, pods, both)


async def change(pair: Pair, dice: Dice, pods: str, both: list[Object]) -> None:
    """Changes of one stored pod."""
    path = f"{pods}/{both[0]['metadata']['name']}"
    dry = "dryRun=All&fieldManager=other"
    for _ in range(4):
        other, seed = without_empty_lists(random_pod(dice, "x")), dice.random()
        bodies = [changed(Dice(seed), pod, other) for pod in both]
        await pair.send("put", "PUT", f"{path}?{dry}", (bodies[0], bodies[1]))
    spec = without_empty_lists(random_pod(dice, "x"))["spec"]
    part = {key: spec[key] for key in dice.sample(sorted(spec), min(2, len(spec)))}
    for media in (MERGE, STRATEGIC):
        body = {"metadata": {"annotations": {"a": "b", "gone": None}}, "spec": part}
        await pair.send("patch", "PATCH", f"{path}?{dry}", (body, body), media)
    operations = json_patch(dice, both[0])
    await pair.send("json patch", "PATCH", f"{path}?{dry}", (operations, operations), JSON_PATCH)
    applied = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": both[0]["metadata"]["name"]}, "spec": part}
    force = dice.choice(["", "&force=true"])
    await pair.send("apply over", "PATCH", f"{path}?{dry}{force}", (applied, applied), APPLY)
    first = {"name": both[0]["spec"]["containers"][0]["name"]}
    debug = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "i", **dice.choice(
        [{}, {"ports": [{"containerPort": 1}]}, {"targetContainerName": "gone"}, {"livenessProbe": {}},
         {"securityContext": {"privileged": True}}, {"name": first["name"]}])}]}}  # fmt: skip
    await pair.send("ephemeral", "PATCH", f"{path}/ephemeralcontainers?{dry}", (debug, debug), STRATEGIC)
    status = {"status": dice.choice([{"phase": "Running"}, {"phase": "Bogus"}, {"qosClass": "Guaranteed"},
                                     {"podIP": "x"}, {"podIPs": [{"ip": "10.0.0.1"}]},
                                     {"reason": "SysctlForbidden"}])}  # fmt: skip
    await pair.send("status", "PATCH", f"{path}/status?{dry}", (status, status), MERGE)


if __name__ == "__main__":
    sys.exit(
        command.main(
            "writes", __doc__, Pair, compare,
            count=300, show=20, shown="kinds of differences of which examples are printed",
        )
    )  # fmt: skip
