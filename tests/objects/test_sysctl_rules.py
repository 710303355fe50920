"""The API's rules of `spec.securityContext.sysctls`, in pods and in templates of workloads."""

import copy
from typing import Any

import pytest

from podsysctl.base.errors import StatusError
from podsysctl.objects import defaults, kinds, strategy

POD = kinds.builtin_by_kind("v1", "Pod")
DEPLOYMENT = kinds.builtin_by_kind("apps/v1", "Deployment")
SHAPE = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"  # noqa: E501
META = {"name": "p", "namespace": "d", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}


def spec_with(*names: str, **fields: Any) -> dict[str, Any]:
    """A pod specification with these sysctls, all of value 1."""
    sysctls = [{"name": name, "value": "1"} for name in names]
    return {"securityContext": {"sysctls": sysctls}, "containers": [{"name": "c", "image": "i"}], **fields}


def errors_of(kind: kinds.Kind, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    """The fields and messages of what is wrong with an object."""
    obj = copy.deepcopy(obj)
    obj["metadata"] = dict(META)
    defaults.apply_defaults(kind, obj)
    try:
        if old is None:
            strategy.before_create(kind, obj, str)
        else:
            stored = {**copy.deepcopy(old), "metadata": dict(META)}
            defaults.apply_defaults(kind, stored)
            obj["metadata"]["resourceVersion"] = "1"
            strategy.before_update(kind, obj, stored, "", str)
    except StatusError as error:
        return [(cause.field, cause.message) for cause in error.details.causes]
    return []


def pod_errors(*names: str, **fields: Any) -> list[tuple[str, str]]:
    """The errors of a new pod."""
    return errors_of(POD, {"spec": spec_with(*names, **fields)})


@pytest.mark.parametrize(
    "name",
    ["a", "a_b", "a-b", "abc.def", "a/b/c/d", "a/b.c", "net.ipv4.conf.enp3s0/200.forwarding",
     "net/ipv4/conf/enp3s0.200/forwarding", "a" * 253, "kernel.shm_rmid_forced"],
)  # fmt: skip
def test_well_formed_name_is_accepted(name: str) -> None:
    """Dots and slashes mix freely."""
    assert pod_errors(name) == []


@pytest.mark.parametrize(
    "name",
    ["*", "abc*", "a.*", "a_", "_a", "-", ".", "a.", ".a", "a..b", "/a", "a/", "Abc", "net.ipv4.conf.ETH0.x", "é",
     "a" * 254, "a\n"],
)  # fmt: skip
def test_malformed_name_is_refused(name: str) -> None:
    """With the expression it should match."""
    [(field, message)] = pod_errors(name)
    assert field == "spec.securityContext.sysctls[0].name"
    assert message.startswith("Invalid value: ")
    assert message.endswith(f": {SHAPE}")


def test_missing_and_doubled_names_are_told() -> None:
    """Doubles are found on the text as written."""
    assert pod_errors("", "kernel.sem", "kernel/sem", "kernel.sem") == [
        ("spec.securityContext.sysctls[0].name", "Required value"),
        ("spec.securityContext.sysctls[3].name", 'Duplicate value: "kernel.sem"'),
    ]


@pytest.mark.parametrize(
    ("name", "field", "refused"),
    [
        ("net.core.somaxconn", "hostNetwork", True),
        ("net/core/somaxconn", "hostNetwork", True),
        ("kernel.sem", "hostNetwork", False),
        ("kernel.sem", "hostIPC", True),
        ("kernel/shm_rmid_forced", "hostIPC", True),
        ("fs.mqueue.msg_max", "hostIPC", True),
        ("kernel.shm_next_id", "hostIPC", False),
        ("vm.swappiness", "hostIPC", False),
        ("net.core.somaxconn", "hostIPC", False),
        ("net.core.somaxconn", "hostPID", False),
    ],
)
def test_sysctl_of_a_host_namespace_is_refused(name: str, field: str, refused: bool) -> None:
    """A pod that shares a namespace with the host may not set sysctls in it."""
    text = f"Invalid value: \"{name}\": may not be specified when '{field}' is true"
    wanted = [("spec.securityContext.sysctls[0].name", text)] if refused else []
    assert pod_errors(name, **{field: True}) == wanted


def test_windows_pod_has_no_sysctls() -> None:
    """The whole field is forbidden."""
    fields = {field for field, _ in pod_errors("kernel.sem", os={"name": "windows"})}
    assert "spec.securityContext.sysctls" in fields


def test_template_errors_have_the_templates_path() -> None:
    """A workload is refused when its template is."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": spec_with("Bad")}
    [(field, _)] = errors_of(DEPLOYMENT, {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}})
    assert field == "spec.template.spec.securityContext.sysctls[0].name"


def test_sysctls_of_a_pod_never_change() -> None:
    """The refusal shows the difference of the two specifications as Go prints them."""
    old = {"spec": spec_with("kernel.sem")}
    new = copy.deepcopy(old)
    new["spec"]["securityContext"]["sysctls"][0]["value"] = "2"
    [(field, message)] = errors_of(POD, new, old)
    assert field == "spec"
    assert message.startswith(
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
        "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n@@ "
    )
    assert '\n-    "Value": "1"\n+    "Value": "2"\n' in message


def test_pod_that_breaks_the_host_rule_can_still_be_changed() -> None:
    """Pods stored before the rule stay editable."""
    old = {"spec": spec_with("net.core.somaxconn", hostNetwork=True)}
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["image"] = "other"
    assert errors_of(POD, new, old) == []
