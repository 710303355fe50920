"""The API's rules of `spec.securityContext.sysctls`, in pods and in templates of workloads."""

import copy
import json
from typing import Any

import pytest

from podsysctl.base.errors import StatusError
from podsysctl.objects import decode, defaults, kinds, schema, strategy

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


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (POD, 1024, "number into Go struct field Sysctl.spec.securityContext.sysctls.value of type string"),
        (POD, True, "bool into Go struct field Sysctl.spec.securityContext.sysctls.value of type string"),
        (
            DEPLOYMENT,
            1024,
            "number into Go struct field Sysctl.spec.template.spec.securityContext.sysctls.value of type string",
        ),
    ],
)
def test_value_that_is_no_string_is_a_bad_request(kind: kinds.Kind, value: Any, text: str) -> None:
    """400, before anything else is looked at."""
    spec: dict[str, Any] = {"securityContext": {"sysctls": [{"name": "kernel.sem", "value": value}]}}
    body = {"spec": spec if kind is POD else {"template": {"spec": spec}}}
    with pytest.raises(StatusError) as caught:
        decode.decode_json(json.dumps(body).encode(), schema.builtin(kind.type_name), kind)
    version = kind.api_version.rpartition("/")[2]
    assert (caught.value.code, caught.value.status_reason) == (400, "BadRequest")
    assert caught.value.message == (
        f'{kind.kind} in version "{version}" cannot be handled as a {kind.kind}: json: cannot unmarshal {text}'
    )


def test_windows_pod_is_told_why() -> None:
    """The text of the sysctls' own error."""
    found = pod_errors("kernel.sem", os={"name": "windows"})
    assert ("spec.securityContext.sysctls", "Forbidden: cannot be set for a windows pod") in found


@pytest.mark.parametrize("sysctls", [None, []])
def test_no_sysctls_are_no_error(sysctls: Any) -> None:
    """Null and an empty list are the same."""
    spec = {"securityContext": {"sysctls": sysctls}, "containers": [{"name": "c", "image": "i"}], "hostNetwork": True}
    assert errors_of(POD, {"spec": spec}) == []


def test_one_entry_can_have_two_errors() -> None:
    """A repeated name of the host's namespace is refused for both; the host's network is asked before its IPC."""
    found = pod_errors("net.core.somaxconn", "net.core.somaxconn", "kernel.sem", hostNetwork=True, hostIPC=True)
    host = "Invalid value: \"net.core.somaxconn\": may not be specified when 'hostNetwork' is true"
    assert found == [
        ("spec.securityContext.sysctls[0].name", host),
        ("spec.securityContext.sysctls[1].name", 'Duplicate value: "net.core.somaxconn"'),
        ("spec.securityContext.sysctls[1].name", host),
        (
            "spec.securityContext.sysctls[2].name",
            "Invalid value: \"kernel.sem\": may not be specified when 'hostIPC' is true",
        ),
    ]
