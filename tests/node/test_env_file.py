"""Variables out of files that containers wrote: the format, and that nothing else of the node is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from podsysctl.base import limits
from podsysctl.node import downward, env_file
from podsysctl.node.environment import Resolver
from podsysctl.node.security import ContainerConfigError
from podsysctl.node.volumes.manager import Volume
from tests.node.builders import container, pod


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K='v'", "v"),
        ("\n  # K='no'\n\t K='v' # yes\n", "v"),
        ("A='1'\r\nK='v'\r\n", "v"),
        ("K='two\n lines'\n", "two\n lines"),
        ("K='$(A) \\n \"'", '$(A) \\n "'),
        ("K='1'\nK='2'", "1"),
        ("K='v'\nbroken", "v"),
        ("export K='v'", ""),
        ("K= 'v'", ""),
        ("K=''", ""),
        ("A='K'", ""),
        ("", ""),
    ],
)
def test_value_of_a_key(text: str, value: str) -> None:
    """What the kubelet's parser gives; the first of two counts, and what comes after it is not looked at."""
    assert env_file.find(text, "K") == value


@pytest.mark.parametrize("text", ["A", "=1", "A ='1'", "A=1", 'A="1"', "A=", "A='1", "A='1'x", "A='it''s'", "A = '1'"])
def test_text_of_another_format_is_refused(text: str) -> None:
    """A file that is not understood gives no value, also not of the lines that are."""
    with pytest.raises(env_file.EnvFileError, match="line 2"):
        env_file.find(f"B='1'\n{text}\nK='v'\n", "K")


def test_line_without_an_end_is_read_once(tmp_path: Path) -> None:
    """A container that writes a megabyte of blanks must not hold the node up."""
    with pytest.raises(env_file.EnvFileError):
        env_file.find(" \t" * (limits.ENV_FILE_BYTES // 2) + "x", "K")


def _link(path: Path) -> None:
    secret = path.parent.parent / "secret"
    secret.write_text("K='v'")
    path.symlink_to(secret)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        Path.mkdir,
        os.mkfifo,
        _link,
        lambda path: path.write_bytes(b"K='v'\n" + b"#" * limits.ENV_FILE_BYTES),
    ],
    ids=["missing", "directory", "pipe", "link out of the volume", "too large"],
)
def test_what_is_no_file_of_the_volume_is_not_read(tmp_path: Path, make: Any) -> None:
    """Nothing outside the volume is read, and nothing that would be waited for or not end."""
    volume = tmp_path / "volume"
    volume.mkdir()
    make(volume / "env")
    with pytest.raises(env_file.EnvFileError):
        env_file.read(volume, "env", "K")


async def _resolve(volume: Path, **reference: Any) -> dict[str, str]:
    source = {"fileKeyRef": {"volumeName": "v", "path": "env", **reference}}
    spec, nothing = container(env=[{"name": "A", "valueFrom": source}]), downward.NodeFacts((), {})
    return await Resolver(pod(spec), spec, object(), nothing, (), {"v": Volume(volume)}).resolve()  # type: ignore[arg-type]


async def test_variable_from_a_file_in_the_kubelets_words(tmp_path: Path) -> None:
    """A key that is not there is left out when optional; a file that cannot be read never is."""
    (tmp_path / "env").write_text("K='v'\n")
    assert await _resolve(tmp_path, key="K") == {"A": "v"}
    assert await _resolve(tmp_path, key="L", optional=True) == {}
    for reference, text in (
        ({"key": "L"}, f'environment variable key "L" not found in file "{tmp_path}/env"'),
        ({"key": "L", "path": "none", "optional": True}, "couldn't parse env file"),
        ({"key": "L", "volumeName": "w"}, 'cannot find the volume "w" referenced by FileKeyRef'),
    ):
        with pytest.raises(ContainerConfigError) as caught:
            await _resolve(tmp_path, **reference)
        assert caught.value.message == text
