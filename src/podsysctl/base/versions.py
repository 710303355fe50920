"""Version numbers that appear in answers, and how versions are compared."""

from __future__ import annotations

import re
from typing import NamedTuple

from podsysctl.base.errors import UsageError

PROGRAM_VERSION = "0.1.0"

KUBERNETES_MINOR = 36
"""The Kubernetes 1.x whose behaviour our API server shows."""

KUBERNETES_VERSION = f"v1.{KUBERNETES_MINOR}.2"


class KernelVersion(NamedTuple):
    """Major and minor of a kernel release, which is what features are gated by."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def parse_kernel_version(release: str) -> KernelVersion:
    """Read the front of a kernel release such as `5.15.0-75-generic`.

    Raises UsageError when it does not begin with two numbers.

    >>> parse_kernel_version("6.18.44-fc-v669")
    KernelVersion(major=6, minor=18)
    """
    match = re.match(r"(\d{1,4})\.(\d{1,4})", release)
    if match is None:
        raise UsageError(f"kernel release {release!r} does not begin with two numbers, such as 6.1")
    return KernelVersion(int(match[1]), int(match[2]))


class ClusterVersion(NamedTuple):
    """Major and minor of Kubernetes."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def parse_cluster_version(text: str) -> ClusterVersion:
    """Read `1.30`, `v1.30` or `v1.30.4`. Raises UsageError on anything else.

    >>> parse_cluster_version("v1.30.4")
    ClusterVersion(major=1, minor=30)
    """
    match = re.fullmatch(r"v?(\d{1,3})\.(\d{1,4})(?:\..*)?", text)
    if match is None:
        raise UsageError(f"cluster version {text!r} is not of the form 1.30")
    return ClusterVersion(int(match[1]), int(match[2]))
