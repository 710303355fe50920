"""What shims leave when they end without us."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from podsysctl.runtime import shims


def test_sockets_that_nobody_listens_on_are_removed(tmp_path: Path) -> None:
    """Older ones are not ours to judge, and one that is listened on stays."""

    def bound(name: str) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.bind(str(tmp_path / name))
        made.listen()
        return made

    for name in ("dead", "old"):
        bound(name).close()
    os.utime(tmp_path / "old", (1, 1))
    with bound("live"):
        shims.remove_dead_sockets(100.0, tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["live", "old"]


def test_no_directory_of_sockets_is_no_error(tmp_path: Path) -> None:
    """No runtime of this host ever started a shim."""
    shims.remove_dead_sockets(0.0, tmp_path / "none")
