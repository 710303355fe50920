"""Which constraint admits a pod, what it sets, and the text when none does."""

from __future__ import annotations

from typing import Any

import pytest

from podsysctl.policy.scc import admit
from podsysctl.policy.scc.constraint import Constraint
from tests.policy.builders import container, pod, restricted_pod, with_sysctls
from tests.policy.shipped import provider, providers

DEFAULT = ("restricted-v2", "restricted-v3")
CHAPTER = with_sysctls(restricted_pod(), "kernel.shm_rmid_forced", "net.core.somaxconn", "kernel.msgmax")
CHAPTER["spec"]["containers"][0]["securityContext"].pop("runAsUser")


def everyone(constraint: Constraint) -> str:
    """An administrator."""
    return admit.FOR_USER


def plain(constraint: Constraint) -> str:
    """A user with what every authenticated user has."""
    return admit.FOR_SERVICE_ACCOUNT if constraint.name in DEFAULT else admit.FOR_NOBODY


def messages(decision: admit.Decision) -> list[str]:
    """The errors as text."""
    return [str(error) for error in decision.errors]


def test_bare_pod_of_administrator_is_admitted_by_anyuid() -> None:
    """The highest priority fits first; it sets a level, drops MKNOD and nothing about the user."""
    decision = admit.decide_creation(pod(), providers(), everyone)
    assert decision.pod is not None
    assert decision.constraint == "anyuid"
    assert decision.pod["spec"] == {
        "securityContext": {"seLinuxOptions": {"level": "s0:c26,c5"}},
        "containers": [{"name": "c", "image": "i", "securityContext": {"capabilities": {"drop": ["MKNOD"]}}}],
    }
    assert decision.pod["metadata"]["annotations"] == {
        "openshift.io/scc": "anyuid",
        "security.openshift.io/validated-scc-subject-type": "user",
    }


def test_bare_pod_of_plain_user_gets_restricted_v2_defaults() -> None:
    """What the namespace gives: user, group, level, the runtime's seccomp profile."""
    decision = admit.decide_creation(pod(), providers(), plain)
    assert decision.pod is not None
    assert decision.pod["spec"] == {
        "securityContext": {
            "fsGroup": 1000660000,
            "seLinuxOptions": {"level": "s0:c26,c5"},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "c",
                "image": "i",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "runAsNonRoot": True,
                    "runAsUser": 1000660000,
                },
            }
        ],
    }
    assert decision.pod["metadata"]["annotations"] == {
        "openshift.io/scc": "restricted-v2",
        "seccomp.security.alpha.kubernetes.io/pod": "runtime/default",
        "security.openshift.io/validated-scc-subject-type": "serviceaccount",
    }


def test_decision_does_not_change_its_argument() -> None:
    """Gates are pure."""
    target = pod()
    admit.decide_creation(target, providers(), plain)
    assert target == pod()


def test_chapter_pod_of_administrator_falls_through_to_privileged_unchanged() -> None:
    """Only `privileged` allows unsafe sysctls, and it sets nothing, so Pod Security sees the pod as written."""
    decision = admit.decide_creation(CHAPTER, providers(), everyone)
    assert decision.pod is not None
    assert decision.constraint == "privileged"
    assert decision.pod["spec"]["securityContext"] == CHAPTER["spec"]["securityContext"]
    container_security = decision.pod["spec"]["containers"][0]["securityContext"]
    assert container_security == CHAPTER["spec"]["containers"][0]["securityContext"]


def test_chapter_pod_of_plain_user_is_refused_with_every_reason() -> None:
    """The whole denial, in order, equal texts once."""
    decision = admit.decide_creation(CHAPTER, providers(), plain)
    unusable = "Forbidden: not usable by user or serviceaccount"
    sysctls = "pod.spec.securityContext.sysctls"
    assert decision.denial == (
        "unable to validate against any security context constraint: ["
        f'provider "anyuid": {unusable}, '
        f'{sysctls}[1]: Forbidden: unsafe sysctl "net.core.somaxconn" is not allowed, '
        f'{sysctls}[2]: Forbidden: unsafe sysctl "kernel.msgmax" is not allowed, '
        "provider restricted-v3: .spec.securityContext.hostUsers: Invalid value: null: Host Users must be"
        " set to false, "
        f'provider "restricted": {unusable}, provider "nonroot-v2": {unusable}, provider "nonroot": {unusable}, '
        f'provider "hostmount-anyuid": {unusable}, provider "hostnetwork-v2": {unusable}, '
        f'provider "hostnetwork": {unusable}, provider "hostaccess": {unusable}, provider "privileged": {unusable}]'
    )


def test_denial_is_the_same_without_audit() -> None:
    """The quick refusal by sysctl changes nothing of the text."""
    fast = admit.decide_creation(CHAPTER, providers(), plain, audited=False)
    assert fast.denial == admit.decide_creation(CHAPTER, providers(), plain).denial
    assert fast.audit == {}


def test_denial_names_restricted_when_only_access_is_missing() -> None:
    """A pod that the old `restricted` would take is told so."""
    target = pod(containers=[container(securityContext={"allowPrivilegeEscalation": True})])
    decision = admit.decide_creation(target, providers(without=("restricted-v3",)), plain)
    assert messages(decision)[1] == (
        "provider restricted-v2: .containers[0].allowPrivilegeEscalation: Invalid value: true:"
        " Allowing privilege escalation for containers is not allowed"
    )
    assert messages(decision)[-1] == (
        "no access to scc/restricted: Forbidden: the pod fails to validate against the `restricted-v2` security"
        " context constraint, but would validate successfully against the `restricted` security context constraint"
    )


def test_single_error_has_no_brackets_and_second_pass_prints_a_list() -> None:
    """Two forms of the same refusal."""
    only = [provider("anyuid")]
    decision = admit.decide_creation(pod(), only, lambda _: admit.FOR_NOBODY)
    text = 'provider "anyuid": Forbidden: not usable by user or serviceaccount'
    assert decision.denial == f"unable to validate against any security context constraint: {text}"
    assert decision.second_denial == f"unable to validate against any security context constraint: [{text}]"


def test_custom_constraint_lets_unsafe_sysctls_in() -> None:
    """A constraint for the sysctls alone is enough for a plain user who may use it."""
    from tests.policy.shipped import objects

    base = next(o for o in objects() if o["metadata"]["name"] == "restricted-v2")
    custom = {**base, "metadata": {"name": "tuned"}, "allowedUnsafeSysctls": ["kernel.msg*", "net.core.somaxconn"]}
    decision = admit.decide_creation(
        CHAPTER, providers(custom), lambda c: admit.FOR_USER if c.name in (*DEFAULT, "tuned") else admit.FOR_NOBODY
    )
    assert decision.constraint == "tuned"


# One rule each: pod, constraint, error

SYSCTL = "pod.spec.securityContext.sysctls[0]"
RULES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    (
        "restricted-v2",
        {},
        pod(containers=[container(securityContext={"runAsUser": 0, "runAsNonRoot": False})]),
        [
            "provider restricted-v2: .containers[0].runAsUser: Invalid value: 0: must be in the ranges:"
            " [1000660000, 1000669999]"
        ],
    ),
    (
        "restricted-v2",
        {"runAsUser": {"type": "MustRunAs", "uid": 7}},
        pod(securityContext={"runAsUser": 8}),
        ["provider restricted-v2: .containers[0].runAsUser: Invalid value: 8: must be: 7"],
    ),
    (
        "nonroot-v2",
        {},
        pod(containers=[container(securityContext={"runAsUser": 0})]),
        ["provider nonroot-v2: .containers[0].runAsUser: Invalid value: 0: running with the root UID is forbidden"],
    ),
    (
        "nonroot-v2",
        {},
        pod(securityContext={"runAsNonRoot": False}),
        ["provider nonroot-v2: .containers[0].runAsNonRoot: Invalid value: false: must be true"],
    ),
    (
        "restricted-v2",
        {},
        pod(securityContext={"fsGroup": 0}),
        ["provider restricted-v2: .spec.securityContext.fsGroup: Invalid value: [0]: 0 is not an allowed group"],
    ),
    (
        "hostnetwork-v2",
        {},
        pod(securityContext={"supplementalGroups": [1000660005, 5]}),
        [
            "provider hostnetwork-v2: .spec.securityContext.supplementalGroups: Invalid value: [1000660005,5]:"
            " 5 is not an allowed group"
        ],
    ),
    (
        "restricted-v2",
        {},
        pod(hostNetwork=True, hostPID=True),
        [
            "provider restricted-v2: .spec.securityContext.hostNetwork: Invalid value: true: Host network is"
            " not allowed to be used",
            "provider restricted-v2: .spec.securityContext.hostPID: Invalid value: true: Host PID is not"
            " allowed to be used",
            "provider restricted-v2: .containers[0].hostNetwork: Invalid value: true: Host network is not"
            " allowed to be used",
            "provider restricted-v2: .containers[0].hostPID: Invalid value: true: Host PID is not allowed to be used",
        ],
    ),
    (
        "restricted-v2",
        {},
        pod(containers=[container(ports=[{"hostPort": 80}]), container("d")]),
        [
            "provider restricted-v2: .containers[0].containers[0].hostPort: Invalid value: 80: Host ports"
            " are not allowed to be used",
            "provider restricted-v2: .containers[1].containers[0].hostPort: Invalid value: 80: Host ports"
            " are not allowed to be used",
        ],
    ),
    (
        "restricted-v2",
        {},
        pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "emptyDir": {}}]),
        ['spec.volumes[0]: Invalid value: "hostPath": hostPath volumes are not allowed to be used'],
    ),
    (
        "privileged",
        {"allowedFlexVolumes": [{"driver": "a/b"}]},
        pod(volumes=[{"name": "v", "flexVolume": {"driver": "x/y"}}]),
        [
            'provider privileged: .spec.securityContext.volumes[0].driver: Invalid value: "x/y":'
            " Flexvolume driver is not allowed to be used"
        ],
    ),
    (
        "restricted-v2",
        {},
        pod(containers=[container(securityContext={"privileged": True, "capabilities": {"add": ["NET_ADMIN"]}})]),
        [
            "provider restricted-v2: .containers[0].privileged: Invalid value: true: Privileged containers"
            " are not allowed",
            'provider restricted-v2: .containers[0].capabilities.add: Invalid value: "NET_ADMIN": capability'
            ' may not be added',
        ],
    ),
    (
        "restricted-v2",
        {},
        pod(securityContext={"seccompProfile": {"type": "Unconfined"}}),
        [
            "pod.metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: Forbidden: unconfined is not an"
            " allowed seccomp profile. Valid values are [runtime/default]",
            "pod.metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]: Forbidden: unconfined is not"
            " an allowed seccomp profile. Valid values are [runtime/default]",
        ],
    ),
    (
        "restricted",
        {},
        pod(containers=[container(securityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}})]),
        [
            "pod.metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]: Forbidden:"
            " seccomp may not be set"
        ],
    ),
    (
        "anyuid",
        {},
        pod(securityContext={"seLinuxOptions": {"level": "s0:c1,c2", "user": "u"}}),
        [
            'provider anyuid: .spec.securityContext.seLinuxOptions.level: Invalid value: "s0:c1,c2": must be s0:c26,c5',
            'provider anyuid: .spec.securityContext.seLinuxOptions.user: Invalid value: "u": must be ',
            'provider anyuid: .containers[0].seLinuxOptions.level: Invalid value: "s0:c1,c2": must be s0:c26,c5',
            'provider anyuid: .containers[0].seLinuxOptions.user: Invalid value: "u": must be ',
        ],
    ),
    (
        "anyuid",
        {"readOnlyRootFilesystem": True},
        pod(containers=[container(securityContext={"readOnlyRootFilesystem": False})]),
        [
            "provider anyuid: .containers[0].readOnlyRootFilesystem: Invalid value: false:"
            " ReadOnlyRootFilesystem must be set to true"
        ],
    ),
    (
        "privileged",
        {"forbiddenSysctls": ["kernel.shm_rmid_forced"]},
        with_sysctls(pod(), "kernel.shm_rmid_forced"),
        [f'{SYSCTL}: Forbidden: sysctl "kernel.shm_rmid_forced" is not allowed'],
    ),
    (
        "privileged",
        {"forbiddenSysctls": ["*"]},
        with_sysctls(pod(), "net.core.somaxconn"),
        [f'{SYSCTL}: Forbidden: sysctl "net.core.somaxconn" is not allowed'],
    ),
    (
        "anyuid",
        {"allowedUnsafeSysctls": ["net.core.*"]},
        with_sysctls(pod(), "net/core/somaxconn"),
        [f'{SYSCTL}: Forbidden: unsafe sysctl "net/core/somaxconn" is not allowed'],
    ),
    ("anyuid", {"allowedUnsafeSysctls": ["net.core.*"]}, with_sysctls(pod(), "net.core.somaxconn"), []),
    ("anyuid", {}, with_sysctls(pod(), "net.ipv4.tcp_rmem", "net.ipv4.tcp_keepalive_time"), []),
    (
        "restricted-v3",
        {},
        pod(hostUsers=True),
        [
            "provider restricted-v3: .spec.securityContext.hostUsers: Invalid value: true: Host Users must"
            " be set to false"
        ],
    ),
    ("restricted-v3", {}, pod(hostUsers=False), []),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "target", "expected"), RULES)
def test_constraint_rule_gives_upstream_text(
    name: str, changes: dict[str, Any], target: dict[str, Any], expected: list[str]
) -> None:
    """Each rule of a constraint, in upstream's words, at upstream's path."""
    _, errors = provider(name, **changes).assign(target)
    assert [str(error) for error in errors] == expected


def test_level_with_categories_in_other_order_is_the_same() -> None:
    """SELinux does not care about the order."""
    _, errors = provider("anyuid").assign(pod(securityContext={"seLinuxOptions": {"level": "s0:c5,c26"}}))
    assert errors == []


def test_token_volume_counts_as_secret() -> None:
    """The volume that every pod gets for its service account is allowed where secrets are."""
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
            }
        },
    ]
    only_secrets = provider("anyuid", volumes=["secret"])
    assert only_secrets.assign(pod(volumes=[{"name": "t", "projected": {"sources": sources}}]))[1] == []
    other = [{"configMap": {"name": "mine"}}]
    assert only_secrets.assign(pod(volumes=[{"name": "t", "projected": {"sources": other}}]))[1] != []


def test_defaults_of_a_constraint_are_merged_into_a_container() -> None:
    """Default capabilities are added unless dropped, lists are sorted, a default for escalation is set."""
    custom = provider("anyuid", defaultAddCapabilities=["B", "A"], defaultAllowPrivilegeEscalation=True)
    target = pod(containers=[container(securityContext={"capabilities": {"add": ["Z"], "drop": ["A"]}})])
    assigned, _ = custom.assign(target)
    assert assigned["spec"]["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": True,
        "capabilities": {"add": ["B", "Z"], "drop": ["A", "MKNOD"]},
    }


def test_unsupported_annotation_profile_leaves_no_field() -> None:
    """The old annotations win over the fields, as upstream has it."""
    target = pod()
    target["metadata"]["annotations"] = {
        "seccomp.security.alpha.kubernetes.io/pod": "runtime/default",
        "container.seccomp.security.alpha.kubernetes.io/c": "localhost/a.json",
    }
    assigned, errors = provider("privileged").assign(target)
    assert errors == []
    assert assigned["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    own = assigned["spec"]["containers"][0]["securityContext"]["seccompProfile"]
    assert own == {"type": "Localhost", "localhostProfile": "a.json"}


# Updates


def test_update_needs_a_constraint_that_sets_nothing() -> None:
    """A pod that was completed once is admitted again by the same constraint."""
    created = admit.decide_creation(pod(), providers(), plain)
    assert created.pod is not None
    again = admit.decide_update(created.pod, providers(), plain)
    assert again.constraint == "restricted-v2"
    assert admit.decide_update(pod(), providers(), plain).pod is None


def test_update_hint_comes_first() -> None:
    """The constraint that admitted the pod is asked first."""
    assert admit.hinted_order(providers(), "nonroot")[0].constraint.name == "nonroot"
    assert admit.hinted_order(providers(), "")[0].constraint.name == "anyuid"


def test_ephemeral_container_may_be_completed() -> None:
    """An added ephemeral container gets the constraint's settings; nothing else may change."""
    created = admit.decide_creation(pod(), providers(), plain)
    assert created.pod is not None
    created.pod["spec"]["ephemeralContainers"] = [container("e")]
    assert admit.decide_update(created.pod, providers(), plain).pod is None
    decision = admit.decide_update(created.pod, providers(), plain, ephemeral_only=True)
    assert decision.pod is not None
    assert decision.pod["spec"]["ephemeralContainers"][0]["securityContext"]["runAsUser"] == 1000660000


@pytest.mark.parametrize(
    ("change", "ignored"),
    [
        ({"metadata": {"ownerReferences": [{"uid": "u"}]}}, True),
        ({"metadata": {"annotations": {"k8s.ovn.org/pod-networks": "{}"}}}, True),
        ({"metadata": {"annotations": {"other": "x"}}}, False),
        ({"metadata": {"labels": {"a": "b"}}}, False),
        ({"spec": {"schedulingGates": [{"name": "g"}]}}, True),
        ({"spec": {"tolerations": [{"key": "k"}]}}, False),
    ],
)
def test_update_is_ignored_when_nothing_that_matters_changed(change: dict[str, Any], ignored: bool) -> None:
    """Garbage collection and the network's annotation pass without a new verdict."""
    old, new = pod(), pod()
    for part, fields in change.items():
        new[part].update(fields)
    assert admit.is_update_ignored(new, old) is ignored


# Audit


def test_audit_says_why_the_chosen_one_came_first() -> None:
    """The reason compares with the next that would have fitted."""
    decision = admit.decide_creation(pod(), providers(), everyone)
    reason = decision.audit["securitycontextconstraints.admission.openshift.io/reason"]
    assert reason == (
        '"anyuid" is most restrictive, not denied, and chosen over "restricted-v2" because "anyuid" has higher priority'
    )


def test_audit_of_a_refusal_lists_who_was_denied() -> None:
    """The key is spelled as upstream spells it."""
    decision = admit.decide_creation(CHAPTER, providers(), plain)
    assert decision.audit["securityserviceconstraints.admission.openshift.io/denied"].startswith("anyuid,restricted,")
    key = "securitycontextconstraints.admission.openshift.io/too-restrictive-restricted-v2"
    assert "net.core.somaxconn" in decision.audit[key]
    reason = decision.audit["securitycontextconstraints.admission.openshift.io/reason"]
    assert reason == "all too restrictive or denied"


# Namespaces


@pytest.mark.parametrize(
    ("name", "labels", "skipped"),
    [
        ("default", {}, True),
        ("openshift", {}, True),
        ("openshift-monitoring", {}, False),
        ("demo", {"openshift.io/run-level": "1"}, True),
        ("demo", {"openshift.io/run-level": "2"}, False),
        ("demo", {"security.openshift.io/disable-securitycontextconstraints": "true"}, True),
        ("demo", {"security.openshift.io/disable-securitycontextconstraints": "yes"}, False),
    ],
)
def test_namespace_is_skipped_by_name_or_label(name: str, labels: dict[str, str], skipped: bool) -> None:
    """The platform's namespaces, run levels 0 and 1, and those that opted out."""
    assert admit.is_namespace_skipped(name, labels) is skipped


def test_missing_standard_constraints_stop_admission() -> None:
    """Until the shipped set is there nothing is admitted; restricted-v3 is not part of it."""
    assert admit.missing_standard(["anyuid"]).startswith(
        "securitycontextconstraints.security.openshift.io cache is missing hostaccess, hostmount-anyuid, "
    )
    assert admit.missing_standard(admit.STANDARD_NAMES) == ""
