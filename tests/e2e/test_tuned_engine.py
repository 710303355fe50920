"""`up --tuned-engine=tuned` with the distribution's TuneD: its verdict, and nothing of it left, however it ended."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.chroot import with_root_mount
from tests.e2e.test_tuning import original  # noqa: F401 - a fixture


@with_root_mount
def test_real_tuned_applies_profiles_and_leaves_nothing(original: str) -> None:  # noqa: F811
    """Also when the cluster's process was killed and TuneD outlived it."""
    if shutil.which("tuned") is None:
        pytest.skip("TuneD is not installed")
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", "tests.e2e.tuned_engine_driver"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["before"] == original
    assert seen["applied"] == ["73", "AsExpected"]
    assert seen["error"] == [
        "74",
        "TuneD daemon issued one or more error message(s) during profile application. TuneD stderr: ERROR "
        "tuned.plugins.plugin_sysctl: sysctl option vm.nowhere will not be set, failed to read the original value.",
    ]
    assert seen["killed"] == "74"
    assert seen["orphan is gone"]
    assert seen["after"] == [original, True, False]
