"""Random pods around security and sysctls, right and wrong ones, from a seed."""

from __future__ import annotations

from tests.differential.dice import Dice, Object, maybe
from tests.differential.random_parts import MORE_BAD_VOLUMES, MORE_VOLUMES, more_container, more_pod

UNUSUAL = 0.5
"""How often a pod or a container gets unusual fields as well."""
SYSCTL_NAMES = (
    "kernel.shm_rmid_forced", "kernel/shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    "net.core.somaxconn", "kernel.msgmax", "kernel.sem", "fs.mqueue.msg_max", "vm.swappiness", "kernel.hostname",
    "net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter", "a", "x" * 253, "a/b.c",
    "net.ipv4.tcp_slow_start_after_idle",
)  # fmt: skip
BAD_SYSCTL_NAMES = (
    "", "a..b", ".a", "a.", "Abc", "a_", "net.*", "kernel.shm*", "x" * 254, 'quo"te', "ünicode", "kernel.sem",
)  # fmt: skip
CAPABILITIES = (
    "ALL", "NET_BIND_SERVICE", "NET_ADMIN", "SYS_ADMIN", "CAP_SYS_ADMIN", "CHOWN", "KILL", "SETUID", "chown",
)  # fmt: skip
PROFILES: tuple[Object, ...] = (
    {"type": "RuntimeDefault"}, {"type": "Unconfined"}, {"type": "Localhost", "localhostProfile": "p.json"},
)  # fmt: skip
BAD_PROFILES: tuple[Object, ...] = (
    {"type": "Localhost"}, {"type": "RuntimeDefault", "localhostProfile": "p.json"}, {"type": "Bogus"}, {"type": ""},
    {"type": "Localhost", "localhostProfile": "../p.json"}, {"type": "Localhost", "localhostProfile": "/p.json"},
)  # fmt: skip
SELINUX: tuple[Object, ...] = (
    {"level": "s0:c1,c2"}, {"type": "container_t"}, {"type": "container_init_t"}, {"type": "container_kvm_t"},
    {"type": "container_engine_t"}, {"type": "spc_t"}, {"user": "u"}, {"role": "r"}, {"user": "u", "role": "r"},
)  # fmt: skip
VOLUMES: tuple[Object, ...] = (
    {"emptyDir": {}}, {"hostPath": {"path": "/x"}}, {"configMap": {"name": "m"}}, {"secret": {"secretName": "s"}},
    {"nfs": {"server": "s", "path": "/p"}}, {"persistentVolumeClaim": {"claimName": "c"}},
    {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    {"projected": {"sources": [{"configMap": {"name": "m"}}]}},
)  # fmt: skip
BAD_VOLUMES: tuple[Object, ...] = (
    {"hostPath": {"path": "/x/../y"}}, {"hostPath": {"path": ""}}, {}, {"emptyDir": {}, "configMap": {"name": "m"}},
    {"configMap": {"name": "m", "defaultMode": 1000}}, {"hostPath": {"path": "/x", "type": "Bogus"}},
    {"iscsi": {"targetPortal": "t", "iqn": "i", "lun": 0}},
    {"emptyDir": {"medium": "Memory", "sizeLimit": "-1"}},
)  # fmt: skip


def pod_security(rng: Dice) -> Object:
    """A pod-level securityContext."""
    out: Object = {}
    maybe(rng, 0.5, lambda: rng.choice([True, True, False]), out, "runAsNonRoot")
    maybe(rng, 0.2, lambda: rng.pick([0, 1000, 2000], [-1, 2**31]), out, "runAsUser")
    maybe(rng, 0.15, lambda: rng.pick([0, 3000], [-1]), out, "runAsGroup")
    maybe(rng, 0.15, lambda: rng.pick([0, 3000], [-1, 2**31]), out, "fsGroup")
    maybe(rng, 0.1, lambda: [rng.pick([1, 4000], [-5]) for _ in range(rng.randint(1, 3))], out, "supplementalGroups")
    maybe(rng, 0.5, lambda: rng.pick(PROFILES, BAD_PROFILES), out, "seccompProfile")
    maybe(rng, 0.1, lambda: rng.pick(PROFILES, BAD_PROFILES), out, "appArmorProfile")
    maybe(rng, 0.15, lambda: rng.choice(SELINUX), out, "seLinuxOptions")
    maybe(rng, 0.05, lambda: rng.pick(["Always", "OnRootMismatch"], ["Bogus"]), out, "fsGroupChangePolicy")
    maybe(rng, 0.04, lambda: rng.pick(["Merge", "Strict"], ["Bogus"]), out, "supplementalGroupsPolicy")
    maybe(rng, 0.04, lambda: {"hostProcess": rng.choice([True, False])}, out, "windowsOptions")
    maybe(rng, 0.6, lambda: [
        {"name": rng.pick(SYSCTL_NAMES, BAD_SYSCTL_NAMES), "value": rng.choice(["1", "", "0 1", "abc"])}
        for _ in range(rng.randint(0, 4))
    ], out, "sysctls")  # fmt: skip
    return out


def container_security(rng: Dice) -> Object:
    """A container-level securityContext."""
    out: Object = {}
    maybe(rng, 0.6, lambda: rng.choice([False, False, True]), out, "allowPrivilegeEscalation")
    maybe(rng, 0.1, lambda: rng.choice([True, False]), out, "privileged")
    maybe(rng, 0.2, lambda: rng.choice([True, False]), out, "runAsNonRoot")
    maybe(rng, 0.3, lambda: rng.pick([0, 2000], [-1]), out, "runAsUser")
    maybe(rng, 0.1, lambda: rng.pick([0, 2000], [-1]), out, "runAsGroup")
    maybe(rng, 0.1, lambda: True, out, "readOnlyRootFilesystem")
    maybe(rng, 0.1, lambda: rng.pick(["Default"], ["Unmasked", "Bogus"]), out, "procMount")
    maybe(rng, 0.2, lambda: rng.pick(PROFILES, BAD_PROFILES), out, "seccompProfile")
    maybe(rng, 0.08, lambda: rng.pick(PROFILES, BAD_PROFILES), out, "appArmorProfile")
    maybe(rng, 0.1, lambda: rng.choice(SELINUX), out, "seLinuxOptions")
    if rng.random() < 0.6:
        capabilities: Object = {}
        maybe(rng, 0.8, lambda: ["ALL"] if rng.random() < 0.7 else [rng.choice(CAPABILITIES)], capabilities, "drop")
        maybe(rng, 0.3, lambda: rng.sample(CAPABILITIES, rng.randint(1, 3)), capabilities, "add")
        out["capabilities"] = capabilities
    return out


def container(rng: Dice, name: str, volumes: list[str]) -> Object:
    """One container, now and then with something wrong."""
    out: Object = {"name": name, "image": rng.choice(["i", "i:latest", "r.example/i:1"])}
    maybe(rng, 0.7, lambda: container_security(rng), out, "securityContext")
    maybe(rng, 0.25, lambda: [
        {"containerPort": rng.pick([80, 8080], [0, 65536]), **({"hostPort": rng.pick([80, 9090, 0], [70000])}
         if rng.random() < 0.5 else {}), **({"protocol": rng.pick(["TCP", "UDP"], ["BAD"])} if rng.random() < 0.3
         else {}), **({"name": rng.pick(["http"], ["UPPER", "way-too-long-port-name"])}
         if rng.random() < 0.3 else {})} for _ in range(rng.randint(1, 3))
    ], out, "ports")  # fmt: skip
    maybe(rng, 0.15, lambda: [
        {"name": rng.pick(volumes or ["gone"], ["gone"]), "mountPath": rng.pick(["/a", "/b"], ["", "rel", "/a"]),
         **({"subPath": rng.pick(["s"], ["../x", "/abs"])} if rng.random() < 0.3 else {})}
        for _ in range(rng.randint(1, 2))
    ], out, "volumeMounts")  # fmt: skip
    maybe(rng, 0.15, lambda: [
        {"name": rng.pick(["A", "b.c", "ok_name"], ["", "1=2"]), "value": "v"} for _ in range(rng.randint(1, 2))
    ], out, "env")  # fmt: skip
    maybe(rng, 0.1, lambda: rng.pick(["Always", "IfNotPresent", "Never"], ["Bogus"]), out, "imagePullPolicy")
    maybe(rng, 0.1, lambda: probe(rng), out, "livenessProbe")
    maybe(rng, 0.1, lambda: probe(rng), out, "readinessProbe")
    maybe(rng, 0.1, lambda: rng.pick([
        {"limits": {"memory": "1Mi"}}, {"requests": {"cpu": "1.5", "memory": "1Gi"}}, {"limits": {"cpu": "0.5"}},
    ], [
        {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "500m"}}, {"limits": {"cpu": "-1"}},
        {"requests": {"bogus": "1"}}, {"limits": {"example.com/x": "1.5"}},
    ]), out, "resources")  # fmt: skip
    if rng.random() < UNUSUAL:
        more_container(rng, out, volumes, init=name == "init")
    return out


def probe(rng: Dice) -> Object:
    """A probe, often wrong."""
    out: Object = rng.pick([
        {"httpGet": {"port": 80}}, {"httpGet": {"port": "http", "host": "h", "path": "/"}},
        {"tcpSocket": {"port": 80, "host": "h"}},
    ], [
        {"tcpSocket": {"port": 0}}, {"exec": {"command": []}}, {}, {"tcpSocket": {"port": 70000}},
        {"httpGet": {"port": 80}, "exec": {"command": ["x"]}},
    ])  # fmt: skip
    out = dict(out)
    maybe(rng, 0.3, lambda: rng.pick([0, 5], [-1]), out, "periodSeconds")
    maybe(rng, 0.2, lambda: rng.pick([1], [2, -1]), out, "successThreshold")
    return out


def random_pod(rng: Dice, name: str) -> Object:
    """One pod: two of five wholly right, the others with a few wrong fields or many."""
    rng.wrong = rng.choice([0, 0, 0.05, 0.2, 0.4])
    good, bad = VOLUMES + MORE_VOLUMES, BAD_VOLUMES + MORE_BAD_VOLUMES
    volumes = [{"name": rng.pick(["v"], ["w", "Bad_Name"]), **rng.pick(good, bad)}
               for _ in range(rng.choice([0, 0, 1, 2]))]  # fmt: skip
    names = [str(v["name"]) for v in volumes]
    spec: Object = {"containers": [container(rng, rng.pick(["b", "a-b"], ["a", "Bad"]) if i else "a", names)
                                   for i in range(rng.choice([1, 1, 2]))]}  # fmt: skip
    if volumes:
        spec["volumes"] = volumes
    maybe(rng, 0.8, lambda: pod_security(rng), spec, "securityContext")
    maybe(rng, 0.2, lambda: [container(rng, "init", names)], spec, "initContainers")
    for flag, chance in (("hostNetwork", 0.12), ("hostIPC", 0.12), ("hostPID", 0.08), ("shareProcessNamespace", 0.06)):
        maybe(rng, chance, lambda: rng.choice([True, True, False]), spec, flag)
    maybe(rng, 0.06, lambda: rng.choice([True, False]), spec, "hostUsers")
    maybe(rng, 0.06, lambda: {"name": rng.pick(["linux"], ["windows", "bogus"])}, spec, "os")
    maybe(rng, 0.08, lambda: rng.pick(["Always", "OnFailure", "Never"], ["Bogus"]), spec, "restartPolicy")
    maybe(rng, 0.06, lambda: rng.pick([0, 5], [-1]), spec, "terminationGracePeriodSeconds")
    maybe(rng, 0.06, lambda: rng.pick([1], [0, -1, 2**31]), spec, "activeDeadlineSeconds")
    maybe(rng, 0.08, lambda: {
        rng.pick(["a"], ["bad key", "x/y/z"]): rng.pick(["v"], ["bad value!"])
    }, spec, "nodeSelector")  # fmt: skip
    maybe(rng, 0.08, lambda: [rng.pick([{"key": "k", "operator": "Exists"}, {"operator": "Exists"}], [
        {"key": "k", "operator": "Bogus"},
        {"key": "k", "operator": "Exists", "value": "v"}, {"key": "k", "value": "v", "tolerationSeconds": 5},
        {"key": "k", "value": "v", "effect": "Bogus"},
    ])], spec, "tolerations")  # fmt: skip
    maybe(rng, 0.05, lambda: rng.pick(["Default", "ClusterFirst"], ["None", "Bogus"]), spec, "dnsPolicy")
    metadata: Object = {"name": name}
    maybe(rng, 0.1, lambda: {rng.pick(["a"], ["bad key"]): rng.pick(["v"], ["-bad"])}, metadata, "labels")
    maybe(rng, 0.1, lambda: {
        rng.choice(["seccomp.security.alpha.kubernetes.io/pod", "container.apparmor.security.beta.kubernetes.io/a",
                    "a", "Bad Key"]): rng.choice(["runtime/default", "unconfined", "localhost/x", ""])
    }, metadata, "annotations")  # fmt: skip
    if rng.random() < UNUSUAL:
        more_pod(rng, spec, metadata)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
