"""The distribution's own TuneD as the engine, in namespaces of its own; and how its log is read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from podsysctl.base.errors import UsageError
from podsysctl.node.tuning import tuned_daemon
from podsysctl.node.tuning.status import Finding
from podsysctl.node.tuning.wish import Reason
from tests.chroot import with_root_mount

LINE = "2026-01-01 00:00:00,000 {}    tuned.plugins.plugin_sysctl: {}\n"


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (LINE.format("INFO ", "reapplying system sysctl"), Finding(True, False, Reason.AS_EXPECTED)),
        (
            LINE.format("WARNING", "one") + LINE.format("WARNING", "two"),
            Finding(True, False, Reason.WARNING, "WARNING tuned.plugins.plugin_sysctl: two"),
        ),
        (
            LINE.format("INFO ", "Overriding sysctl parameter 'vm.swappiness' from '10' to '60'"),
            Finding(True, True, Reason.OVERRIDE, "vm.swappiness"),
        ),
        (
            LINE.format("ERROR", "bad") + LINE.format("WARNING", "later"),
            Finding(True, True, Reason.ERROR, "ERROR tuned.plugins.plugin_sysctl: bad"),
        ),
    ],
)
def test_verdict_is_the_gravest_of_the_log(text: str, finding: Finding) -> None:
    """Errors, then overrides, then warnings; of several of a kind the last."""
    assert tuned_daemon.read_verdict(text, applied=True) == finding


def test_verdict_without_the_applied_line_is_a_failure() -> None:
    """TuneD that ends or hangs has applied nothing."""
    assert tuned_daemon.read_verdict("", applied=False).reason is Reason.ERROR


def test_machine_with_several_nodes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One TuneD has one profile."""
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/sbin/tuned")
    with pytest.raises(UsageError, match="one TuneD serves one node"):
        tuned_daemon.check_machine(2)


@with_root_mount
def test_real_tuned_applies_switches_and_is_undone_after_a_kill() -> None:
    """With Debian's package: values, verdicts, and nothing left of it in the end."""
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces are made directly")
    if shutil.which("tuned") is None:
        pytest.skip("TuneD is not installed")
    command = ["unshare", "--mount", "--net", "--ipc", "--uts", sys.executable, "-m",
               "tests.node_tuning.tuned_daemon_driver"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    before = seen["before"]
    assert seen["applied"] == [True, False, "AsExpected", ["777", "33"]]
    assert seen["error"] == [
        True, "TunedError",
        "ERROR tuned.plugins.plugin_sysctl: sysctl option net.core.nowhere will not be set, "
        "failed to read the original value.",
        ["778", before[1]],
    ]  # fmt: skip
    assert seen["foreign"] == "/etc/tuned/foreign: the machine has a profile of this name, which stays"
    assert seen["stopped"] == [before, True]
    assert seen["killed"] == ["777", before[1]]
    assert seen["restored"] == [before, True, ["tuned.log"]]
