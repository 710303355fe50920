from __future__ import annotations

from pathlib import Path

import pytest

from podsysctl.base.errors import UsageError
from podsysctl.runtime.images import aliases
from podsysctl.runtime.images.aliases import PAUSE, TOOLBOX, Aliases


@pytest.mark.parametrize("image", ["centos", "centos:7", "docker.io/library/centos:latest", "docker.io/centos"])
def test_alias_of_a_short_name_holds_for_every_spelling_and_tag(image: str) -> None:
    """A pod may name the image as it likes."""
    assert Aliases(aliases.DEFAULT)[image] == TOOLBOX


def test_alias_of_the_pause_image_is_our_pause() -> None:
    """Manifests that name registry.k8s.io/pause work without a registry."""
    assert Aliases(aliases.DEFAULT)["registry.k8s.io/pause:3.10"] == PAUSE


def test_alias_with_a_tag_holds_for_that_tag_alone() -> None:
    """And goes before the one without a tag."""
    known = Aliases({"app:1": "localhost/one", "app": "localhost/any"})
    assert known["app:1"] == "localhost/one:latest"
    assert known["app:2"] == "localhost/any:latest"
    assert Aliases({"app:1": "localhost/one"}).get("app:2") is None


def test_alias_for_what_is_no_image_name_is_none() -> None:
    """A look-up never fails for what a pod says."""
    assert Aliases(aliases.DEFAULT).get("Not An Image") is None


def test_aliases_saved_are_loaded_again(tmp_path: Path) -> None:
    """Set, replaced by another spelling, removed."""
    path = tmp_path / "aliases.toml"
    known = aliases.load(path).changed("app", "localhost/app:2").changed("docker.io/library/centos", "localhost/c")
    aliases.save(path, known)
    again = aliases.load(path)
    assert again["app"] == "localhost/app:2"
    assert again["centos"] == "localhost/c:latest"
    assert again.changed("centos", None).get("centos") is None
    assert len(again.changed("centos", None)) == len(again) - 1


@pytest.mark.parametrize("text", ["[aliases", '[aliases]\n"a" = 1\n', '[aliases]\n"A B" = "c"\n', "aliases = 3\n"])
def test_aliases_file_that_is_wrong_is_named(tmp_path: Path, text: str) -> None:
    """The error says which file."""
    path = tmp_path / "aliases.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"aliases\.toml"):
        aliases.load(path)


def test_live_aliases_see_a_change_of_the_file(tmp_path: Path) -> None:
    """An alias that is set while the cluster runs holds for the next pod."""
    path = tmp_path / "aliases.toml"
    live = aliases.LiveAliases(path)
    assert live.get("app") is None
    assert live["centos"] == TOOLBOX
    aliases.save(path, aliases.load(path).changed("app", "localhost/app"))
    assert live["app"] == "localhost/app:latest"
