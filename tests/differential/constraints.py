"""Compares two OpenShift API servers where SecurityContextConstraints decide, and prints where the answers differ.

    python -m tests.differential.constraints --ours KUBECONFIG --peer KUBECONFIG [--count 500] [--seed 1] [--show 5]

Constraints right and wrong (dry runs); pods and workloads of an administrator and of a plain user, in namespaces with
the same ranges, beside the shipped constraints and a few random ones that the plain user may use. Our server must run
with the platform `openshift`; the other one needs the shipped constraints. Exit 0 when every answer is the same.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
import sys
import time
from collections.abc import Callable

from podsysctl.policy import pod_template
from tests.differential import command
from tests.differential.__main__ import Server, comparable, first_difference
from tests.differential.dice import Dice, Object, maybe
from tests.differential.policies import workload
from tests.differential.random_pods import CAPABILITIES, SELINUX, random_pod

GROUP = "security.openshift.io"
CONSTRAINTS = f"/apis/{GROUP}/v1/securitycontextconstraints"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
REPEATS = 6
"""How often the other server is asked again before its answer counts as another one."""
PATTERNS = ("kernel.msg*", "net.core.somaxconn", "net.*", "kernel.shm_rmid_forced", "net.ipv4.tcp_*", "*")
BAD_PATTERNS = ("", "kernel/msg*", "a*b", "Net.x", "*", "**", "x" * 254, "net.", "kernel.msg*")
VOLUME_TYPES = (
    "*",
    "configMap",
    "secret",
    "emptyDir",
    "hostPath",
    "projected",
    "csi",
    "nfs",
    "downwardAPI",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
)
RANGES = {
    "openshift.io/sa.scc.uid-range": "1000660000/10000",
    "openshift.io/sa.scc.supplemental-groups": "1000660000/10000",
    "openshift.io/sa.scc.mcs": "s0:c26,c5",
}
HEADERS = {"dev": {"Impersonate-User": "dev", "Impersonate-Group": "system:authenticated"}, "admin": {}}


NEWER_PATHS = (
    (re.compile(r"^metadata\.annotations"), "pod.metadata.annotations"),
    (re.compile(r"^spec\.securityContext\.sysctls"), "pod.spec.securityContext.sysctls"),
    (re.compile(r"^(provider \S+): \.spec\.host(\w+)"), r"\1: .spec.securityContext.host\2"),
    (re.compile(r"^provider \S+: \.spec\.volumes(\[\d+\]:)"), r"spec.volumes\1"),
)
"""How the newest sources name what ours, and those of September 2025, name otherwise (docs/compatibility.md)."""
NEXT_ERROR = re.compile(r", (?=provider |spec\.|metadata\.|pod\.|no access to )")


def told(answer: Object) -> Object:
    """An answer with the paths of a refusal by their older names, and without what other plugins of OpenShift add."""
    tolerations = answer.get("object", {}).get("spec", {}).get("tolerations") or []
    tolerations[:] = [t for t in tolerations if t.get("key") != "node.kubernetes.io/memory-pressure"]
    head, marker, listed = answer.get("status", {}).get("message", "").partition("security context constraint: ")
    if marker:
        errors = [_renamed(error) for error in NEXT_ERROR.split(listed.removeprefix("[").removesuffix("]"))]
        answer["status"]["message"] = [head, *dict.fromkeys(errors)]
    return answer


def _renamed(error: str) -> str:
    for pattern, older in NEWER_PATHS:
        error = pattern.sub(older, error)
    return error


def random_constraint(dice: Dice, name: str) -> Object:
    """A constraint, wrong at the dice's rate."""
    out: Object = {"apiVersion": f"{GROUP}/v1", "kind": "SecurityContextConstraints", "metadata": {"name": name}}
    for field in (
        "allowPrivilegedContainer",
        "allowHostDirVolumePlugin",
        "allowHostNetwork",
        "allowHostPorts",
        "allowHostPID",
        "allowHostIPC",
        "readOnlyRootFilesystem",
    ):
        out[field] = dice.random() < 0.2
    maybe(dice, 0.4, lambda: dice.pick([0, 1, 5, 10, 11], [-1]), out, "priority")
    maybe(dice, 0.5, lambda: dice.choice([True, False]), out, "allowPrivilegeEscalation")
    maybe(dice, 0.2, lambda: dice.choice([True, False]), out, "defaultAllowPrivilegeEscalation")
    for field in ("defaultAddCapabilities", "requiredDropCapabilities", "allowedCapabilities"):
        some = (*CAPABILITIES, "*") if field == "allowedCapabilities" else CAPABILITIES
        maybe(dice, 0.4, lambda some=some: dice.sample(some, dice.randint(1, 2)), out, field)
    maybe(
        dice,
        0.8,
        lambda: dice.pick([dice.sample(VOLUME_TYPES[1:], 5), ["*"]], [["none", "secret"], ["none"], []]),
        out,
        "volumes",
    )
    maybe(dice, 0.1, lambda: [{"driver": dice.pick(["a/b"], [""])}], out, "allowedFlexVolumes")
    out["runAsUser"] = dice.pick(
        [
            {"type": "RunAsAny"},
            {"type": "MustRunAsNonRoot"},
            {"type": "MustRunAsRange"},
            {"type": "MustRunAs", "uid": 7},
            {"type": "MustRunAsRange", "uidRangeMin": 1000, "uidRangeMax": 2000},
            {"type": "MustRunAs", "uid": 0},
        ],
        [
            {"type": "Bogus"},
            {"type": "MustRunAs", "uid": -1},
            {"type": ""},
            {"type": "MustRunAs"},
            {"type": "MustRunAsRange", "uidRangeMin": 5},
            {"type": "MustRunAsRange", "uidRangeMin": 5, "uidRangeMax": 1},
        ],
    )
    out["seLinuxContext"] = dice.pick(
        [{"type": "RunAsAny"}, {"type": "MustRunAs"}, {"type": "MustRunAs", "seLinuxOptions": dice.choice(SELINUX)}],
        [{"type": "Bogus"}, {"type": ""}],
    )
    for field in ("fsGroup", "supplementalGroups"):
        maybe(
            dice,
            0.8,
            lambda: dice.pick(
                [{"type": "RunAsAny"}, {"type": "MustRunAs"}, {"type": "MustRunAs", "ranges": [{"min": 1, "max": 9}]}],
                [
                    {"type": "Bogus"},
                    {"type": "MustRunAs", "ranges": [{"min": 9, "max": 1}]},
                    {"type": "MustRunAs", "ranges": [{"min": -1, "max": 5}, {"max": 3}]},
                    {},
                ],
            ),
            out,
            field,
        )
    maybe(
        dice,
        0.4,
        lambda: dice.pick(
            [["runtime/default"], ["*"], ["runtime/default", "localhost/a"], ["localhost/*"]],
            [["bogus"], [""], ["docker/default"]],
        ),
        out,
        "seccompProfiles",
    )
    for field in ("allowedUnsafeSysctls", "forbiddenSysctls"):
        maybe(
            dice,
            0.4,
            lambda: list(dict.fromkeys(dice.pick(PATTERNS, BAD_PATTERNS) for _ in range(dice.randint(1, 3)))),
            out,
            field,
        )
    maybe(dice, 0.1, lambda: dice.pick(["AllowHostLevel", "RequirePodLevel"], ["Bogus"]), out, "userNamespaceLevel")
    maybe(dice, 0.2, lambda: ["dev"], out, "users")
    maybe(dice, 0.1, lambda: ["system:authenticated"], out, "groups")
    return out


def without_inline_drivers(spec: Object) -> None:
    """Take out what another plugin of OpenShift judges."""
    for volume in spec.get("volumes") or ():
        if "csi" in volume:
            volume["secret"] = {"secretName": "s"}
            del volume["csi"]


def tame(dice: Dice, pod: Object) -> Object:
    """Take most of what plain validation refuses out of a pod, so that constraints decide."""
    spec = pod["spec"]
    for field in ("hostNetwork", "hostIPC", "hostPID"):
        if dice.random() < 0.5:
            spec.pop(field, None)
    without_inline_drivers(spec)
    spec.pop("runtimeClassName", None)
    spec.pop("overhead", None)
    return pod


class Pair(command.Servers):
    """Sends the same request to both."""

    async def send(self, path: str, body: Object, user: str = "admin", tidy: Callable[[Object], Object] = told) -> bool:
        """The same POST to both; whether the other one accepted it."""
        mine = tidy(comparable(*await _post(self.ours, path, body, user)))
        for _ in range(REPEATS):
            theirs = tidy(comparable(*await _post(self.peer, path, body, user)))
            if mine == theirs:
                break
        self.codes[theirs["code"]] += 1
        if mine != theirs:
            place = f"{theirs['code']}/{mine['code']} {first_difference(mine, theirs)}"
            self.differences[place] += 1
            if self.differences.total() <= self.show:
                print(f"--- {user} {path} {place}\n{json.dumps(body)}")
                print(f"ours: {json.dumps(mine)}\npeer: {json.dumps(theirs)}\n")
        return bool(theirs["code"] < 400)

    async def remove(self, path: str) -> None:
        """Delete the same object on both."""
        for server in self.both:
            async with server.session.delete(path) as reply:
                await reply.read()

    async def make(self, path: str, body: Object) -> None:
        """Make the same object on both."""
        for server in self.both:
            code, answer, _ = await _post(server, path, body, "admin")
            if code not in (200, 201, 409):
                raise SystemExit(f"{path}: {answer}")


async def _post(server: Server, path: str, body: Object, user: str) -> tuple[int, Object, list[str]]:
    async with server.session.post(path, json=copy.deepcopy(body), headers=HEADERS[user]) as reply:
        return reply.status, await reply.json(content_type=None), reply.headers.getall("Warning", [])


async def set_up(pair: Pair, tag: str, dice: Dice) -> list[str]:
    """Namespaces, rights of the plain user, and constraints of its own; the namespaces."""
    names = [f"{tag}-{index}" for index in range(3)]
    everything = {"apiGroups": ["", "apps", "batch"], "resources": ["*"], "verbs": ["*"]}
    using = {
        "apiGroups": [GROUP],
        "resources": ["securitycontextconstraints"],
        "verbs": ["use"],
        "resourceNames": [f"{tag}-a", "nonroot-v2"],
    }
    api = "rbac.authorization.k8s.io"
    for role, rules in ((f"{tag}-plain", [everything]), (tag, [everything, using])):
        await pair.make(
            f"{RBAC}/clusterroles",
            {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules},
        )
    for index, name in enumerate(names):
        metadata = {"name": name, "annotations": RANGES}
        await pair.make("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await pair.make(f"/api/v1/namespaces/{name}/serviceaccounts", account)
        await pair.make(
            f"{RBAC}/namespaces/{name}/rolebindings",
            {
                "apiVersion": f"{api}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "dev"},
                "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": tag if index else f"{tag}-plain"},
                "subjects": [{"apiGroup": api, "kind": "User", "name": "dev"}],
            },
        )
    dice.wrong = 0.0
    for letter in "abc":
        constraint = random_constraint(dice, f"{tag}-{letter}")
        while not await pair.send(f"{CONSTRAINTS}?dryRun=All", constraint):
            constraint = random_constraint(dice, f"{tag}-{letter}")
        constraint.pop("groups", None)
        await pair.make(CONSTRAINTS, constraint)
    await asyncio.sleep(2)  # until the other server's lists of constraints and roles follow
    return names


async def compare(pair: Pair, dice: Dice, count: int) -> None:
    """All comparisons."""
    for index in range(count):
        dice.wrong = dice.choice([0.0, 0.05, 0.2])
        await pair.send(f"{CONSTRAINTS}?dryRun=All", random_constraint(dice, f"c{index}"))
    tag = f"constraints-{int(time.time())}"
    try:
        await judge(pair, await set_up(pair, tag, dice), dice, count)
    finally:
        for letter in "abc":
            await pair.remove(f"{CONSTRAINTS}/{tag}-{letter}")


async def judge(pair: Pair, names: list[str], dice: Dice, count: int) -> None:
    """Pods and workloads in the namespaces."""
    for index in range(count * 2):
        pod = tame(dice, random_pod(dice, f"p{index}"))
        if dice.random() < 0.1:
            required = dice.pick(["restricted-v2", "anyuid", "privileged"], ["gone", ""])
            pod["metadata"].setdefault("annotations", {})["openshift.io/required-scc"] = required
        path = f"/api/v1/namespaces/{dice.choice(names)}/pods?dryRun=All"
        await pair.send(path, pod, dice.choice(["dev", "admin"]))
    for index in range(count):
        path, obj = workload(dice, index)
        without_inline_drivers(pod_template.template_at(obj, pod_template.template_path(obj) or ())["spec"])
        await pair.send(path.format(dice.choice(names)), obj, dice.choice(["dev", "admin"]), _without_object)


def _without_object(answer: Object) -> Object:
    return {key: value for key, value in answer.items() if key != "object"}


if __name__ == "__main__":
    sys.exit(command.main("constraints", __doc__, Pair, compare, count=500))
