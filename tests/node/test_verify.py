"""Reading declared sysctls back: what differs, and what the condition says."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from podsysctl.kernel.namespaces import Namespaces
from podsysctl.node import verify


def _value(name: str) -> str:
    return Path("/proc/sys", *name.split(".")).read_text().strip()


def test_compare_equal_values_differ_only_in_spaces() -> None:
    """Tabs and spaces are one: what the kernel prints with tabs equals what was declared with spaces."""
    name = "net.ipv4.ip_local_port_range"
    declared = {name: "   ".join(_value(name).split()) + " "}
    assert verify.compare(declared, Namespaces.host()) == []


def test_compare_names_wanted_and_got() -> None:
    """A value that is not there is told with what was wanted and what the kernel has."""
    name = "kernel.shm_rmid_forced"
    real = _value(name)
    wanted = "1" if real == "0" else "0"
    [difference] = verify.compare({name: wanted}, Namespaces.host())
    assert (difference.name, difference.wanted, difference.got) == (name, wanted, real)
    assert verify.condition({name: wanted}, [difference]) == {
        "type": "SysctlsVerified",
        "status": "False",
        "reason": "ValuesDiffer",
        "message": f"{name}: wanted {wanted!r}, got {real!r}",
    }


def test_compare_missing_parameter_is_a_difference() -> None:
    """A parameter that this kernel lacks is told with the kernel's reason."""
    [difference] = verify.compare({"net.ipv4.no_such_thing": "1"}, Namespaces.host())
    assert "net.ipv4.no_such_thing" in difference.got


def test_condition_true_counts_the_sysctls() -> None:
    """When all values are there the condition is True."""
    got = verify.condition({"a.b": "1"}, [])
    assert (got["status"], got["message"]) == ("True", "1 declared sysctl read back in the sandbox")


async def test_verify_without_namespaces_is_unknown() -> None:
    """A runtime that tells nothing of the sandbox's process leaves the condition Unknown, never True."""
    outcome = await verify.verify(SimpleNamespace(info={}), {"a.b": "1"})
    assert verify.condition({"a.b": "1"}, outcome)["status"] == "Unknown"


@pytest.mark.parametrize("kinds", [("network", "ipc"), ("network",)])
def test_sandbox_namespaces_come_from_the_spec_without_a_process(kinds: tuple[str, ...]) -> None:
    """CRI-O without an infra container names the namespaces' files instead of a process."""
    namespaces = [{"type": kind, "path": f"/run/{kind}ns/x"} for kind in kinds] + [{"type": "mount"}]
    info = {"pid": 0, "runtimeSpec": {"linux": {"namespaces": namespaces}}}
    got = verify.sandbox_namespaces(SimpleNamespace(info={"info": json.dumps(info)}))
    assert [path for _, path in got.paths] == [f"/run/{kind}ns/x" for kind in kinds]
