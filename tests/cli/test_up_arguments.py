"""`podsysctl up`: what a restart in the background is given."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.cli import up


def parse(*words: str) -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser()
    up.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    "words",
    [
        ("--port=6443",),
        ("--port=1234", "--masters=1", "--workers=2"),
        ("--port=6443", "--node-name=n", "--allowed-unsafe-sysctls=kernel.msg*", "--default-profiles"),
    ],
)
def test_arguments_are_repeated_for_the_process_in_the_background(words: tuple[str, ...]) -> None:
    """Each that changes the cluster, and none that was not given."""
    again = up._repeated(parse(*words))
    assert vars(parse(*again)) == vars(parse(*words))
    assert set(words) <= set(again)


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_port_that_cannot_be_is_refused_before_anything_is_made(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flag is named, and no directory and no log come into being."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UsageError, match=f"--port {port} is not from 0 to 65535"):
        up.run(parse(f"--port={port}"))


@pytest.mark.parametrize("name", ["Bad_", "a b", "../x", "n" * 64])
def test_node_name_that_cannot_be_is_refused_before_anything_is_made(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flag is named; before, the API refused the Node after bridge, rules and host values had been set."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    directory = tmp_path / "d"
    with pytest.raises(UsageError, match="--node-name"):
        up.run(parse(f"--node-name={name}", f"--data-dir={directory}"))
    assert not directory.exists()


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("nope", "runtime endpoint 'nope' is not the path of a unix socket"),
        ("unix:///does/not/exist.sock", "no container runtime listens on /does/not/exist.sock"),
    ],
)
def test_runtime_that_is_not_there_is_refused_before_anything_is_made(
    endpoint: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it was written down, `down` would ask the same runtime in vain."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    directory = tmp_path / "d"
    with pytest.raises(PodsysctlError, match=text):
        up.run(parse(f"--runtime-endpoint={endpoint}", f"--data-dir={directory}"))
    assert not directory.exists()
