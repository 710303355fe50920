from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime.images import toolbox
from podsysctl.runtime.images.aliases import PAUSE, TOOLBOX


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("toolbox") / "toolbox.tar"
    toolbox.build(path)
    return path


def _documents(path: Path) -> tuple[dict[str, bytes], list[dict[str, object]]]:
    with tarfile.open(path) as archive:
        files = {m.name: (archive.extractfile(m) or io.BytesIO()).read() for m in archive if m.isfile()}
    return files, json.loads(files["index.json"])["manifests"]


def _layer(path: Path, name: str) -> tuple[tarfile.TarFile, dict[str, object]]:
    files, manifests = _documents(path)
    entry = next(m for m in manifests if m["annotations"]["io.containerd.image.name"] == name)  # type: ignore[index]
    blob = {f"sha256:{key.rpartition('/')[2]}": value for key, value in files.items()}
    manifest = json.loads(blob[str(entry["digest"])])
    layers = manifest["layers"]
    return tarfile.open(fileobj=io.BytesIO(blob[layers[0]["digest"]])), json.loads(blob[manifest["config"]["digest"]])


def test_build_twice_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    """The image's digest says what is in it and not when it was made."""
    toolbox.build(tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == built.read_bytes()


def test_toolbox_runs_the_chapters_command(built: Path) -> None:
    """`bin/bash` relative to the working directory `/`, through the merged directories."""
    layer, config = _layer(built, TOOLBOX)
    with layer:
        assert layer.getmember("bin").linkname == "usr/bin"
        assert layer.getmember("usr/bin/bash").mode == 0o755
        assert layer.getmember("tmp").mode == 0o1777
        for name in ("sleep", "sysctl", "ip", "tar", "cat", "ls"):
            assert f"usr/bin/{name}" in layer.getnames()
    assert config["config"]["WorkingDir"] == "/"  # type: ignore[index]


def test_toolbox_members_stand_after_their_parents(built: Path) -> None:
    """Every directory is there, owned by root, before what is in it."""
    seen = {"."}
    layer, _ = _layer(built, TOOLBOX)
    with layer:
        for member in layer:
            assert str(Path(member.name).parent) in seen, member.name
            assert (member.uid, member.gid, member.mtime) == (0, 0, 0)
            assert not member.mode & 0o6000
            seen.add(member.name)


def test_pause_image_is_one_small_program(built: Path) -> None:
    """Nothing but what holds a sandbox open."""
    layer, config = _layer(built, PAUSE)
    with layer:
        if "pause" not in layer.getnames():
            pytest.skip("this processor's pause is a shell")
        assert [(m.name, m.mode) for m in layer] == [("pause", 0o755)]
    assert config["config"]["Entrypoint"] == ["/pause"]  # type: ignore[index]


def test_contents_when_nothing_changed_are_equal() -> None:
    """So that a second start builds nothing."""
    assert toolbox.contents().to_json() == toolbox.contents().to_json()


def test_find_commands_without_a_required_one_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a shell cannot make the image."""
    monkeypatch.setattr(toolbox, "_SEARCH", ("/nowhere",))
    with pytest.raises(PodsysctlError, match="bash, sh, sleep, cat, ls"):
        toolbox.find_commands()
