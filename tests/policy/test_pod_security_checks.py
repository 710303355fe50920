"""Each Pod Security check: its texts, and the last version that refuses beside the first that allows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from podsysctl.policy import checks
from podsysctl.policy.pod_security import Evaluator, LevelVersion, join_details
from podsysctl.policy.pod_view import view_of
from tests.policy.builders import container, pod, restricted_pod, with_sysctls

EVALUATOR = Evaluator(37)
BASELINE, RESTRICTED = "baseline", "restricted"


def violations(target: dict[str, Any], level: str, minor: int | None = None) -> str:
    """The joined details of everything the pod violates."""
    return join_details(EVALUATOR.evaluate(LevelVersion(level, minor), view_of(target)))


def sc(**fields: Any) -> dict[str, Any]:
    """A container with this securityContext."""
    return container(securityContext=fields)


def two(**fields: Any) -> dict[str, Any]:
    """A pod with an init container `i` and a container `c` that both have this securityContext."""
    return pod(
        initContainers=[container("i", securityContext=fields)],
        containers=[container("c", securityContext=fields)],
    )


def annotated(target: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """The pod with annotations; double underscores in keys stand for a slash, single ones for a dot."""
    keys = {key.replace("__", "/").replace("_", "."): value for key, value in annotations.items()}
    target["metadata"]["annotations"] = keys
    return target


BASELINE_CASES: list[tuple[str, dict[str, Any], str]] = [
    (
        "appArmorProfile",
        pod(
            securityContext={"appArmorProfile": {"type": "Unconfined"}},
            containers=[sc(appArmorProfile={"type": "Other"})],
        ),
        'forbidden AppArmor profiles (pod and container "c" must not set AppArmor profile type to'
        ' "Other", "Unconfined")',
    ),
    (
        "appArmorProfile single",
        pod(securityContext={"appArmorProfile": {"type": "Unconfined"}}),
        'forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")',
    ),
    (
        "appArmorProfile annotation",
        annotated(pod(), container_apparmor_security_beta_kubernetes_io__c="unconfined"),
        "forbidden AppArmor profile (annotation must not set AppArmor profile type to"
        ' "container.apparmor.security.beta.kubernetes.io/c="unconfined"")',
    ),
    (
        "capabilities_baseline",
        two(capabilities={"add": ["NET_RAW", "CHOWN", "NET_ADMIN", "chown"]}),
        'non-default capabilities (containers "i", "c" must not include "NET_ADMIN", "NET_RAW", "chown"'
        " in securityContext.capabilities.add)",
    ),
    (
        "hostNamespaces",
        pod(hostNetwork=True, hostPID=True, hostIPC=True),
        "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)",
    ),
    ("hostNamespaces one", pod(hostIPC=True), "host namespaces (hostIPC=true)"),
    (
        "hostPathVolumes",
        pod(volumes=[{"name": "a", "hostPath": {}}, {"name": "b", "emptyDir": {}}, {"name": "d", "hostPath": {}}]),
        'hostPath volumes (volumes "a", "d")',
    ),
    ("hostPathVolumes one", pod(volumes=[{"name": "a", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "a")'),
    (
        "hostPorts",
        pod(containers=[container(ports=[{"hostPort": 9090}, {"hostPort": 80}, {"containerPort": 1}])]),
        'hostPort (container "c" uses hostPorts 80, 9090)',
    ),
    (
        "hostPorts two containers one port",
        pod(containers=[container("a", ports=[{"hostPort": 80}]), container("b", ports=[{"hostPort": 80}])]),
        'hostPort (containers "a", "b" use hostPort 80)',
    ),
    (
        "hostProbesAndHostLifecycle",
        pod(
            containers=[
                container(
                    "z",
                    livenessProbe={"httpGet": {"host": "b"}},
                    lifecycle={"preStop": {"tcpSocket": {"host": "a"}}},
                ),
                container("a", readinessProbe={"tcpSocket": {"host": "a"}}, startupProbe={"httpGet": {"host": ""}}),
            ]
        ),
        'probe or lifecycle host (containers "a", "z" use probe or lifecycle hosts "a", "b")',
    ),
    (
        "privileged",
        two(privileged=True),
        'privileged (containers "i", "c" must not set securityContext.privileged=true)',
    ),
    (
        "procMount",
        pod(containers=[sc(procMount="Unmasked")]),
        'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ),
    (
        "seLinuxOptions",
        pod(
            securityContext={"seLinuxOptions": {"type": "b_t", "user": "u"}},
            containers=[sc(seLinuxOptions={"type": "a_t", "role": "r"})],
        ),
        'seLinuxOptions (pod and container "c" set forbidden securityContext.seLinuxOptions:'
        ' types "a_t", "b_t"; user may not be set; role may not be set)',
    ),
    (
        "seLinuxOptions role only",
        pod(containers=[sc(seLinuxOptions={"type": "container_t", "role": "r"})]),
        'seLinuxOptions (container "c" set forbidden securityContext.seLinuxOptions: role may not be set)',
    ),
    (
        "seccompProfile_baseline",
        pod(
            securityContext={"seccompProfile": {"type": "Unconfined"}},
            containers=[sc(seccompProfile={"type": "Unconfined"})],
        ),
        'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
    (
        "sysctls",
        with_sysctls(pod(), "kernel.msgmax", "kernel.shm_rmid_forced", "net.core.somaxconn", "kernel.msgmax"),
        "forbidden sysctls (kernel.msgmax, net.core.somaxconn, kernel.msgmax)",
    ),
    (
        "sysctls are not normalised",
        with_sysctls(pod(), "kernel/shm_rmid_forced"),
        "forbidden sysctls (kernel/shm_rmid_forced)",
    ),
    (
        "windowsHostProcess",
        pod(
            securityContext={"windowsOptions": {"hostProcess": True}},
            containers=[sc(windowsOptions={"hostProcess": True})],
        ),
        'hostProcess (pod and container "c" must not set securityContext.windowsOptions.hostProcess=true)',
    ),
]


@pytest.mark.parametrize(("target", "text"), [c[1:] for c in BASELINE_CASES], ids=[c[0] for c in BASELINE_CASES])
def test_baseline_check_bad_pod_gives_upstream_text(target: dict[str, Any], text: str) -> None:
    """The newest baseline says what upstream says, to the letter."""
    assert violations(target, BASELINE) == text


RESTRICTED_CASES: list[tuple[str, dict[str, Any], str]] = [
    (
        "bare pod",
        with_sysctls(pod(), "kernel.msgmax"),
        "forbidden sysctls (kernel.msgmax), allowPrivilegeEscalation != false (container"
        ' "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container'
        ' "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container'
        ' "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container'
        ' "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    ),
    (
        "capabilities_restricted",
        restricted_pod(
            containers=[
                container("a", securityContext={"allowPrivilegeEscalation": False}),
                container(
                    "b",
                    securityContext={
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "NET_BIND_SERVICE", "AUDIT_WRITE"]},
                    },
                ),
            ]
        ),
        'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"];'
        ' container "b" must not include "AUDIT_WRITE", "CHOWN" in securityContext.capabilities.add)',
    ),
    (
        "restrictedVolumes",
        restricted_pod(
            volumes=[
                {"name": "a", "nfs": {}},
                {"name": "b", "emptyDir": {}},
                {"name": "c", "hostPath": {}},
                {"name": "d", "novel": {}},
                {"name": "e"},
            ]
        ),
        'restricted volume types (volumes "a", "c", "d" use restricted volume types "hostPath", "nfs", "unknown")',
    ),
    (
        "runAsNonRoot explicit",
        restricted_pod(
            securityContext={"runAsNonRoot": False, "seccompProfile": {"type": "Localhost"}},
        ),
        "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)",
    ),
    (
        "runAsUser",
        restricted_pod(
            securityContext={"runAsNonRoot": True, "runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}}
        ),
        "runAsUser=0 (pod must not set runAsUser=0)",
    ),
    (
        "seccompProfile explicit",
        restricted_pod(securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "Unconfined"}}),
        'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
]


@pytest.mark.parametrize(("target", "text"), [c[1:] for c in RESTRICTED_CASES], ids=[c[0] for c in RESTRICTED_CASES])
def test_restricted_check_bad_pod_gives_upstream_text(target: dict[str, Any], text: str) -> None:
    """The newest restricted level says what upstream says, baseline checks first."""
    assert violations(target, RESTRICTED) == text


@pytest.mark.parametrize("level", [BASELINE, RESTRICTED])
@pytest.mark.parametrize("minor", range(38))
def test_restricted_pod_allowed_by_every_version(level: str, minor: int) -> None:
    """A pod that does everything asked violates nothing, whatever the version."""
    assert violations(restricted_pod(), level, minor) == ""


def win(target: dict[str, Any]) -> dict[str, Any]:
    """The pod, for Windows."""
    target["spec"]["os"] = {"name": "windows"}
    return target


def alpha_seccomp() -> dict[str, Any]:
    """A pod whose only fault is the old annotation."""
    return annotated(pod(), seccomp_security_alpha_kubernetes_io__pod="unconfined")


NO_ESCALATION_FIELD = restricted_pod(containers=[container(securityContext={"capabilities": {"drop": ["ALL"]}})])
NO_DROP = restricted_pod(containers=[container(securityContext={"allowPrivilegeEscalation": False})])
NO_SECCOMP = restricted_pod(securityContext={"runAsNonRoot": True})
ROOT = restricted_pod(
    securityContext={"runAsNonRoot": True, "runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}}
)
UNMASKED = restricted_pod(hostUsers=False)
UNMASKED["spec"]["containers"][0]["securityContext"]["procMount"] = "Unmasked"
USERNS_ROOT = restricted_pod(hostUsers=False, securityContext=ROOT["spec"]["securityContext"])
USERNS_UNSAID = restricted_pod(hostUsers=False, securityContext={"seccompProfile": {"type": "Localhost"}})
PROBE_HOST = pod(containers=[container(livenessProbe={"tcpSocket": {"host": "h"}})])
ENGINE = pod(securityContext={"seLinuxOptions": {"type": "container_engine_t"}})

def forbidden(name: str) -> str:
    """What is said of one sysctl."""
    return f"forbidden sysctls ({name})"


PROBE_TEXT = 'probe or lifecycle host (container "c" uses probe or lifecycle host "h")'
UNMASKED_TEXT = 'procMount (container "c" must not set securityContext.procMount to "Unmasked")'
ENGINE_TEXT = 'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "container_engine_t")'
ALPHA_TEXT = 'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")'
FIELD_TEXT = 'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'
ESCALATION_TEXT = (
    "allowPrivilegeEscalation != false"
    ' (container "c" must set securityContext.allowPrivilegeEscalation=false)'
)
DROP_TEXT = 'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])'
SECCOMP_TEXT = (
    'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or'
    ' "Localhost")'
)
ROOT_TEXT = "runAsUser=0 (pod must not set runAsUser=0)"
UNSAID_TEXT = 'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'
SINCE = {
    "net.ipv4.ip_local_reserved_ports": 27,
    "net.ipv4.tcp_keepalive_time": 29,
    "net.ipv4.tcp_keepalive_intvl": 29,
    "net.ipv4.tcp_keepalive_probes": 29,
    "net.ipv4.tcp_fin_timeout": 29,
    "net.ipv4.tcp_rmem": 32,
    "net.ipv4.tcp_wmem": 32,
    "net.ipv4.tcp_slow_start_after_idle": 37,
    "net.ipv4.tcp_notsent_lowat": 37,
}

BOUNDARIES: list[tuple[str, dict[str, Any], str, int, bool, str]] = [
    *((name, with_sysctls(pod(), name), BASELINE, since, True, forbidden(name)) for name, since in SINCE.items()),
    ("engine type", ENGINE, BASELINE, 31, True, ENGINE_TEXT),
    ("probe host", PROBE_HOST, BASELINE, 34, False, PROBE_TEXT),
    ("unmasked in user namespace, baseline", UNMASKED, BASELINE, 35, True, UNMASKED_TEXT),
    ("seccomp annotation", alpha_seccomp(), BASELINE, 19, True, ALPHA_TEXT),
    (
        "seccomp field",
        pod(securityContext={"seccompProfile": {"type": "Unconfined"}}),
        BASELINE,
        19,
        False,
        FIELD_TEXT,
    ),
    ("escalation", NO_ESCALATION_FIELD, RESTRICTED, 8, False, ESCALATION_TEXT),
    ("escalation, Windows", win(restricted_pod(**NO_ESCALATION_FIELD["spec"])), RESTRICTED, 25, True, ESCALATION_TEXT),
    ("drop all", NO_DROP, RESTRICTED, 22, False, DROP_TEXT),
    ("drop all, Windows", win(restricted_pod(**NO_DROP["spec"])), RESTRICTED, 25, True, DROP_TEXT),
    ("seccomp required", NO_SECCOMP, RESTRICTED, 19, False, SECCOMP_TEXT),
    ("seccomp, Windows", win(restricted_pod(**NO_SECCOMP["spec"])), RESTRICTED, 25, True, SECCOMP_TEXT),
    ("user 0", ROOT, RESTRICTED, 23, False, ROOT_TEXT),
    ("user 0 in user namespace", USERNS_ROOT, RESTRICTED, 35, True, ROOT_TEXT),
    ("runAsNonRoot in user namespace", USERNS_UNSAID, RESTRICTED, 35, True, UNSAID_TEXT),
]


@pytest.mark.parametrize(
    ("target", "level", "minor", "allows", "text"), [b[1:] for b in BOUNDARIES], ids=[b[0] for b in BOUNDARIES]
)
def test_check_version_boundary_changes_verdict(
    target: dict[str, Any], level: str, minor: int, allows: bool, text: str
) -> None:
    """At the boundary the verdict changes, and only there; the refusing side says why to the letter."""
    before, after = (text, "") if allows else ("", text)
    assert violations(target, level, minor - 1) == before
    assert violations(target, level, minor) == after
    assert violations(target, level, None) == after


ADDS = restricted_pod()
ADDS["spec"]["containers"][0]["securityContext"]["capabilities"] = {"drop": ["ALL"], "add": ["NET_ADMIN"]}
HOST_PATH = restricted_pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}])


@pytest.mark.parametrize(
    ("target", "minor", "text"),
    [
        (
            ADDS,
            21,
            'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
        ),
        (
            ADDS,
            22,
            'unrestricted capabilities (container "c" must not include "NET_ADMIN" in'
            " securityContext.capabilities.add)",
        ),
        (HOST_PATH, 0, 'restricted volume types (volume "v" uses restricted volume type "hostPath")'),
        (UNMASKED, 34, UNMASKED_TEXT),
        (UNMASKED, 35, UNMASKED_TEXT),
        (restricted_pod(securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "X"}}), 18, ""),
        (
            restricted_pod(securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "X"}}),
            19,
            'seccompProfile (pod must not set securityContext.seccompProfile.type to "X")',
        ),
    ],
)
def test_restricted_check_overrides_its_baseline_check(target: dict[str, Any], minor: int, text: str) -> None:
    """From the version on in which the stricter check exists it alone speaks; nothing is said twice."""
    assert violations(target, RESTRICTED, minor) == text


DEFAULT_CAPABILITIES = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip
SAFE_VOLUMES = (
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
)  # fmt: skip
CLASSIC_SYSCTLS = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
)  # fmt: skip


def armored(value: str) -> dict[str, Any]:
    """A restricted pod whose container has this AppArmor annotation."""
    return annotated(restricted_pod(), container_apparmor_security_beta_kubernetes_io__c=value)


def alpha(value: str, key: str = "seccomp_security_alpha_kubernetes_io__pod") -> dict[str, Any]:
    """A restricted pod with this seccomp annotation."""
    return annotated(restricted_pod(), **{key: value})


def secured(**fields: Any) -> dict[str, Any]:
    """A restricted pod whose container's securityContext has these fields as well."""
    out = restricted_pod()
    out["spec"]["containers"][0]["securityContext"].update(fields)
    return out


ALLOWED: list[tuple[str, list[dict[str, Any]]]] = [
    (
        "appArmorProfile",
        [
            *(secured(appArmorProfile={"type": kind}) for kind in ("RuntimeDefault", "Localhost")),
            *map(armored, ("", "runtime/default", "localhost/x")),
        ],
    ),
    ("capabilities_restricted", [secured(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})]),
    ("hostNamespaces", [restricted_pod(hostNetwork=False, hostPID=False, hostIPC=False)]),
    ("hostPorts", [restricted_pod(containers=[{**secured()["spec"]["containers"][0], "ports": [{"hostPort": 0}]}])]),
    (
        "hostProbesAndHostLifecycle",
        [
            restricted_pod(containers=[{**secured()["spec"]["containers"][0], "livenessProbe": {kind: {"host": ""}}}])
            for kind in ("httpGet", "tcpSocket")
        ],
    ),
    ("privileged", [secured(privileged=False)]),
    ("procMount", [secured(procMount="Default")]),
    (
        "seLinuxOptions",
        [
            secured(seLinuxOptions={"level": "s0", "type": kind})
            for kind in ("", "container_t", "container_init_t", "container_kvm_t")
        ],
    ),
    (
        "seccompProfile",
        [
            *(secured(seccompProfile={"type": kind}) for kind in ("RuntimeDefault", "Localhost")),
            *map(alpha, ("runtime/default", "docker/default", "localhost/x")),
            alpha("docker/default", "container_seccomp_security_alpha_kubernetes_io__c"),
        ],
    ),
    ("sysctls", [with_sysctls(restricted_pod(), *CLASSIC_SYSCTLS)]),
    ("windowsHostProcess", [secured(windowsOptions={"hostProcess": False}), secured(windowsOptions={})]),
    ("allowPrivilegeEscalation", [secured(allowPrivilegeEscalation=False)]),
    ("restrictedVolumes", [restricted_pod(volumes=[{"name": kind, kind: {}}]) for kind in SAFE_VOLUMES]),
    ("runAsNonRoot", [secured(runAsNonRoot=True)]),
    ("runAsUser", [secured(runAsUser=1), secured(runAsUser=None)]),
]


@pytest.mark.parametrize("minor", range(38))
@pytest.mark.parametrize(("name", "targets"), ALLOWED, ids=[a[0] for a in ALLOWED])
def test_every_allowed_value_passes_in_every_version(name: str, targets: list[dict[str, Any]], minor: int) -> None:
    """What a check's table lists as allowed is allowed by both levels, since its first version."""
    for target in targets:
        assert violations(target, RESTRICTED, minor) == ""
        assert violations(target, BASELINE, minor) == ""


@pytest.mark.parametrize("capability", [*DEFAULT_CAPABILITIES, "NET_ADMIN", "CAP_CHOWN", "chown", "ALL"])
def test_baseline_capabilities_are_the_thirteen_default_ones(capability: str) -> None:
    """Exact spelling; one more letter is another capability."""
    found = violations(pod(containers=[sc(capabilities={"add": [capability]})]), BASELINE)
    text = f'container "c" must not include "{capability}" in securityContext.capabilities.add'
    assert found == ("" if capability in DEFAULT_CAPABILITIES else f"non-default capabilities ({text})")


def test_every_check_has_a_failing_case() -> None:
    """Cases are named for the checks."""
    named = {case[0].split()[0] for case in (*BASELINE_CASES, *RESTRICTED_CASES)}
    elsewhere = {"allowPrivilegeEscalation", "runAsNonRoot", "procMount_restricted", "seccompProfile_restricted"}
    assert {check.id for check in checks.CHECKS} - named - elsewhere == set()


@pytest.mark.parametrize("minor", [0, 34, 35, 37])
def test_unmasked_proc_in_user_namespace_refused_by_restricted(minor: int) -> None:
    """The relaxation of 1.35 holds for baseline; restricted keeps refusing."""
    assert violations(UNMASKED, RESTRICTED, minor).startswith("procMount (")


def test_seccomp_annotation_text_quotes_value() -> None:
    """Before 1.19 the annotation is shown with its value."""
    assert violations(alpha_seccomp(), BASELINE, 18) == (
        'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")'
    )


def test_ephemeral_containers_are_checked_last() -> None:
    """Containers are listed init, ordinary, ephemeral."""
    target = pod(
        initContainers=[container("i", securityContext={"privileged": True})],
        containers=[container("c", securityContext={"privileged": True})],
        ephemeralContainers=[container("e", securityContext={"privileged": True})],
    )
    assert '"i", "c", "e"' in violations(target, BASELINE)


def test_checks_registry_matches_directory() -> None:
    """Every file of the directory is in the registry, and every identifier once."""
    directory = Path(checks.__file__).parent
    names = {path.stem for path in directory.glob("*.py")} - {"__init__"}
    ids = [check.id for check in checks.CHECKS]
    assert len(set(ids)) == len(ids) == 19
    assert {re.sub(r"(?<=[a-z])([A-Z])", lambda m: f"_{m[1].lower()}", i).lower() for i in ids} == names


def test_check_order_is_baseline_then_restricted_by_id() -> None:
    """The order of reasons in a message is upstream's."""
    assert EVALUATOR.check_ids(LevelVersion(BASELINE)) == (
        "appArmorProfile", "capabilities_baseline", "hostNamespaces", "hostPathVolumes", "hostPorts",
        "hostProbesAndHostLifecycle", "privileged", "procMount", "seLinuxOptions", "seccompProfile_baseline",
        "sysctls", "windowsHostProcess",
    )  # fmt: skip
    assert EVALUATOR.check_ids(LevelVersion(RESTRICTED)) == (
        "appArmorProfile", "hostNamespaces", "hostPorts", "hostProbesAndHostLifecycle", "privileged",
        "seLinuxOptions", "sysctls", "windowsHostProcess", "allowPrivilegeEscalation", "capabilities_restricted",
        "procMount_restricted", "restrictedVolumes", "runAsNonRoot", "runAsUser", "seccompProfile_restricted",
    )  # fmt: skip
