"""The installed program as a runtime calls it: as a file, with hardly any environment, and with whatever comes in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from podsysctl.cni import install
from podsysctl.policy import interface
from tests.cni.conftest import Call
from tests.cni.sandbox import SOURCE, Answer, Sandbox, run_program

pytestmark = pytest.mark.root

RP_FILTER = "net.ipv4.conf.IFNAME.rp_filter"
REDIRECTS = "net.ipv4.conf.IFNAME.accept_redirects"


def minimal(box: Sandbox, command: str = "ADD", **more: str) -> dict[str, str]:
    """Nothing but what the specification says; not even a PATH."""
    return {
        "CNI_COMMAND": command, "CNI_CONTAINERID": "c1", "CNI_NETNS": box.path, "CNI_IFNAME": "net1", "CNI_PATH": "/x",
        **more,
    }  # fmt: skip


def configuration(data_dir: Path, version: str = "1.0.0", **more: Any) -> bytes:
    """One key, and the result of the plugin before."""
    members = {"cniVersion": version, "name": "n", "type": "podsysctl-tuning", "dataDir": str(data_dir)}
    return json.dumps({**members, "sysctl": {RP_FILTER: "2"}, "prevResult": {"cniVersion": version}, **more}).encode()


@pytest.fixture
def program(tmp_path: Path) -> str:
    """The program in a directory of plugins."""
    return str(install.install(tmp_path / "bin"))


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_program_needs_no_more_than_the_specified_environment(
    program: str, box: Sandbox, tmp_path: Path, version: str
) -> None:
    """No PATH, no HOME, and variables of Python's that lead nowhere."""
    data = configuration(tmp_path / "data", version)
    answer = run_program([program], minimal(box, PYTHONPATH="/absent", PYTHONHOME="/absent", LANG="xx"), data)
    assert (answer.code, answer.json["cniVersion"]) == (0, version)
    assert box.read("net/ipv4/conf/net1/rp_filter") == "2"
    assert run_program([program], minimal(box, "DEL", CNI_NETNS=""), data) == Answer(0, "")


def test_program_takes_the_place_of_a_binary(tmp_path: Path) -> None:
    """`--name tuning` replaces upstream's program, which is no text."""
    (tmp_path / "tuning").write_bytes(b"\x7fELF\xf0\xff")
    path = install.install(tmp_path, "tuning")
    assert path.read_text() == install.text()
    assert path.stat().st_mode & 0o111 == 0o111
    written = path.stat().st_mtime_ns
    assert install.install(tmp_path, "tuning").stat().st_mtime_ns == written


def test_program_that_cannot_be_installed_says_so_in_a_line(tmp_path: Path) -> None:
    """The command is the whole set-up on any cluster's node."""
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "podsysctl.cni.install", str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"error: podsysctl-tuning cannot be installed: .*File exists.*\n", done.stderr)


def test_program_carries_the_default_list_and_imports_next_to_nothing(
    box: Sandbox, tmp_path: Path, program: str
) -> None:
    """A node without a list is the usual one outside OpenShift; its ADD must be as cheap as any."""
    if Path("/etc/cni/tuning/allowlist.conf").exists():
        pytest.skip("this machine has an allowlist of its own")
    entries = interface.default_allowlist()
    assert all(repr(entry) in Path(program).read_text() for entry in entries)
    code = (
        f"import sys; sys.path.insert(0, {SOURCE!r}); from podsysctl.cni import allowlist, plugin\n"
        f"allowlist.built_in = {entries!r}\n"
        "code = plugin.main()\n"
        "print(sorted(name for name in sys.modules if not name.startswith('podsysctl')), file=sys.stderr)\n"
        "print(sorted(name for name in sys.modules if name.startswith('podsysctl')), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-IS", "-c", code], input=configuration(tmp_path / "data"), env=minimal(box),
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    foreign, own = done.stderr.decode().splitlines()
    for name in ("ctypes", "json", "re", "dataclasses", "typing", "pathlib", "argparse", "tomllib", "enum"):
        assert f"'{name}'" not in foreign
    assert "podsysctl.policy.interface" not in own


@pytest.mark.parametrize("stream", [1, 2])
def test_program_with_a_closed_stream_ends_without_a_traceback(
    program: str, box: Sandbox, tmp_path: Path, stream: int
) -> None:
    """Who does not listen to the talk gets the result; one that cannot be told is a failure, which DEL undoes."""
    data, before = configuration(tmp_path / "data"), box.read("net/ipv4/conf/net1/rp_filter")
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" {stream}>&-', program], input=data, env=minimal(box), capture_output=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == (1 if stream == 1 else 0)
    assert b"Traceback" not in done.stderr
    assert run_program([program], minimal(box, "DEL"), data).code == 0
    assert box.read("net/ipv4/conf/net1/rp_filter") == before


def test_program_called_at_once_for_many_interfaces(program: str, box: Sandbox, tmp_path: Path) -> None:
    """A node starts many pods together; they share a folder of records and nothing else."""
    names = [f"m{i}" for i in range(12)]
    box.ip(*(f"link add {name} type bridge" for name in names))
    data = configuration(tmp_path / "data")

    def call(command: str, name: str) -> int:
        return run_program([program], minimal(box, command, CNI_IFNAME=name, CNI_CONTAINERID=name), data).code

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda name: call("ADD", name), names)) == [0] * 12
        assert [box.read(f"net/ipv4/conf/{name}/rp_filter") for name in names] == ["2"] * 12
        assert list(pool.map(lambda name: call("DEL", name), names)) == [0] * 12
    assert [box.read(f"net/ipv4/conf/{name}/rp_filter") for name in names] == ["0"] * 12
    assert list((tmp_path / "data").iterdir()) == []


def test_read_only_file_system_is_refused_before_anything_is_changed(program: str, box: Sandbox) -> None:
    """Without a record nothing could be undone."""
    before = box.read("net/ipv4/conf/net1/rp_filter")
    answer = run_program([program], minimal(box), configuration(Path("/proc/absent")))
    assert (answer.code, answer.message) == (
        1, "failed to save /proc/absent/c1_net1.json: no such file or directory"
    )  # fmt: skip
    assert box.read("net/ipv4/conf/net1/rp_filter") == before


@pytest.mark.parametrize("value", ["[" * 20_000 + "]" * 20_000, "[" * 100_000], ids=["closed", "unclosed"])
def test_deep_configuration_is_refused_in_the_form_of_a_result(call: Call, value: str) -> None:
    """Upstream's bound is 10,000 levels."""
    answer = call("ADD", f'{{"cniVersion":"1.0.0","name":"n","prevResult":{{"x":{value}}}}}'.encode())
    assert (answer.code, answer.json["code"]) == (1, 6)
    assert "exceeded max depth" in answer.message


@pytest.mark.parametrize("depth", [400, 700, 900, 1_100, 9_000])
def test_depth_near_the_interpreters_bound_gets_a_result_whatever_it_is(call: Call, depth: int) -> None:
    """Versions of Python differ in how deep they recurse; a runtime gets an answer of theirs or an error result."""
    value = "[" * depth + "]" * depth
    answer = call("ADD", f'{{"cniVersion":"1.0.0","name":"n","prevResult":{{"x":{value}}}}}'.encode())
    assert answer.json == {"cniVersion": "1.0.0"} or answer.json["code"] == 6


@pytest.mark.parametrize("digits", [21, 4_300, 900_000])
def test_huge_number_is_told_as_one(call: Call, digits: int) -> None:
    """A number of a million digits is no depth, and costs no seconds."""
    number = "9" * digits
    data = f'{{"cniVersion":"1.0.0","name":"n","prevResult":{{}},"mtu":{number}}}'.encode()
    answer = call("ADD", data)
    where = "Go struct field TuningConf.mtu of type int"
    assert answer.message == f"failed to load netconf: json: cannot unmarshal number {number} into {where}"
    unknown = f'{{"cniVersion":"1.0.0","name":"n","prevResult":{{"x":{number}}}}}'.encode()
    assert call("ADD", unknown).json == {"cniVersion": "1.0.0"}


def test_bytes_that_are_no_text_are_replaced_as_gos_decoder_does(call: Call, box: Sandbox) -> None:
    """In a key and in a value; an interface's name that is no text is passed on to the kernel."""
    members = b'{"cniVersion":"1.0.0","name":"n","prevResult":{},"sysctl":{"net.ipv4.conf.IFNAME.%s":"%s"}}'
    assert "no such file" in call("ADD", members % (b"rp_\xff", b"2")).message
    assert "invalid argument" in call("ADD", members % (b"rp_filter", b"\xff")).message
    name = os.fsdecode(b"n\xff")
    assert "Link not found" in call("ADD", {"mtu": 1400}, CNI_IFNAME=name).message


def test_error_result_has_the_version_of_the_configuration(call: Call) -> None:
    """The specification wants it; upstream's library leaves it out, and so does its mode."""
    wrong = {"cniVersion": "0.4.0", "sysctl": {"kernel.shmmax": "1"}}
    assert call("ADD", wrong).json["cniVersion"] == "0.4.0"
    assert call("ADD", {"cniVersion": "9.0.0"}).json["cniVersion"] == "1.1.0"
    assert "cniVersion" not in call("ADD", {**wrong, "mode": "upstream"}).json


@pytest.mark.parametrize("name", ["all", "default"])
def test_name_of_no_interface_cannot_stand_for_the_token(call: Call, box: Sandbox, name: str) -> None:
    """A runtime that is told to set up `all` would set every interface of the pod under one interface's permission."""
    before = box.read(f"net/ipv4/conf/{name}/rp_filter")
    answer = call("ADD", {"sysctl": {RP_FILTER: "2"}}, CNI_IFNAME=name)
    assert "is the name of no interface" in answer.message
    assert box.read(f"net/ipv4/conf/{name}/rp_filter") == before


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_collecting_keeps_attachments_under_either_name(call: Call, tmp_path: Path, key: str) -> None:
    """The specification's text and upstream's library name the list differently."""
    assert call("ADD", {"sysctl": {RP_FILTER: "2"}}).code == 0
    assert call("GC", {key: [{"containerID": "c1", "ifname": "net1"}]}).code == 0
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["c1_net1.json"]
    assert call("GC", {key: [{"containerID": "c2", "ifname": "net1"}]}).code == 0
    assert list((tmp_path / "data").iterdir()) == []


def test_check_without_promisc_accepts_a_promiscuous_interface(call: Call, box: Sandbox) -> None:
    """What ADD leaves alone is not CHECK's business; upstream's mode complains."""
    assert call("ADD", {"mtu": 1400}).code == 0
    box.ip("link set net1 promisc on")
    assert call("CHECK", {"mtu": 1400}).code == 0
    assert "promisc" in call("CHECK", {"mtu": 1400, "mode": "upstream"}).message


def test_second_plugin_of_a_chain_that_fails_leaves_the_firsts_record(call: Call, box: Sandbox, tmp_path: Path) -> None:
    """An interface that lives on, such as a moved one, is restored by DEL although ADD of the chain failed."""
    before = (box.link("net1")["mtu"], box.read("net/ipv4/conf/net1/rp_filter"))
    first = {"mtu": 1400, "sysctl": {RP_FILTER: "2"}}
    second = {"sysctl": {REDIRECTS: "0", "net.ipv4.conf.IFNAME.log_martians": "1 2"}}
    assert call("ADD", first).code == 0
    assert call("ADD", second).code == 1
    assert call("DEL", second).code == 0
    assert call("DEL", first).code == 0
    assert (box.link("net1")["mtu"], box.read("net/ipv4/conf/net1/rp_filter")) == before
    assert list((tmp_path / "data").iterdir()) == []
