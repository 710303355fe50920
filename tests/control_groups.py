"""The control groups that we and the runtime make on a host, for every test that must leave none."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OURS = ("podsysctl", "psctl-tests", "kubepods", "k8s.io")
"""How the names of groups at the top begin: a cluster's, this suite's, and the runtime's own choices."""


def present() -> tuple[str, ...]:
    """Every such group and all below it, in every hierarchy."""
    tops = [
        group
        for hierarchy in (ROOT, *(p for p in ROOT.iterdir() if p.is_dir() and not p.is_symlink()))
        for name in OURS
        for group in hierarchy.glob(f"{name}*")
        if group.is_dir()
    ]
    return tuple(sorted({str(group) for top in tops for group in top.glob("**/")}))
