"""kubeconfig files and in-cluster credentials."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import yaml

from podsysctl.base.errors import NoClusterError, UsageError
from podsysctl.client import config, kubeconfig


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_write_follows_a_symbolic_link(tmp_path: Path) -> None:
    """Whoever keeps the kubeconfig elsewhere finds it there afterwards."""
    target, link = tmp_path / "kept" / "config", tmp_path / "config"
    target.parent.mkdir()
    link.symlink_to(target)
    kubeconfig.write(link, {"kind": "Config"})
    assert link.is_symlink()
    assert yaml.safe_load(target.read_text()) == {"kind": "Config"}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_write_then_load_gives_the_same_identity(tmp_path: Path) -> None:
    """What `up` writes, every client can read; the file is the owner's alone."""
    path = tmp_path / "new" / "kubeconfig"
    content = kubeconfig.document(server="https://127.0.0.1:6443", ca=b"CA", client_cert=b"C", client_key=b"K")
    kubeconfig.write(path, content)
    loaded = config.load(path)
    assert (loaded.server, loaded.ca, loaded.client_cert, loaded.client_key) == (
        "https://127.0.0.1:6443",
        b"CA",
        b"C",
        b"K",
    )
    assert (loaded.context, loaded.namespace) == ("podsysctl", "default")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["kubeconfig"]


def test_renewed_keeps_what_people_changed() -> None:
    """Address and credentials are new; namespace, current context and foreign entries stay, in their order."""
    old = kubeconfig.document(server="https://old", client_cert=b"OLD", client_key=b"OLD")
    old["contexts"][0]["context"]["namespace"] = "team"
    old["contexts"].insert(0, {"name": "mine", "context": {"cluster": "podsysctl", "user": "mine"}})
    old["users"].append({"name": "mine", "user": {"token": "t"}})
    old |= {"current-context": "mine", "preferences": {"colors": True}, "extensions": [{"name": "x"}]}
    own = kubeconfig.document(server="https://new", client_cert=b"NEW", client_key=b"NEW")
    assert kubeconfig.renewed(old, own) == {
        **old,
        "clusters": own["clusters"],
        "users": [own["users"][0], {"name": "mine", "user": {"token": "t"}}],
    }


@pytest.mark.parametrize("existing", [{}, {"contexts": None, "users": {}, "clusters": [7], "current-context": ""}])
def test_renewed_adds_what_is_missing(existing: dict[str, object]) -> None:
    """A new file, and one from which people removed more than they meant."""
    own = kubeconfig.document(server="https://new")
    assert kubeconfig.renewed(existing, own) == own


def test_load_several_files_first_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$KUBECONFIG is a list; the first file to name an entry decides, and absent files do not matter."""
    one, two = tmp_path / "one", tmp_path / "two"
    kubeconfig.write(one, kubeconfig.document(server="https://one", cluster="c", user="u", context="x"))
    kubeconfig.write(two, kubeconfig.document(server="https://two", cluster="c", user="u", context="y", namespace="n"))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{one}:{two}")
    assert config.load().server == "https://one"
    assert config.load(context="y").namespace == "n"


def test_load_relative_file_is_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    """Certificates beside the kubeconfig are found from any working directory."""
    (tmp_path / "ca.pem").write_bytes(b"CA")
    document = kubeconfig.document(server="https://h")
    document["clusters"][0]["cluster"]["certificate-authority"] = "ca.pem"
    kubeconfig.write(tmp_path / "k", document)
    assert config.load(tmp_path / "k").ca == b"CA"


def test_load_token_user_and_exec_plugin(tmp_path: Path) -> None:
    """Tokens and plugins are read, as is impersonation."""
    document = kubeconfig.document(server="https://h/prefix/", token="t")
    user = document["users"][0]["user"]
    user["as"], user["as-groups"] = "jane", ["g"]
    user["exec"] = {"command": "get-token", "args": ["-x"], "env": [{"name": "A", "value": "b"}]}
    (tmp_path / "k").write_text(yaml.dump(document))
    loaded = config.load(tmp_path / "k")
    assert (loaded.server, loaded.token, loaded.impersonate_user) == ("https://h/prefix", "t", "jane")
    assert loaded.exec_plugin == config.ExecPlugin("get-token", ("-x",), (("A", "b"),))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update({"current-context": "nope"}), 'context "nope" does not exist'),
        (lambda d: d.update(clusters=[]), 'cluster "podsysctl" does not exist'),
        (lambda d: d["clusters"][0].update(cluster={}), "names no server"),
        (lambda d: d["clusters"][0]["cluster"].update({"certificate-authority-data": "%"}), "not base64"),
        (lambda d: d["clusters"][0]["cluster"].update({"certificate-authority": "none"}), "cannot read"),
    ],
)
def test_load_broken_file_names_what_is_missing(tmp_path: Path, change: object, message: str) -> None:
    """The error names the entry."""
    document = kubeconfig.document(server="https://h")
    assert callable(change)
    change(document)
    (tmp_path / "k").write_text(yaml.dump(document))
    with pytest.raises(UsageError, match=message):
        config.load(tmp_path / "k")


def test_load_without_any_configuration_hints_at_up() -> None:
    """Somebody who has no cluster learns how to get one."""
    with pytest.raises(NoClusterError, match="no cluster is configured") as caught:
        config.load()
    assert "podsysctl up" in caught.value.hint


def test_load_not_yaml_says_so(tmp_path: Path) -> None:
    """A file that is something else is named."""
    (tmp_path / "k").write_text("{")
    with pytest.raises(UsageError, match="is not YAML"):
        config.load(tmp_path / "k")


def test_load_in_cluster_reads_the_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod talks to its API with the files that are mounted into it."""
    for name, text in (("ca.crt", "CA"), ("token", "tok\n"), ("namespace", "demo")):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    loaded = config.load_in_cluster(tmp_path)
    assert (loaded.server, loaded.ca, loaded.token, loaded.namespace) == (
        "https://[fd00::1]:6443",
        b"CA",
        "tok",
        "demo",
    )


def test_kubeconfig_in_a_closed_directory_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that root alone may reach is neither absent nor a traceback."""

    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", closed)
    with pytest.raises(UsageError, match="cannot read kubeconfig /closed/kubeconfig: Permission denied") as raised:
        config.read_kubeconfig([Path("/closed/kubeconfig")])
    assert "sudo" in raised.value.hint
