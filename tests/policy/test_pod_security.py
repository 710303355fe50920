"""Levels, labels, defaults, exemptions and what a request is answered."""

from __future__ import annotations

from typing import Any

import pytest

from podsysctl.policy.pod_security import (
    OPENSHIFT_DEFAULTS,
    UPSTREAM_DEFAULTS,
    Evaluator,
    LevelVersion,
    Policy,
    parse_policy,
)
from podsysctl.policy.pod_security_request import Exemptions, PodSecurity, is_significant_update
from podsysctl.policy.pod_template import template_at, template_path
from podsysctl.policy.pod_view import view_of
from tests.policy.builders import container, pod, restricted_pod, with_sysctls

P = "pod-security.kubernetes.io/"
OPENSHIFT = PodSecurity(Evaluator(36))
UPSTREAM = PodSecurity(Evaluator(36), UPSTREAM_DEFAULTS, Exemptions())
CHAPTER = with_sysctls(restricted_pod(), "kernel.shm_rmid_forced", "net.core.somaxconn", "kernel.msgmax")


def answer(target: dict[str, Any], labels: dict[str, str], security: PodSecurity = UPSTREAM) -> Any:
    """The answer to the creation of a pod."""
    return security.evaluate_pod(target, namespace="demo", username="dev", labels=labels)


def test_chapter_pod_warned_about_to_the_letter() -> None:
    """OpenShift's defaults let the chapter's pod in and warn about exactly its two unsafe sysctls."""
    got = answer(CHAPTER, {}, OPENSHIFT)
    text = 'would violate PodSecurity "restricted:latest": forbidden sysctls (net.core.somaxconn, kernel.msgmax)'
    assert got.denial == ""
    assert got.warnings == (text,)
    assert got.audit == {"enforce-policy": "privileged:latest", "audit-violations": text}


def test_enforce_denies_without_warning() -> None:
    """A pod that is refused is not also warned about; the audit annotation stays."""
    got = answer(CHAPTER, {P + "enforce": "baseline", P + "enforce-version": "v1.24", P + "audit": "baseline"})
    assert got.denial == (
        'violates PodSecurity "baseline:v1.24": forbidden sysctls (net.core.somaxconn, kernel.msgmax)'
    )
    assert got.warnings == ()
    assert got.audit["enforce-policy"] == "baseline:v1.24"
    assert got.audit["audit-violations"].startswith('would violate PodSecurity "baseline:latest": ')


def test_privileged_namespace_short_circuits() -> None:
    """Without any demand nothing is looked at."""
    got = answer(CHAPTER, {})
    assert (got.denial, got.warnings, got.audit) == ("", (), {"enforce-policy": "privileged:latest"})


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, "privileged:latest privileged:latest privileged:latest"),
        ({"enforce": "baseline"}, "baseline:latest privileged:latest baseline:latest"),
        ({"enforce": "restricted", "enforce-version": "v1.25"}, "restricted:v1.25 privileged:latest restricted:v1.25"),
        (
            {"enforce": "restricted", "enforce-version": "v1.25", "warn-version": "v1.30"},
            "restricted:v1.25 privileged:latest restricted:v1.30",
        ),
        ({"enforce": "restricted", "warn": "baseline"}, "restricted:latest privileged:latest baseline:latest"),
        ({"enforce": "privileged"}, "privileged:latest privileged:latest privileged:latest"),
        ({"audit-version": "v1.0"}, "privileged:latest privileged:v1.0 privileged:latest"),
    ],
)
def test_parse_policy_labels_resolve_as_upstream(labels: dict[str, str], expected: str) -> None:
    """Missing labels take defaults, and warn follows a stricter enforce."""
    policy, errors = parse_policy({P + key: value for key, value in labels.items()}, UPSTREAM_DEFAULTS)
    assert f"{policy.enforce} {policy.audit} {policy.warn}" == expected
    assert errors == []


def test_parse_policy_warn_default_stays_when_stricter() -> None:
    """OpenShift's restricted warning is not lowered by enforcing baseline."""
    policy, _ = parse_policy({P + "enforce": "baseline"}, OPENSHIFT_DEFAULTS)
    assert str(policy.warn) == "restricted:latest"


@pytest.mark.parametrize(
    ("label", "value", "rule", "result"),
    [
        ("enforce", "foo", "must be one of privileged, baseline, restricted", "restricted:latest"),
        ("audit", "foo", "must be one of privileged, baseline, restricted", "privileged:latest"),
        ("warn", "", "must be one of privileged, baseline, restricted", "privileged:latest"),
        ("enforce-version", "1.25", 'must be "latest" or "v1.x"', "privileged:latest"),
        ("audit-version", "v1.01", 'must be "latest" or "v1.x"', "privileged:latest"),
        ("warn-version", "v2.0", 'must be "latest" or "v1.x"', "privileged:latest"),
        ("warn-version", "v1.99999999999999999999", 'must be "latest" or "v1.x"', "privileged:latest"),
    ],
)
def test_parse_policy_bad_label_reported_and_failed_safe(label: str, value: str, rule: str, result: str) -> None:
    """A bad label is an error of its field; meanwhile enforce fails closed, audit and warn open."""
    policy, errors = parse_policy({P + label: value}, UPSTREAM_DEFAULTS)
    assert [str(e) for e in errors] == [f'metadata.labels[{P}{label}]: Invalid value: "{value}": {rule}']
    assert str(getattr(policy, label.removesuffix("-version"))) == result


def test_bad_stored_label_is_audited_and_evaluated() -> None:
    """A namespace with a bad enforce level counts as restricted, and the audit says why."""
    got = answer(CHAPTER, {P + "enforce": "x", P + "audit": "y"})
    assert got.denial.startswith('violates PodSecurity "restricted:latest"')
    assert got.audit["error"].startswith(f"Failed to parse policy: [metadata.labels[{P}enforce]: Invalid value")


def test_version_beyond_newest_evaluated_as_newest() -> None:
    """v1.37 on a 1.36 server uses 1.36's checks and still prints its own version."""
    target = with_sysctls(restricted_pod(), "net.ipv4.tcp_notsent_lowat")
    labels = {P + "enforce": "baseline", P + "enforce-version": "v1.37"}
    assert answer(target, labels).denial == (
        'violates PodSecurity "baseline:v1.37": forbidden sysctls (net.ipv4.tcp_notsent_lowat)'
    )
    newer = PodSecurity(Evaluator(37), UPSTREAM_DEFAULTS, Exemptions())
    assert answer(target, labels, newer).denial == ""


def test_evaluator_emulates_older_server() -> None:
    """A 1.26 server's latest is its own newest."""
    view = view_of(with_sysctls(pod(), "net.ipv4.ip_local_reserved_ports"))
    assert Evaluator(26).evaluate(LevelVersion("baseline"), view)
    assert not Evaluator(27).evaluate(LevelVersion("baseline"), view)


EXEMPT = PodSecurity(Evaluator(36), OPENSHIFT_DEFAULTS, Exemptions(("robot",), ("free",), ("vm",)))


@pytest.mark.parametrize(
    ("namespace", "username", "spec", "exempt"),
    [
        ("free", "robot", {}, "namespace"),
        ("demo", "robot", {}, "user"),
        ("demo", "dev", {"runtimeClassName": "vm"}, "runtimeClass"),
    ],
)
def test_exemption_lets_pod_pass_with_annotation(
    namespace: str, username: str, spec: dict[str, str], exempt: str
) -> None:
    """Namespace, then user, then runtime class."""
    got = EXEMPT.evaluate_pod(
        pod(hostPID=True, **spec), namespace=namespace, username=username, labels={P + "enforce": "restricted"}
    )
    assert (got.denial, got.warnings, got.audit) == ("", (), {"exempt": exempt})


def test_template_is_warned_about_never_denied() -> None:
    """A workload is created whatever its pods are."""
    got = UPSTREAM.evaluate_template(
        pod(hostPID=True), namespace="demo", username="dev", labels={P + "enforce": "baseline"}
    )
    assert got.denial == ""
    assert got.warnings == ('would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)',)
    assert "enforce-policy" not in got.audit


def test_template_of_privileged_namespace_or_absent_is_ignored() -> None:
    """Nothing to say when nothing is demanded or there is no template."""
    for template, labels in ((pod(hostPID=True), {}), (None, {P + "warn": "baseline"})):
        assert UPSTREAM.evaluate_template(template, namespace="d", username="u", labels=labels).audit == {}


@pytest.mark.parametrize(
    ("api_version", "kind", "path"),
    [
        ("v1", "Pod", ()),
        ("v1", "PodTemplate", ("template",)),
        ("v1", "ReplicationController", ("spec", "template")),
        ("apps/v1", "Deployment", ("spec", "template")),
        ("apps/v1", "StatefulSet", ("spec", "template")),
        ("apps/v1", "DaemonSet", ("spec", "template")),
        ("apps/v1", "ReplicaSet", ("spec", "template")),
        ("batch/v1", "Job", ("spec", "template")),
        ("batch/v1", "CronJob", ("spec", "jobTemplate", "spec", "template")),
        ("v1", "Deployment", None),
        ("apps/v1", "Pod", None),
    ],
)
def test_template_path_knows_every_workload(api_version: str, kind: str, path: tuple[str, ...] | None) -> None:
    """Nine kinds create pods."""
    assert template_path({"apiVersion": api_version, "kind": kind}) == path


def test_template_at_missing_is_none() -> None:
    """A workload without template gives nothing rather than an error."""
    assert template_at({"spec": None}, ("spec", "template")) is None


# Namespaces


def ns_answer(
    labels: dict[str, str],
    old: dict[str, str] | None,
    pods: list[dict[str, Any]] | None = None,
    security: PodSecurity = UPSTREAM,
    name: str = "demo",
) -> Any:
    """The answer to a change of a namespace."""
    keyed = {P + key: value for key, value in labels.items()}
    old_keyed = None if old is None else {P + key: value for key, value in old.items()}
    return security.evaluate_namespace(name, keyed, old_keyed, lambda: pods or [])


def test_namespace_bad_label_refused_on_create() -> None:
    """A new namespace needs valid labels."""
    got = ns_answer({"enforce": "foo", "enforce-version": "1"}, None)
    assert [str(e) for e in got.invalid] == [
        f'metadata.labels[{P}enforce]: Invalid value: "foo": must be one of privileged, baseline, restricted',
        f'metadata.labels[{P}enforce-version]: Invalid value: "1": must be "latest" or "v1.x"',
    ]


def test_namespace_bad_label_refused_only_when_changed() -> None:
    """What was bad before may stay as it is."""
    assert ns_answer({"enforce": "foo"}, {"enforce": "foo"}).invalid == ()
    assert ns_answer({"enforce": "bar"}, {"enforce": "foo"}).invalid != ()


def named(name: str, owner: str = "", **spec: Any) -> dict[str, Any]:
    """A pod with a name and perhaps a controller."""
    out = pod(**spec)
    out["metadata"]["name"] = name
    if owner:
        out["metadata"]["ownerReferences"] = [{"uid": owner, "controller": True}]
    return out


def test_namespace_stricter_label_lists_violating_pods() -> None:
    """Pods are grouped by reason, named by the first of them, and never block the change."""
    pods = [
        named("web-2", hostPID=True),
        named("db", hostNetwork=True),
        named("web-1", hostIPC=True),
        named("cache", volumes=[{"name": "v", "hostPath": {}}]),
        named("fine"),
        named("web-3", hostPID=True),
    ]
    got = ns_answer({"enforce": "baseline"}, {}, pods)
    assert got.warnings == (
        'existing pods in namespace "demo" violate the new PodSecurity enforce level "baseline:latest"',
        "cache: hostPath volumes",
        "db (and 3 other pods): host namespaces",
    )


def test_namespace_two_pods_of_one_reason_are_one_other_pod() -> None:
    """Singular and plural as upstream has them."""
    got = ns_answer({"enforce": "baseline"}, {}, [named("b", hostPID=True), named("a", hostPID=True)])
    assert got.warnings[1] == "a (and 1 other pod): host namespaces"


def test_namespace_late_check_says_how_far_it_came() -> None:
    """When time is up the first warning counts the pods."""
    pods = [named("a", "rs"), named("b", "rs"), named("c")]
    got = UPSTREAM.evaluate_namespace("demo", {P + "enforce": "baseline"}, {}, lambda: pods, lambda: True)
    assert got.warnings == ("new PodSecurity enforce level only checked against the first 1 of 3 existing pods",)


def test_namespace_replicas_are_checked_after_others() -> None:
    """One pod of each controller comes first, so that a bound hides the least."""
    pods = [named("a", "rs"), named("b", "rs", hostPID=True), named("c", hostPID=True)]
    seen: list[int] = []

    def is_late() -> bool:
        seen.append(1)
        return len(seen) == 2

    got = UPSTREAM.evaluate_namespace("demo", {P + "enforce": "baseline"}, {}, lambda: pods, is_late)
    assert got.warnings[-1] == "c: host namespaces"


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ({"enforce": "privileged"}, {"enforce": "restricted"}),
        ({"enforce": "baseline"}, {"enforce": "restricted"}),
        ({"enforce": "baseline"}, {"enforce": "baseline"}),
        ({"warn": "restricted"}, {}),
    ],
)
def test_namespace_relaxed_or_unchanged_enforce_checks_nothing(new: dict[str, str], old: dict[str, str]) -> None:
    """Existing pods are looked at only when the demand grows."""
    assert ns_answer(new, old, [named("a", hostPID=True)]).warnings == ()


def test_namespace_changed_version_checks_pods() -> None:
    """Another version of the same level may refuse more."""
    got = ns_answer(
        {"enforce": "baseline", "enforce-version": "v1.20"}, {"enforce": "baseline"}, [named("a", hostPID=True)]
    )
    assert '"baseline:v1.20"' in got.warnings[0]


def test_namespace_exempt_is_told_that_labels_are_ignored() -> None:
    """Only modes with labels of their own and a demand are listed."""
    text = 'namespace "free" is exempt from Pod Security, and the policy (enforce=restricted:v1.25) will be ignored'
    for old in (None, {}):
        got = ns_answer({"enforce": "restricted", "enforce-version": "v1.25"}, old, security=EXEMPT, name="free")
        assert got.warnings == (text,)


def test_namespace_exempt_with_default_policy_is_silent() -> None:
    """A policy equal to the cluster's default needs no word."""
    assert ns_answer({"warn": "restricted"}, None, security=EXEMPT, name="free").warnings == ()


def test_policies_privileged_in_different_versions_are_equivalent() -> None:
    """A privileged level demands nothing in any version."""
    a, b = LevelVersion("privileged", 1), LevelVersion("privileged")
    assert Policy(a, a, a).is_equivalent(Policy(b, b, b))
    assert not LevelVersion("baseline", 1).is_equivalent(LevelVersion("baseline"))


@pytest.mark.parametrize(
    ("new", "significant"),
    [
        (pod(), False),
        (pod(tolerations=[{}]), False),
        (pod(containers=[container(image="other")]), True),
        (pod(containers=[container(), container("d")]), True),
        (pod(initContainers=[container("i")]), True),
        (pod(ephemeralContainers=[container("e")]), True),
    ],
)
def test_pod_update_is_significant_when_images_change(new: dict[str, Any], significant: bool) -> None:
    """Images and the number of containers are what an update may change for the worse."""
    assert is_significant_update(new, pod()) is significant


def test_ephemeral_container_with_same_image_is_not_significant() -> None:
    """Only a new or changed ephemeral container counts."""
    old = pod(ephemeralContainers=[container("e")])
    assert not is_significant_update(old, old)
    assert is_significant_update(pod(ephemeralContainers=[container("e", image="x")]), old)
