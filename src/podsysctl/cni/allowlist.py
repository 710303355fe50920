"""The node's allowlist file as the plugin reads it. What an entry means is `policy.tuning_allowlist`'s business."""

from __future__ import annotations

import os

from podsysctl.cni import netns, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PATH = "/etc/cni/tuning/allowlist.conf"

PATH_VARIABLE = "PODSYSCTL_TUNING_ALLOWLIST"
"""Environment variable with another path, for machines with several nodes. A file named by it must exist."""

built_in: tuple[str, ...] = ()
"""The default list as the installed program carries it; the catalogue has it too, at several times a call's cost."""


def default_entries() -> Sequence[str]:
    """What holds on a node without a list."""
    if built_in:
        return built_in
    from podsysctl.policy.interface import default_allowlist

    return default_allowlist()


def path() -> str:
    """The file that counts for this process."""
    return os.environ.get(PATH_VARIABLE) or DEFAULT_PATH


def is_demanded() -> bool:
    """Did the administrator name the file, so that its absence is a fault?"""
    return bool(os.environ.get(PATH_VARIABLE))


def read_file(name: str) -> list[str] | None:
    """The entries, None when there is no file. Raises wire.Problem when it cannot be read or is too large."""
    from podsysctl.base import limits
    from podsysctl.policy import tuning_allowlist

    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(fd, limits.CNI_ALLOWLIST_BYTES + 1)
        finally:
            os.close(fd)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise wire.Problem(f"open {name}: {netns.words(error)}") from error
    if len(data) > limits.CNI_ALLOWLIST_BYTES:
        raise wire.Problem(f"{name} has more than {limits.CNI_ALLOWLIST_BYTES} bytes")
    return tuning_allowlist.parse(data.decode("utf-8", "replace"))
