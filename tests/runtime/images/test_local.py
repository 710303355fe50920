from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from podsysctl.base.errors import UsageError
from podsysctl.runtime.images import archive, local
from podsysctl.runtime.images.aliases import PAUSE, TOOLBOX
from podsysctl.runtime.images.archive import ImageConfig
from podsysctl.runtime.images.local import LocalImages
from podsysctl.runtime.service import RuntimeService

NAME = "docker.io/library/tiny:1"


@pytest.fixture
def images(runtime: RuntimeService, tmp_path: Path) -> LocalImages:
    return LocalImages(runtime, tmp_path / "images")


def _oci(path: Path, name: str = NAME) -> Path:
    layer = archive.layer({"file": archive.regular(b"content")})
    archive.write_archive(path, {name: ((layer,), ImageConfig(command=("/file",)))})
    return path


def _tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return path


def _docker(path: Path, tag: str, mode: str = "w") -> Path:
    """What `docker save` writes."""
    layer = archive.layer({"file": archive.regular(b"content")})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [_sha(layer)]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    files = {"config.json": _json(config), "layer.tar": layer, "manifest.json": _json(manifest)}
    return _tar(path, files, mode)


def _sha(data: bytes) -> str:
    import hashlib

    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.root
@pytest.mark.runtime
async def test_import_of_an_oci_archive_makes_its_image_present(
    images: LocalImages, runtime: RuntimeService, tmp_path: Path
) -> None:
    """A pod can name it at once."""
    assert await images.import_archive(_oci(tmp_path / "a.tar")) == [NAME]
    assert await runtime.image_status("tiny:1") is not None
    assert any(NAME in image.names for image in await images.list())
    await runtime.remove_image(NAME)


@pytest.mark.root
@pytest.mark.runtime
@pytest.mark.parametrize("mode", ["w", "w:gz"])
async def test_import_of_a_docker_archive_makes_its_image_present(
    images: LocalImages, runtime: RuntimeService, tmp_path: Path, mode: str
) -> None:
    """What `docker save` and `podman save` write, plain or compressed."""
    assert await images.import_archive(_docker(tmp_path / "a.tar", "tiny:2", mode)) == ["docker.io/library/tiny:2"]
    assert await runtime.image_status("tiny:2") is not None
    await runtime.remove_image("tiny:2")


@pytest.mark.root
@pytest.mark.runtime
async def test_tag_gives_an_image_another_name(images: LocalImages, runtime: RuntimeService) -> None:
    """Both names mean one image."""
    assert await images.tag("localhost/podsysctl/toolbox", "localhost/other:1") == "localhost/other:1"
    first, second = await runtime.image_status(TOOLBOX), await runtime.image_status("localhost/other:1")
    assert first is not None
    assert second is not None
    assert first.id == second.id
    await runtime.remove_image("localhost/other:1")
    assert await runtime.image_status(PAUSE) is not None


@pytest.mark.root
@pytest.mark.runtime
async def test_tag_of_a_missing_image_is_refused(images: LocalImages) -> None:
    """The error names it."""
    with pytest.raises(UsageError, match="image nothing is not on this machine"):
        await images.tag("nothing", "other")


@pytest.mark.root
@pytest.mark.runtime
async def test_ensure_toolbox_twice_does_something_once(images: LocalImages) -> None:
    """The second time nothing is built or imported."""
    assert await images.ensure_toolbox() is True
    assert await images.ensure_toolbox() is False


def test_archive_names_of_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    """Text, a tar of something else, JSON that is none or is of another shape."""
    (tmp_path / "text").write_text("hello")
    other = _tar(tmp_path / "other.tar", {"file": b""})
    broken = _tar(tmp_path / "broken.tar", {"manifest.json": b"{"})
    shapes = [
        _tar(tmp_path / f"{i}.tar", {name: _json(document)})
        for i, (name, document) in enumerate(
            [("manifest.json", 5), ("manifest.json", ["x"]), ("index.json", []), ("index.json", {"manifests": [1]})]
        )
    ]
    for path in (tmp_path / "text", other, broken, *shapes):
        with pytest.raises(UsageError, match="is not an image archive") as caught:
            local.archive_names(path)
        assert "\n" not in caught.value.message
    with pytest.raises(UsageError, match=r"/missing cannot be read as an image archive: No such file or directory$"):
        local.archive_names(tmp_path / "missing")


async def test_import_of_an_archive_without_a_name_asks_for_one(tmp_path: Path) -> None:
    """A tag alone names no image."""
    index = {"manifests": [{"annotations": {"org.opencontainers.image.ref.name": "latest"}}]}
    path = _tar(tmp_path / "a.tar", {"index.json": _json(index)})
    with pytest.raises(UsageError, match="names no image"):
        await LocalImages(RuntimeService("/run/none.sock"), tmp_path).import_archive(path)
