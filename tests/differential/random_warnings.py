"""Random pods that are mostly valid and do what servers warn about: old labels, doubles, overlaps, fractions."""

from __future__ import annotations

from tests.differential.dice import Dice, Object, maybe

OLD_LABELS = (
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/zone",
    "node-role.kubernetes.io/master",
    "beta.kubernetes.io/instance-type",
    "kubernetes.io/os",
)
SELECTORS = (None, None, {}, {"matchLabels": {"a": "b"}})
ITEMS = (
    [{"key": "k", "path": "p"}],
    [{"key": "k", "path": "p"}, {"key": "l", "path": "p"}],
    [{"key": "k", "path": "a"}, {"key": "l", "path": "a/b"}],
    [],
)
SOURCES = (
    {"configMap": {"name": "m", "items": [{"key": "k", "path": "p"}]}},
    {"secret": {"name": "s", "items": [{"key": "k", "path": "p/q"}]}},
    {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    {"serviceAccountToken": {"path": "t"}},
    {"clusterTrustBundle": {"name": "c", "path": "p"}},
    {"configMap": {"name": "m"}},
)
ANNOTATIONS = (
    "scheduler.alpha.kubernetes.io/critical-pod",
    "seccomp.security.alpha.kubernetes.io/pod",
    "container.seccomp.security.alpha.kubernetes.io/a",
    "container.apparmor.security.beta.kubernetes.io/a",
    "security.alpha.kubernetes.io/sysctls",
    "security.alpha.kubernetes.io/unsafe-sysctls",
    "pod.alpha.kubernetes.io/init-containers",
)
VALUES = ("runtime/default", "localhost/x", "unconfined", "kernel.sem=1")
ADDRESSES = ("10.0.0.1", "10.0.0.2", "010.0.0.1", "::1", "::ffff:1.2.3.4", "0:0::1")
QUANTITIES = ("1", "1.5", "100m", "1Gi", "0.5Gi", "1.5Gi", "2k")


def warned_pod(dice: Dice, name: str) -> Object:
    """One pod."""
    volumes = [{"name": f"v{index}", **_volume(dice)} for index in range(dice.choice([0, 0, 1, 2]))]
    spec: Object = {"containers": [_container(dice, letter) for letter in dice.choice(["a", "a", "ab"])]}
    maybe(dice, 1.0 if volumes else 0.0, lambda: volumes, spec, "volumes")
    maybe(dice, 0.3, lambda: [_container(dice, "i")], spec, "initContainers")
    maybe(dice, 0.2, lambda: {dice.choice(OLD_LABELS): "x"}, spec, "nodeSelector")
    maybe(dice, 0.3, lambda: _affinity(dice), spec, "affinity")
    maybe(dice, 0.2, lambda: [_spread(dice, dice.choice(OLD_LABELS))], spec, "topologySpreadConstraints")
    aliases = [{"ip": dice.choice(ADDRESSES), "hostnames": ["h"]} for _ in range(2)]
    maybe(dice, 0.2, lambda: aliases, spec, "hostAliases")
    maybe(dice, 0.2, lambda: [{"name": dice.choice(["s", "t", ""])} for _ in range(2)], spec, "imagePullSecrets")
    maybe(dice, 0.1, lambda: -1, spec, "terminationGracePeriodSeconds")
    maybe(dice, 0.1, lambda: {"nameservers": [dice.choice(ADDRESSES)]}, spec, "dnsConfig")
    maybe(dice, 0.1, lambda: "default", spec, "serviceAccount")
    metadata: Object = {"name": name}
    maybe(dice, 0.3, lambda: {dice.choice(ANNOTATIONS): dice.choice(VALUES) for _ in range(2)}, metadata, "annotations")
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _spread(dice: Dice, key: str) -> Object:
    spread: Object = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway"}
    selector = dice.choice(SELECTORS)
    return spread if selector is None else {**spread, "labelSelector": selector}


def _affinity(dice: Dice) -> Object:
    value = dice.choice(["v", "bad value!", "x" * 64])
    expression = {"key": dice.choice(OLD_LABELS), "operator": "In", "values": [value]}
    required = {"key": dice.choice(OLD_LABELS), "operator": "In", "values": ["v"]}
    selector = dice.choice(SELECTORS)
    term: Object = {"topologyKey": dice.choice(OLD_LABELS)}
    if selector is not None:
        term["labelSelector"] = selector
    out: Object = {}
    maybe(dice, 0.6, lambda: {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [required]}]},
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": {"matchExpressions": [expression, required]}}],
    }, out, "nodeAffinity")  # fmt: skip
    for kind in ("podAffinity", "podAntiAffinity"):
        maybe(dice, 0.4, lambda: {
            "requiredDuringSchedulingIgnoredDuringExecution": [term],
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}],
        }, out, kind)  # fmt: skip
    return out


def _volume(dice: Dice) -> Object:
    choices: list[Object] = [
        {"configMap": {"name": "m", "items": dice.choice(ITEMS)}},
        {"secret": {"secretName": "s", "items": dice.choice(ITEMS)}},
        {"downwardAPI": {"items": [{"path": dice.choice(["p", "p/q"]), "fieldRef": {"fieldPath": "metadata.name"}}
                                   for _ in range(2)]}},
        {"projected": {"sources": dice.sample(SOURCES, dice.randint(0, 3))}},
        {"gitRepo": {"repository": "r"}},
        {"ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": dice.choice(["x", ""]),
            "resources": {"requests": {"storage": dice.choice(QUANTITIES)}}}}}},
    ]  # fmt: skip
    return dice.choice(choices)


def _container(dice: Dice, name: str) -> Object:
    out: Object = {"name": name, "image": "i"}
    maybe(dice, 0.4, lambda: [_port(dice) for _ in range(dice.randint(1, 3))], out, "ports")
    maybe(dice, 0.4, lambda: [
        {"name": dice.choice(["A", "B"]), "value": dice.choice(["v", "$(A)", "$(B)", "$$(A)", "x$(A)y"])}
        for _ in range(dice.randint(1, 4))], out, "env")  # fmt: skip
    maybe(dice, 0.3, lambda: {
        kind: {resource: dice.choice(QUANTITIES) for resource in ("memory", "ephemeral-storage")}
        for kind in dice.choice([("limits",), ("requests",)])}, out, "resources")  # fmt: skip
    return out


def _port(dice: Dice) -> Object:
    out: Object = {"containerPort": dice.choice([80, 81])}
    maybe(dice, 0.4, lambda: dice.choice(["http", "web"]), out, "name")
    maybe(dice, 0.4, lambda: dice.choice(["TCP", "UDP"]), out, "protocol")
    maybe(dice, 0.3, lambda: dice.choice([80, 81]), out, "hostPort")
    maybe(dice, 0.3, lambda: dice.choice(ADDRESSES[:2]), out, "hostIP")
    return out
