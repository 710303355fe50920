"""The real TuneD and this program make the same of the same profiles."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tuned import differential
from tests.tuned.trees import Generator

TOP = Path(__file__).resolve().parents[2]
TREES = int(os.environ.get("PODSYSCTL_TUNED_TREES", "250"))


@pytest.mark.root
def test_generated_trees_give_the_kernel_values_of_the_real_tuned() -> None:
    """Same values in a fresh network namespace, and the same words for what is refused, for every tree.

    The host's own files are applied again on top, as TuneD does. A node of this program comes to the same values, or
    refuses the whole profile, and leaves the originals in the end.
    In a process of its own, since it forks. The package is not installed by `./run test`: on a machine with systemd it
    would bring a daemon that tunes the host from the next start on.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces")
    if differential.missing():
        pytest.skip(differential.missing())
    call = [sys.executable, "-m", "tests.tuned.differential", str(TREES), "7"]
    done = subprocess.run(call, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    first, last = done.stdout.split(" trees, ")
    assert int(first) == TREES
    assert last.endswith(", 0 differences\n")
    loaded, changed, applied = (int(part.split()[0]) for part in last.split(", ")[:3])
    assert loaded > TREES // 2, "hardly any tree was loaded: the comparison means little"
    assert changed > TREES // 2, "hardly any tree changed the kernel: the comparison means little"
    assert applied > TREES // 3, "hardly any tree was applied by a node: the comparison means little"


def test_generated_trees_hold_every_feature() -> None:
    """What is compared is the whole language, in every run of the test above."""
    generator = Generator(7)
    trees = [generator.tree() for _ in range(250)]
    assert sum(bool(tree["host"]) for tree in trees) > 40
    texts = "\n".join(text for tree in trees for _, profiles in tree["directories"] for text in profiles.values())
    for feature in (
        "include=", "include=-", "${f:virt_check:", "${f:strip: p", "[variables]", "replace=1", "drop=", "enabled=0",
        "type=sysctl", "priority=", "uname_regex", "cpuinfo_regex", "=>", "=<", '="', "eth0/100", "# note", "; note",
        " # why", "${v", "\\${v0}", "[DEFAULT]", "${f:regex_search_ternary:", "${f:cpulist_",
    ):  # fmt: skip
        assert feature in texts, feature
