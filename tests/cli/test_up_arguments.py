"""`podsysctl up`: what a restart in the background is given."""

from __future__ import annotations

import argparse
import os

import pytest

from podsysctl.base.errors import UsageError
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
