"""A kubelet's own values among those who want something of a parameter."""

from __future__ import annotations

from pathlib import Path

import pytest

from podsysctl.kernel import settings
from podsysctl.sysctls.name import parse_name

PANIC = parse_name("kernel.panic")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("kind: KubeletConfiguration\n", "sets it when it starts"),
        ("kind: KubeletConfiguration\nprotectKernelDefaults: true\n", "insists on it: protectKernelDefaults"),
        ("protectKernelDefaults: false\n", "sets it when it starts"),
    ],
)
def test_kubelet_of_the_machine_comes_after_the_files(tmp_path: Path, text: str, what: str) -> None:
    """Its configuration says whether it sets the value or insists on finding it; without one there is no kubelet."""
    (tmp_path / "etc/sysctl.d").mkdir(parents=True)
    (tmp_path / "etc/sysctl.d/10.conf").write_text("kernel.panic = 5\n")
    assert [source.kind for source in settings.of_host(PANIC, tmp_path)] == ["sysctl.d"]
    file = tmp_path / "var/lib/kubelet/config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    (source,) = settings.of_host(PANIC, tmp_path)[1:]
    assert (source.kind, source.where, source.value) == ("kubelet", f"{file} ({what})", "10")
    assert settings.of_host(parse_name("vm.swappiness"), tmp_path) == []
