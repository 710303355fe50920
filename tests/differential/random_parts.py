"""The less usual fields of random pods: each part is a list of right values and one of wrong ones."""

from __future__ import annotations

from typing import Any

from tests.differential.dice import Dice, Object, maybe

WINDOWS = (
    {"hostProcess": True},
    {"hostProcess": False},
    {"runAsUserName": "ContainerUser"},
    {"gmsaCredentialSpecName": "a.b"},
    {"runAsUserName": "NT AUTHORITY\\SYSTEM"},
    {},
)
BAD_WINDOWS = (
    {"runAsUserName": ""},
    {"runAsUserName": "a\\b\\c"},
    {"runAsUserName": "a/b"},
    {"gmsaCredentialSpecName": "A B"},
    {"gmsaCredentialSpec": ""},
    {"gmsaCredentialSpec": "x" * 70000},
    {"runAsUserName": "..\\x"},
    {"runAsUserName": "u" * 105},
)
ENV_SOURCES = (
    {"fieldRef": {"fieldPath": "metadata.name"}},
    {"fieldRef": {"fieldPath": "metadata.labels['a']"}},
    {"fieldRef": {"fieldPath": "status.podIPs"}},
    {"resourceFieldRef": {"resource": "limits.cpu"}},
    {"configMapKeyRef": {"name": "m", "key": "k"}},
    {"secretKeyRef": {"name": "s", "key": "k", "optional": True}},
    {"resourceFieldRef": {"resource": "requests.hugepages-2Mi", "divisor": "1Mi"}},
)
BAD_ENV_SOURCES = (
    {},
    {"fieldRef": {"fieldPath": ""}},
    {"fieldRef": {"fieldPath": "spec.bogus"}},
    {"fieldRef": {"fieldPath": "metadata.labels"}},
    {"fieldRef": {"fieldPath": "metadata.name['x']"}},
    {"resourceFieldRef": {"resource": "limits.bogus"}},
    {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "3"}},
    {"configMapKeyRef": {"name": "", "key": "k"}},
    {"secretKeyRef": {"name": "s", "key": "a/b"}},
    {"configMapKeyRef": {"name": "Bad Name", "key": ""}},
    {"fieldRef": {"fieldPath": "metadata.name"}, "secretKeyRef": {"name": "s", "key": "k"}},
    {"fieldRef": {"apiVersion": "v2", "fieldPath": "metadata.name"}},
    {"fieldRef": {"fieldPath": "metadata.annotations['Bad Key']"}},
)
HANDLERS = (
    {"exec": {"command": ["x"]}},
    {"httpGet": {"port": 80}},
    {"sleep": {"seconds": 1}},
    {"tcpSocket": {"port": 80}},
    {"httpGet": {"port": "http", "scheme": "HTTPS", "httpHeaders": [{"name": "X-A", "value": "1"}]}},
    {"httpGet": {"port": 80, "host": "127.0.0.1"}},
    {"tcpSocket": {"port": 80, "host": "h"}},
)
BAD_HANDLERS = (
    {},
    {"exec": {}},
    {"httpGet": {}},
    {"httpGet": {"port": 0}},
    {"sleep": {"seconds": -1}},
    {"sleep": {"seconds": 100000}},
    {"httpGet": {"port": 80, "scheme": "ftp"}},
    {"httpGet": {"port": "UP"}},
    {"httpGet": {"port": 80, "httpHeaders": [{"name": "a b", "value": ""}]}},
    {"tcpSocket": {"port": "way-too-long-port-name"}},
    {"exec": {"command": ["x"]}, "tcpSocket": {"port": 1}},
    {"httpGet": {"port": 70000, "path": ""}},
)
PROBES = (
    {"grpc": {"port": 80}},
    {"grpc": {"port": 80, "service": "s"}},
    {"exec": {"command": ["x"]}, "timeoutSeconds": 3},
    {"tcpSocket": {"port": 1}, "initialDelaySeconds": 0, "failureThreshold": 2},
    {"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 5},
)
BAD_PROBES = (
    {"grpc": {"port": 0}},
    {"grpc": {"port": 70000}},
    {"tcpSocket": {"port": 1}, "timeoutSeconds": -1},
    {"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 0},
    {"tcpSocket": {"port": 1}, "failureThreshold": -2},
    {"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": -3},
    {"tcpSocket": {"port": 1}, "initialDelaySeconds": -1},
)
RESOURCES = (
    {"limits": {"memory": "1Mi", "hugepages-2Mi": "2Mi"}},
    {"requests": {"example.com/x": "1"}, "limits": {"example.com/x": "1"}},
    {"requests": {"ephemeral-storage": "1Gi"}},
    {"limits": {"cpu": "0"}},
    {"limits": {"cpu": "1e3", "memory": "1.5Gi"}},
    {"requests": {"cpu": "100m"}, "limits": {"cpu": "0.1"}},
    {},
)
BAD_RESOURCES = (
    {"limits": {"hugepages-2Mi": "2Mi"}},
    {"requests": {"hugepages-2Mi": "2Mi"}, "limits": {"cpu": "1"}},
    {"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}},
    {"requests": {"example.com/x": "1"}},
    {"limits": {"cpu": "1n"}},
    {"requests": {"storage": "1Gi"}},
    {"limits": {"Bad Name": "1"}},
    {"limits": {"kubernetes.io/x": "1"}},
    {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}},
    {"claims": [{"name": "gone"}]},
    {"limits": {"memory": "100m"}},
    {"requests": {"requests.example.com/x": "1"}},
    {"claims": [{"name": "a"}, {"name": "a"}]},
    {"requests": {"example.com/x": "1"}, "limits": {"example.com/x": "2"}},
    {"limits": {"a/b/c": "1"}},
)
MORE_VOLUMES = (
    {"csi": {"driver": "d.example"}},
    {
        "ephemeral": {
            "volumeClaimTemplate": {
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
            }
        }
    },
    {"image": {"reference": "r.example/i"}},
    {"gitRepo": {"repository": "https://x"}},
    {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}},
    {
        "projected": {
            "sources": [
                {
                    "downwardAPI": {
                        "items": [{"path": "a", "resourceFieldRef": {"containerName": "a", "resource": "limits.cpu"}}]
                    }
                }
            ]
        }
    },
    {"fc": {"targetWWNs": ["w"], "lun": 1}},
    {"rbd": {"monitors": ["m"], "image": "i"}},
    {"cephfs": {"monitors": ["m"]}},
    {"flexVolume": {"driver": "a/b"}},
    {"awsElasticBlockStore": {"volumeID": "v"}},
    {"gcePersistentDisk": {"pdName": "p"}},
    {"azureDisk": {"diskName": "d", "diskURI": "https://x/d"}},
    {"azureFile": {"secretName": "s", "shareName": "h"}},
    {"cinder": {"volumeID": "v"}},
    {"vsphereVolume": {"volumePath": "v"}},
    {"glusterfs": {"endpoints": "e", "path": "p"}},
    {"portworxVolume": {"volumeID": "v"}},
    {"flocker": {"datasetName": "d"}},
    {"quobyte": {"registry": "r:1", "volume": "v"}},
    {"photonPersistentDisk": {"pdID": "p"}},
    {"scaleIO": {"gateway": "g", "system": "s", "secretRef": {"name": "s"}, "volumeName": "v"}},
    {"storageos": {"volumeName": "v", "volumeNamespace": "n"}},
    {"hostPath": {"path": "/x", "type": "DirectoryOrCreate"}},
    {"projected": {"sources": [{"clusterTrustBundle": {"name": "c", "path": "p"}}]}},
    {"emptyDir": {"medium": "HugePages-2Mi"}},
    {"configMap": {"name": "m", "items": [{"key": "k", "path": "p", "mode": 420}], "optional": True}},
)
MORE_BAD_VOLUMES = (
    {"csi": {"driver": ""}},
    {"csi": {"driver": "Bad Driver!", "nodePublishSecretRef": {"name": ""}}},
    {"nfs": {"server": "", "path": "p"}},
    {"ephemeral": {}},
    {"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": [], "resources": {}}}}},
    {"image": {"reference": "", "pullPolicy": "Bogus"}},
    {"image": {}},
    {"gitRepo": {"repository": "", "directory": "../x"}},
    {"projected": {"sources": [{"serviceAccountToken": {"path": "", "expirationSeconds": 5}}]}},
    {"projected": {"sources": [{}]}},
    {"projected": {"sources": [{"secret": {"name": "a"}, "configMap": {"name": "b"}}]}},
    {
        "projected": {
            "sources": [
                {"secret": {"name": "a", "items": [{"key": "k", "path": "p"}]}},
                {"configMap": {"name": "b", "items": [{"key": "k", "path": "p"}]}},
            ]
        }
    },
    {"projected": {"sources": [{"serviceAccountToken": {"path": "../t", "expirationSeconds": 2**33}}]}},
    {"downwardAPI": {"items": [{"path": "/abs", "fieldRef": {"fieldPath": "spec.nodeName"}}, {"path": "x"}]}},
    {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}, "mode": 1000}]}},
    {"secret": {"secretName": "", "items": [{"key": "", "path": ".."}], "defaultMode": -1}},
    {"fc": {}},
    {"fc": {"lun": 300}},
    {"rbd": {"monitors": [], "image": ""}},
    {"cephfs": {}},
    {"flexVolume": {"driver": "", "options": {"kubernetes.io/x": "y"}}},
    {"awsElasticBlockStore": {"volumeID": "", "partition": 300}},
    {"gcePersistentDisk": {"pdName": "", "partition": -1}},
    {"azureDisk": {"diskName": "d", "diskURI": "x", "kind": "Bogus", "cachingMode": "Bogus"}},
    {"azureFile": {"secretName": "", "shareName": ""}},
    {"iscsi": {"targetPortal": "", "iqn": "bad", "lun": 300, "chapAuthSession": True}},
    {"glusterfs": {"endpoints": "", "path": ""}},
    {"iscsi": {"targetPortal": "p", "iqn": "iqn.2001-04.com.example:x", "lun": 1, "initiatorName": "bad"}},
    {"quobyte": {"registry": "r", "volume": ""}},
    {"scaleIO": {"gateway": "", "system": "", "volumeName": ""}},
    {"vsphereVolume": {"volumePath": ""}},
    {"flocker": {}},
    {"flocker": {"datasetName": "a/b", "datasetUUID": "u"}},
    {"storageos": {"volumeName": ""}},
    {"projected": {"sources": [{"clusterTrustBundle": {"path": "p"}}]}},
    {"persistentVolumeClaim": {"claimName": ""}},
    {"projected": {"sources": [{"clusterTrustBundle": {"name": "n", "signerName": "a/b", "path": ""}}]}},
    {"portworxVolume": {}},
    {"emptyDir": {"medium": "HugePages-x"}},
    {"emptyDir": {"sizeLimit": "bogus"}},
    {"cinder": {"volumeID": ""}},
    {"photonPersistentDisk": {}},
    {"configMap": {"name": "m", "items": [{"key": "Bad Key", "path": "a/../b"}]}},
)
MOUNTS = (
    {"readOnly": True},
    {"mountPropagation": "HostToContainer"},
    {"subPathExpr": "$(A)"},
    {"readOnly": True, "recursiveReadOnly": "Enabled"},
    {"recursiveReadOnly": "Disabled"},
    {},
)
BAD_MOUNTS = (
    {"mountPropagation": "Bidirectional"},
    {"mountPropagation": "Bogus"},
    {"recursiveReadOnly": "Enabled"},
    {"subPathExpr": "../x"},
    {"readOnly": True, "recursiveReadOnly": "Bogus"},
    {"subPath": "a", "subPathExpr": "b"},
    {"readOnly": True, "recursiveReadOnly": "IfPossible", "mountPropagation": "HostToContainer"},
    {"subPathExpr": "/abs"},
)
TERMS = (
    {"matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]},
    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]},
    {"matchExpressions": [{"key": "k", "operator": "Gt", "values": ["1"]}]},
)
BAD_TERMS = (
    {"matchExpressions": [{"key": "k", "operator": "In"}]},
    {"matchExpressions": [{"key": "k", "operator": "Exists", "values": ["v"]}]},
    {"matchFields": [{"key": "metadata.namespace", "operator": "In", "values": ["n"]}]},
    {"matchExpressions": [{"key": "b k", "operator": "Bogus"}]},
    {"matchFields": [{"key": "metadata.name", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "k", "operator": "Lt", "values": ["a", "b"]}]},
    {"matchExpressions": [{"key": "k", "operator": "In", "values": ["bad value!"]}]},
)
SPREADS = (
    {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"a": "b"}},
    },
    {
        "maxSkew": 2,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "minDomains": 2,
        "nodeTaintsPolicy": "Honor",
    },
)
BAD_SPREADS = (
    {"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Bogus"},
    {"maxSkew": 1, "topologyKey": "b k", "whenUnsatisfiable": "DoNotSchedule"},
    {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2},
    {
        "maxSkew": 1,
        "topologyKey": "z",
        "whenUnsatisfiable": "DoNotSchedule",
        "minDomains": -1,
        "nodeAffinityPolicy": "Bogus",
    },
    {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["a"]},
    {
        "maxSkew": 1,
        "topologyKey": "z",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]},
    },
    {
        "maxSkew": 1,
        "topologyKey": "z",
        "whenUnsatisfiable": "DoNotSchedule",
        "matchLabelKeys": ["a"],
        "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]},
    },
)


def more_container(rng: Dice, out: Object, volumes: list[str], *, init: bool) -> None:
    """Add unusual fields to a container."""
    maybe(rng, 0.1, lambda: rng.pick(WINDOWS, BAD_WINDOWS), out.setdefault("securityContext", {}), "windowsOptions")
    if not out["securityContext"]:
        del out["securityContext"]
    maybe(
        rng,
        0.15,
        lambda: [
            {"name": "E", "valueFrom": rng.pick(ENV_SOURCES, BAD_ENV_SOURCES)},
            *([{"name": "F", "value": "v", "valueFrom": rng.choice(ENV_SOURCES)}] if rng.random() < rng.wrong else []),
        ],
        out,
        "env",
    )
    maybe(
        rng,
        0.08,
        lambda: [
            rng.pick(
                [{"configMapRef": {"name": "m"}}, {"prefix": "P_", "secretRef": {"name": "s"}}],
                [
                    {},
                    {"configMapRef": {"name": ""}},
                    {"prefix": "1=", "secretRef": {"name": "s"}},
                    {"configMapRef": {"name": "m"}, "secretRef": {"name": "s"}},
                ],
            )
        ],
        out,
        "envFrom",
    )
    maybe(
        rng,
        0.1,
        lambda: {
            rng.choice(["postStart", "preStop"]): rng.pick(HANDLERS, BAD_HANDLERS),
            **({"stopSignal": rng.choice(["SIGTERM", "SIGBOGUS"])} if rng.random() < 0.2 else {}),
        },
        out,
        "lifecycle",
    )
    for field in ("startupProbe", "livenessProbe", "readinessProbe"):
        maybe(rng, 0.06, lambda: rng.pick(PROBES, BAD_PROBES), out, field)
    maybe(rng, 0.15, lambda: rng.pick(RESOURCES, BAD_RESOURCES), out, "resources")
    maybe(
        rng,
        0.1,
        lambda: [
            {"name": rng.choice(volumes or ["v"]), "mountPath": f"/m{index}", **rng.pick(MOUNTS, BAD_MOUNTS)}
            for index in range(rng.randint(1, 2))
        ],
        out,
        "volumeMounts",
    )
    maybe(
        rng,
        0.04,
        lambda: [{"name": rng.pick(volumes or ["v"], ["gone", ""]), "devicePath": rng.pick(["/d"], ["", "../d"])}],
        out,
        "volumeDevices",
    )
    maybe(rng, 0.05, lambda: rng.pick(["/w"], [""]), out, "workingDir")
    maybe(rng, 0.05, lambda: rng.pick(["File", "FallbackToLogsOnError"], ["Bogus"]), out, "terminationMessagePolicy")
    maybe(rng, 0.05, lambda: rng.pick(["/t"], [""]), out, "terminationMessagePath")
    maybe(
        rng,
        0.06,
        lambda: [
            {
                "resourceName": rng.pick(["cpu", "memory"], ["bogus"]),
                "restartPolicy": rng.pick(["NotRequired", "RestartContainer"], ["Bogus"]),
            }
            for _ in range(rng.randint(1, 2))
        ],
        out,
        "resizePolicy",
    )
    maybe(
        rng,
        0.2 if init else 0.05,
        lambda: rng.pick(["Always"] if init else ["Never", "OnFailure"], ["Bogus", "Never"]),
        out,
        "restartPolicy",
    )
    maybe(
        rng,
        0.04,
        lambda: [
            {
                "action": rng.pick(["Restart"], ["Bogus"]),
                "exitCodes": rng.pick(
                    [{"operator": "In", "values": [1]}], [{"operator": "Bogus"}, {"operator": "In", "values": []}]
                ),
            }
        ],
        out,
        "restartPolicyRules",
    )
    for flag in ("stdin", "stdinOnce", "tty"):
        maybe(rng, 0.04, lambda: rng.choice([True, False]), out, flag)
    if rng.random() < rng.wrong * 0.2:
        out["image"] = rng.choice(["", " i", "i "])


def more_pod(rng: Dice, spec: Object, metadata: Object) -> None:
    """Add unusual fields to a pod."""
    maybe(rng, 0.06, lambda: rng.pick(WINDOWS, BAD_WINDOWS), spec.setdefault("securityContext", {}), "windowsOptions")
    maybe(
        rng,
        0.04,
        lambda: rng.pick(["MountOption", "Recursive"], ["Bogus"]),
        spec["securityContext"],
        "seLinuxChangePolicy",
    )
    maybe(rng, 0.08, lambda: affinity(rng), spec, "affinity")
    maybe(
        rng,
        0.06,
        lambda: [rng.pick(SPREADS, BAD_SPREADS) for _ in range(rng.choice([1, 1, 2]))],
        spec,
        "topologySpreadConstraints",
    )
    maybe(
        rng,
        0.05,
        lambda: [{"name": rng.pick(["a.b/c", "g"], ["", "Bad Gate"])} for _ in range(rng.choice([1, 1, 2]))],
        spec,
        "schedulingGates",
    )
    maybe(rng, 0.04, lambda: [{"conditionType": rng.pick(["a.b/c"], ["b d"])}], spec, "readinessGates")
    maybe(
        rng,
        0.05,
        lambda: [{"ip": rng.pick(["10.0.0.1"], ["x", "", "010.0.0.1"]), "hostnames": [rng.pick(["h"], ["B_d"])]}],
        spec,
        "hostAliases",
    )
    maybe(
        rng,
        0.06,
        lambda: rng.pick(
            [{"nameservers": ["1.1.1.1"], "searches": ["a.b", "_x.y."], "options": [{"name": "ndots", "value": "2"}]}],
            [{"nameservers": ["x", "1.1.1.1", "::1", "2.2.2.2"]}, {"searches": ["A B"]}, {"options": [{}]}],
        ),
        spec,
        "dnsConfig",
    )
    maybe(rng, 0.05, lambda: rng.pick(["h"], ["H_", "a.b", "x" * 64]), spec, "hostname")
    maybe(rng, 0.05, lambda: rng.pick(["s"], ["S_", "a.b"]), spec, "subdomain")
    maybe(rng, 0.03, lambda: rng.choice([True, False]), spec, "setHostnameAsFQDN")
    maybe(rng, 0.04, lambda: rng.pick(["h.example"], ["H_", "x" * 65]), spec, "hostnameOverride")
    maybe(rng, 0.04, lambda: rng.pick(["system-node-critical"], ["gone"]), spec, "priorityClassName")
    maybe(rng, 0.02, lambda: rng.pick([0], [5]), spec, "priority")
    maybe(rng, 0.03, lambda: rng.pick(["Never", "PreemptLowerPriority"], ["Bogus"]), spec, "preemptionPolicy")
    maybe(rng, 0.02, lambda: rng.pick([None], ["gone", "Bad Class"]), spec, "runtimeClassName")
    maybe(rng, 0.02, lambda: {"cpu": "1"}, spec, "overhead")
    maybe(rng, 0.04, lambda: rng.pick(["default"], ["gone", "Bad Account"]), spec, "serviceAccountName")
    maybe(rng, 0.05, lambda: rng.choice([True, False]), spec, "automountServiceAccountToken")
    maybe(rng, 0.04, lambda: [{"name": rng.pick(["s"], [""])}], spec, "imagePullSecrets")
    maybe(rng, 0.03, lambda: rng.pick(["node"], ["Bad_Node"]), spec, "nodeName")
    maybe(rng, 0.03, lambda: rng.pick(["default-scheduler", "own"], ["Bad Scheduler"]), spec, "schedulerName")
    maybe(
        rng,
        0.05,
        lambda: rng.pick(
            [{"limits": {"cpu": "4", "memory": "1Gi"}}, {"requests": {"cpu": "2"}}],
            [
                {"limits": {"ephemeral-storage": "1Gi"}},
                {"limits": {"cpu": "1m"}},
                {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
                {"claims": [{"name": "c"}]},
                {"limits": {"hugepages-2Mi": "2Mi"}},
            ],
        ),
        spec,
        "resources",
    )
    maybe(
        rng,
        0.05,
        lambda: [
            {
                "name": rng.pick(["c"], ["C_", ""]),
                **rng.pick(
                    [{"resourceClaimName": "r"}, {"resourceClaimTemplateName": "t"}],
                    [{}, {"resourceClaimName": "r", "resourceClaimTemplateName": "t"}, {"resourceClaimName": "B_d"}],
                ),
            }
        ],
        spec,
        "resourceClaims",
    )
    if rng.random() < rng.wrong * 0.1:
        spec["ephemeralContainers"] = [{"name": "e", "image": "i"}]
    if rng.random() < 0.03:
        metadata["generateName"] = rng.pick(["g-"], ["G_"])
    maybe(rng, 0.03, lambda: [rng.pick(["a.b/c"], ["bad", "a b/c", "kubernetes"])], metadata, "finalizers")
    maybe(
        rng,
        0.03,
        lambda: (
            [
                rng.pick(
                    [{"apiVersion": "v1", "kind": "X", "name": "n", "uid": "u"}],
                    [
                        {"apiVersion": "", "kind": "", "name": "", "uid": ""},
                        {"apiVersion": "v1", "kind": "Event", "name": "n", "uid": "u"},
                    ],
                )
            ]
            * rng.choice([1, 1, 2])
        ),
        metadata,
        "ownerReferences",
    )
    if not spec["securityContext"]:
        del spec["securityContext"]


def affinity(rng: Dice) -> Object:
    """Node, pod and anti affinity."""
    out: Object = {}
    node: Object = {}
    maybe(
        rng,
        0.5,
        lambda: {"nodeSelectorTerms": [rng.pick(TERMS, BAD_TERMS) for _ in range(rng.pick([1, 2], [0]))]},
        node,
        "requiredDuringSchedulingIgnoredDuringExecution",
    )
    maybe(
        rng,
        0.4,
        lambda: [{"weight": rng.pick([1, 100], [0, 101]), "preference": rng.pick(TERMS, BAD_TERMS)}],
        node,
        "preferredDuringSchedulingIgnoredDuringExecution",
    )
    if node:
        out["nodeAffinity"] = node
    for kind in ("podAffinity", "podAntiAffinity"):
        if rng.random() < 0.4:
            term: Any = {
                "topologyKey": rng.pick(["zone"], ["", "b k"]),
                "labelSelector": rng.pick(
                    [{"matchLabels": {"a": "b"}}, {}],
                    [{"matchLabels": {"a b": "c d"}}, {"matchExpressions": [{"key": "", "operator": "X"}]}],
                ),
            }
            maybe(rng, 0.2, lambda: [rng.pick(["n"], ["B_d"])], term, "namespaces")
            maybe(rng, 0.2, lambda: rng.pick([["k"]], [["b k"], ["a"]]), term, "matchLabelKeys")
            maybe(rng, 0.1, lambda: [rng.pick(["m"], ["k"])], term, "mismatchLabelKeys")
            weighted = [{"weight": rng.pick([5], [0, 200]), "podAffinityTerm": term}]
            out[kind] = rng.choice(
                [
                    {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
                    {"preferredDuringSchedulingIgnoredDuringExecution": weighted},
                ]
            )
    return out
