"""What our plugin does better than upstream's, inside real network namespaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podsysctl.base import limits
from podsysctl.sysctls import safe
from tests.cni.conftest import Call
from tests.cni.sandbox import Sandbox, run_program

pytestmark = pytest.mark.root

RP_FILTER = "net.ipv4.conf.IFNAME.rp_filter"
REDIRECTS = "net.ipv4.conf.IFNAME.accept_redirects"
IPV6_HOLES = {"net.ipv6.conf.IFNAME.arp_accept", "net.ipv6.conf.IFNAME.arp_notify"}
"""Names of the documented table that no kernel has."""


def backups(tmp_path: Path) -> list[str]:
    """The records that are left."""
    directory = tmp_path / "data"
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def test_add_sets_values_and_prints_the_previous_result(call: Call, box: Sandbox) -> None:
    """ADD writes every key on the interface and answers with what the plugin before it said."""
    answer = call("ADD", {"sysctl": {RP_FILTER: "2", REDIRECTS: "0"}})
    assert answer.code == 0
    assert answer.json == {"cniVersion": "1.1.0", "interfaces": [{"name": "net1", "sandbox": box.path}]}
    assert box.read("net/ipv4/conf/net1/rp_filter") == "2"
    assert box.read("net/ipv4/conf/net1/accept_redirects") == "0"


def test_add_every_entry_of_the_documented_table_is_set_and_read_back(call: Call, box: Sandbox) -> None:
    """Table 7.5: each entry that this kernel has takes a value through the plugin."""
    names = (*safe.documented("7.5"), *safe.interface_safe())
    wanted: dict[str, str] = {}
    for name in dict.fromkeys(names):
        path = name.replace(".", "/").replace("IFNAME", "net1")
        if not box.inside(lambda path=path: Path("/proc/sys", path).exists()):
            assert name in IPV6_HOLES or name == "net.ipv4.conf.IFNAME.accept_ra", f"{name} is not on this kernel"
            continue
        now = box.read(path)
        wanted[name] = "2000" if name.endswith("_ms") else ("1" if now == "0" else "0")
    assert len(wanted) >= 12
    assert call("ADD", {"sysctl": wanted}).code == 0
    for name, value in wanted.items():
        assert box.read(name.replace(".", "/").replace("IFNAME", "net1")) == value


def test_add_sets_what_cannot_be_read_before_it_is_set(call: Call, box: Sandbox) -> None:
    """The kernel answers EIO for an unset stable_secret, and prints addresses in another spelling than was written."""
    config = {"sysctl": {"net.ipv6.conf.IFNAME.stable_secret": "2001:db8::1"}}
    assert call("ADD", config).code == 0
    assert box.read("net/ipv6/conf/net1/stable_secret") == "2001:0db8:0000:0000:0000:0000:0000:0001"
    assert call("CHECK", config).code == 0
    assert call("DEL", config).code == 0


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("kernel.shmmax", "1", "invalid net sysctl key"),
        ("net.ipv4.conf.IFNAME.bogus", "1", "no such file or directory"),
        ("net/ipv4/conf/IFNAME/../../x", "1", "would leave"),
        ("net.ipv4.conf.IFNAME/../../x.y", "1", "empty part"),
        ("net.ipv4.conf.absent.rp_filter", "1", "no such file or directory"),
        ("net.core.somaxconn", "x", "invalid argument"),
        ("net.ipv4.conf.IFNAME.log_martians", "1 2", "the kernel took"),
    ],
)
def test_add_with_one_bad_key_changes_nothing(
    call: Call, box: Sandbox, tmp_path: Path, key: str, value: str, words: str
) -> None:
    """All keys are checked before the first write, and a refused write undoes those before it."""
    before = box.read("net/ipv4/conf/net1/rp_filter")
    answer = call("ADD", {"sysctl": {RP_FILTER: "2", key: value}, "mtu": 1400})
    assert answer.code == 1
    assert words in answer.message
    assert box.read("net/ipv4/conf/net1/rp_filter") == before
    assert box.link("net1")["mtu"] == 1500
    assert backups(tmp_path) == []


def test_add_with_a_refused_attribute_undoes_the_sysctls(call: Call, box: Sandbox) -> None:
    """A link that takes no such MTU leaves the sysctls as they were."""
    before = box.read("net/ipv4/conf/net1/rp_filter")
    answer = call("ADD", {"sysctl": {RP_FILTER: "2"}, "mtu": 60})
    assert (answer.code, answer.message) == (1, "mtu 60: invalid argument")
    assert box.read("net/ipv4/conf/net1/rp_filter") == before


@pytest.mark.parametrize("values", [{"all": "0", "net1": "1"}, {"net1": "1", "all": "0"}])
def test_add_writes_in_the_order_given(call: Call, box: Sandbox, values: dict[str, str]) -> None:
    """conf.all.forwarding overwrites every interface's, so what comes last counts."""
    box.write("net/ipv4/conf/all/forwarding", "1")
    keys = {f"net.ipv4.conf.{'IFNAME' if name == 'net1' else name}.forwarding": v for name, v in values.items()}
    answer = call("ADD", {"sysctl": keys})
    last_is_all = next(reversed(values)) == "all"
    if last_is_all:  # the interface's own value was overwritten, which reading back finds
        assert answer.code == 1
        assert "is 0 after 1 was written" in answer.message
    else:
        assert answer.code == 0
        assert box.read("net/ipv4/conf/net1/forwarding") == "1"


@pytest.mark.parametrize("attribute", [{"mtu": -1}, {"mtu": 2**31}, {"txQLen": -1}, {"mac": "x"}])
def test_add_with_an_impossible_attribute_changes_nothing(
    call: Call, box: Sandbox, tmp_path: Path, attribute: dict[str, Any]
) -> None:
    """What no link can have is refused before the first write; upstream cuts numbers to 32 bits."""
    before = box.read("net/ipv4/conf/net1/rp_filter")
    assert call("ADD", {"sysctl": {RP_FILTER: "2"}, **attribute}).code == 1
    assert box.read("net/ipv4/conf/net1/rp_filter") == before
    assert backups(tmp_path) == []


def test_check_compares_values_not_text(call: Call, box: Sandbox) -> None:
    """Blanks for tabs, and other spellings of a number, are the same value."""
    sysctl = {"net.ipv4.ip_local_port_range": "32000 60000", RP_FILTER: "0x2"}
    assert call("ADD", {"sysctl": sysctl}).code == 0
    assert call("CHECK", {"sysctl": sysctl}).code == 0
    box.write("net/ipv4/conf/net1/rp_filter", "1")
    answer = call("CHECK", {"sysctl": sysctl})
    assert answer.message == (
        "Error: Tuning configured value of /proc/sys/net/ipv4/conf/net1/rp_filter is 0x2, current value is 1"
    )


def test_check_of_a_hardware_address_ignores_its_spelling(call: Call) -> None:
    """Hyphens and capitals are the same address."""
    assert call("ADD", {"mac": "02-00-00-00-00-AB"}).json["interfaces"][0]["mac"] == "02:00:00:00:00:ab"
    assert call("CHECK", {"mac": "02-00-00-00-00-AB"}).code == 0


def test_delete_restores_sysctls_and_link(call: Call, box: Sandbox, tmp_path: Path) -> None:
    """After DEL everything is as before ADD, and no record is left."""
    before = (box.read("net/ipv4/conf/net1/rp_filter"), box.link("net1")["mtu"], box.link("net1")["txqlen"])
    config: dict[str, Any] = {"sysctl": {RP_FILTER: "2"}, "mtu": 1400, "txQLen": 7, "promisc": True, "allmulti": True}
    assert call("ADD", config).code == 0
    assert box.link("net1")["txqlen"] == 7
    assert backups(tmp_path) == ["c1_net1.json"]
    assert call("DEL", config).code == 0
    assert (box.read("net/ipv4/conf/net1/rp_filter"), box.link("net1")["mtu"], box.link("net1")["txqlen"]) == before
    assert "PROMISC" not in box.link("net1")["flags"]
    assert backups(tmp_path) == []


def test_delete_leaves_what_somebody_else_changed(call: Call, box: Sandbox) -> None:
    """A value that is no longer the one written belongs to somebody else."""
    assert call("ADD", {"sysctl": {RP_FILTER: "2"}}).code == 0
    box.write("net/ipv4/conf/net1/rp_filter", "1")
    assert call("DEL", {"sysctl": {RP_FILTER: "2"}}).code == 0
    assert box.read("net/ipv4/conf/net1/rp_filter") == "1"


def test_delete_twice_or_without_a_namespace_succeeds(call: Call, tmp_path: Path) -> None:
    """DEL is repeated by runtimes, also when the sandbox is gone; the record goes all the same."""
    assert call("ADD", {"sysctl": {RP_FILTER: "2"}}).code == 0
    assert call("DEL", {}, CNI_NETNS="/run/netns/gone").code == 0
    assert backups(tmp_path) == []
    assert call("DEL", {}, CNI_NETNS="").code == 0


def test_delete_with_an_unreadable_record_says_so_once(call: Call, tmp_path: Path) -> None:
    """A record that cannot be understood is an error, and does not keep the pod from ending."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/c1_net1.json").write_text("{")
    assert "cannot be understood" in call("DEL").message
    assert call("DEL").code == 0

@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("mac", "nothing", "mac nothing: address nothing: invalid MAC address"),
        ("mtu", "many", "mtu many: invalid literal"),
        ("sysctl", [["net/ipv4/conf/net1/rp_filter", 1, 2]], "cannot be understood"),
    ],
)
def test_del_with_a_record_that_somebody_changed_says_so_once(
    call: Call, tmp_path: Path, member: str, value: object, words: str
) -> None:
    """What it cannot put back is told, the rest is put back, and the next DEL succeeds."""
    assert call("ADD", {"mtu": 1400, "sysctl": {RP_FILTER: "2"}}).code == 0
    (name,) = backups(tmp_path)
    record = tmp_path / "data" / name
    record.write_text(json.dumps({**json.loads(record.read_text()), member: value}))
    answer = call("DEL")
    assert (answer.code, words in answer.message) == (1, True), answer.message
    assert backups(tmp_path) == []
    assert call("DEL").code == 0


def test_interface_names_may_hold_dots(call: Call, box: Sandbox) -> None:
    """IFNAME, and the spelled-out name with a slash for its dot, both reach the interface."""
    box.ip("link add eth0.100 type bridge")
    keys = {RP_FILTER: "2", "net.ipv4.conf.eth0/100.accept_redirects": "0"}
    assert call("ADD", {"sysctl": keys}, CNI_IFNAME="eth0.100").code == 0
    assert box.read("net/ipv4/conf/eth0.100/rp_filter") == "2"
    assert box.read("net/ipv4/conf/eth0.100/accept_redirects") == "0"


def test_arguments_without_a_sysctl_member_do_not_crash(call: Call, box: Sandbox) -> None:
    """args.cni.sysctl is enough; upstream panics."""
    assert call("ADD", {"args": {"cni": {"sysctl": {RP_FILTER: "2"}}}}).code == 0
    assert box.read("net/ipv4/conf/net1/rp_filter") == "2"
    upstream = call("ADD", {"mode": "upstream", "args": {"cni": {"sysctl": {RP_FILTER: "1"}}}})
    assert (upstream.code, upstream.text) == (2, "")


def test_two_spellings_of_one_key_are_refused(call: Call) -> None:
    """Which of two values counts would be anybody's guess."""
    answer = call("ADD", {"sysctl": {RP_FILTER: "1", "net/ipv4/conf/net1/rp_filter": "2"}})
    assert "duplicated sysctl keys are not allowed" in answer.message


def test_own_network_namespace_is_refused_before_anything_is_changed(call: Call) -> None:
    """A runtime that passes the host's namespace gets code 8 and an untouched host."""
    before = Path("/proc/sys/net/ipv4/conf/lo/rp_filter").read_text()
    wanted = "1" if before.strip() != "1" else "2"
    answer = call("ADD", {"sysctl": {RP_FILTER: wanted}}, CNI_NETNS="/proc/self/ns/net", CNI_IFNAME="lo")
    assert answer.json["code"] == 8
    assert Path("/proc/sys/net/ipv4/conf/lo/rp_filter").read_text() == before


def test_missing_interface_is_refused(call: Call) -> None:
    """An interface that is not there has no settings and no attributes."""
    assert "no such file" in call("ADD", {"sysctl": {RP_FILTER: "1"}}, CNI_IFNAME="absent").message
    assert call("ADD", {"mtu": 1400}, CNI_IFNAME="absent").message == 'failed to get "absent": Link not found'


def test_configuration_of_ten_megabytes_is_refused(call: Call) -> None:
    """Standard input is read up to a bound."""
    data = b'{"name":"tune","sysctl":{' + b",".join(b'"net.x%d":"1"' % i for i in range(600_000)) + b"}}"
    assert len(data) > limits.CNI_CONFIG_BYTES
    answer = call("ADD", data)
    assert answer.message == f"the network configuration has more than {limits.CNI_CONFIG_BYTES} bytes"


def test_collect_removes_records_of_this_network_that_are_not_valid(call: Call, tmp_path: Path) -> None:
    """GC keeps valid attachments, and other networks' records."""
    for container, network in (("c1", "tune"), ("c2", "tune"), ("c3", "other")):
        assert call("ADD", {"name": network, "sysctl": {RP_FILTER: "2"}}, CNI_CONTAINERID=container).code == 0
    valid = [{"containerID": "c1", "ifname": "net1"}]
    assert call("GC", {"cni.dev/valid-attachments": valid}).code == 0
    assert backups(tmp_path) == ["c1_net1.json", "c3_net1.json"]


def test_status_finds_a_broken_allowlist(call: Call, allowlist: Path) -> None:
    """STATUS answers code 50 when no ADD could succeed."""
    assert call("STATUS").code == 0
    allowlist.write_text("[\n")
    assert (call("STATUS").json["code"], call("STATUS").message) == (50, "error parsing regexp: missing closing ]: `[`")


def test_version_names_every_protocol_version(call: Call) -> None:
    """VERSION needs no configuration."""
    assert call("VERSION").json == {
        "cniVersion": "1.1.0",
        "supportedVersions": ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    }


def test_second_plugin_of_a_chain_keeps_the_first_originals(call: Call, box: Sandbox) -> None:
    """Two tuning plugins of one attachment share a record: DEL returns to before the first."""
    before = box.read("net/ipv4/conf/net1/rp_filter")
    assert call("ADD", {"sysctl": {RP_FILTER: "2"}}).code == 0
    assert call("ADD", {"sysctl": {RP_FILTER: "1"}}).code == 0
    assert call("DEL").code == 0
    assert box.read("net/ipv4/conf/net1/rp_filter") == before


def test_installed_program_runs_without_anything_of_the_environment(
    box: Sandbox, allowlist: Path, tmp_path: Path
) -> None:
    """The launcher finds its code by itself and answers like the module."""
    from podsysctl.cni import install

    program = install.install(tmp_path / "bin")
    config = {"cniVersion": "0.4.0", "name": "t", "type": "x", "sysctl": {RP_FILTER: "2"}, "prevResult": {}}
    variables = {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c", "CNI_NETNS": box.path, "CNI_IFNAME": "net1", "CNI_PATH": "/x",
        "PODSYSCTL_TUNING_ALLOWLIST": str(allowlist),
    }  # fmt: skip
    config["dataDir"] = str(tmp_path / "data")
    answer = run_program([str(program)], variables, json.dumps(config).encode())
    assert (answer.code, answer.json) == (0, {"cniVersion": "0.4.0", "dns": {}})
    assert box.read("net/ipv4/conf/net1/rp_filter") == "2"
