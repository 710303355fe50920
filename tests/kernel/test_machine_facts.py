"""What tuning profiles may ask of a machine is read from its files, and the active TuneD profile with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podsysctl.kernel import tuned_files
from podsysctl.kernel.machine_facts import read_machine_facts
from podsysctl.sysctls.tuned.plan import Place


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine of four processors, three of them online, in two packages, with a TuneD."""
    cpu = "sys/devices/system/cpu"
    for name, text in {
        f"{cpu}/online": "0,2-3\n",
        f"{cpu}/present": "0-3\n",
        f"{cpu}/cpu0/topology/physical_package_id": "0\n",
        f"{cpu}/cpu2/topology/physical_package_id": "1\n",
        f"{cpu}/cpu3/topology/physical_package_id": "1\n",
        "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu hypervisor lm\n",
        "etc/tuned/active_profile": "mine\n",
        "etc/tuned/mine-variables.conf": "cores=3\n",
        "etc/tuned/mine/tuned.conf": "[main]\ninclude=base\n[variables]\ninclude=/etc/tuned/mine-variables.conf\n",
        "usr/lib/tuned/base/tuned.conf": (
            "[sysctl]\nvm.swappiness=1${cores}\nkernel.core_pattern=${f:calc_isolated_cores}:${f:virt_check:vm:metal}\n"
        ),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_facts_are_those_of_the_root_directory(root: Path) -> None:
    """Processors, packages, virtualization by the processor's flags, and the files of variables."""
    facts = read_machine_facts(root)
    assert (facts.virtualization, facts.cpus) == ("vm", (0, 2, 3))
    assert facts.uname == " ".join(os.uname())
    assert [path for path, _ in facts.files] == [
        "/proc/cpuinfo",
        "/sys/devices/system/cpu/present",
        "/sys/devices/system/cpu/cpu0/topology/physical_package_id",
        "/sys/devices/system/cpu/cpu2/topology/physical_package_id",
        "/sys/devices/system/cpu/cpu3/topology/physical_package_id",
        "/etc/tuned/mine-variables.conf",
    ]


def test_facts_of_an_empty_root_are_still_facts(tmp_path: Path) -> None:
    """Nothing can be read: as many processors as Python knows, and bare metal."""
    facts = read_machine_facts(tmp_path)
    assert (facts.virtualization, len(facts.cpus), facts.files) == ("none", os.cpu_count(), ())


def test_facts_of_this_machine_name_its_processors() -> None:
    """The real files agree with what the kernel tells this process."""
    facts = read_machine_facts()
    assert set(os.sched_getaffinity(0)) <= set(facts.cpus)
    assert facts.virtualization


def test_active_profile_is_evaluated_with_the_machines_facts(root: Path) -> None:
    """Variables from a file, processors and virtualization all come in."""
    plan = tuned_files.plan_of_active(root)
    assert plan is not None
    assert plan.problems == ()
    assert [(s.name.dotted, s.value) for s in plan.sysctls] == [
        ("vm.swappiness", "13"),
        ("kernel.core_pattern", "3:vm"),
    ]
    assert tuned_files.where(plan.sysctls[0].place, root) == f"{root}/usr/lib/tuned/base/tuned.conf [sysctl]"
    assert tuned_files.where(Place("gone", "sysctl", "x", 1), root) == "gone [sysctl]"


def test_no_active_profile_or_an_unreadable_one_asks_for_nothing(root: Path) -> None:
    """TuneD applies nothing of a profile that it refuses."""
    (root / "etc/tuned/active_profile").write_text("absent\n")
    assert tuned_files.plan_of_active(root) is None
    (root / "etc/tuned/active_profile").unlink()
    assert tuned_files.plan_of_active(root) is None
