"""Annotations, definitions, running plugins and undoing them, without a cluster."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.base.versions import KernelVersion
from podsysctl.node.networks import definitions, detach, places, selection, status
from podsysctl.node.networks.bridges import Bridges
from podsysctl.node.networks.extension import Networks
from podsysctl.node.networks.invocation import Attachment, PluginFailedError, Plugins, Target
from podsysctl.node.networks.records import BadRecordError, Record, Records
from podsysctl.policy import interface, kubelet

PLUGIN = """#!/bin/sh
input=$(cat)
echo "$CNI_COMMAND {name} $CNI_IFNAME $CNI_NETNS $input" >> {log}
{body}
"""


def pod(**annotations: str) -> dict[str, Any]:
    """A pod with annotations by short names."""
    keys = {
        "networks": interface.NETWORKS,
        "sysctls": interface.INTERFACE_SYSCTLS,
        "default": selection.DEFAULT_NETWORK,
    }
    metadata = {"name": "p", "namespace": "ns", "uid": "u", "annotations": {keys[k]: v for k, v in annotations.items()}}
    return {"metadata": metadata, "spec": {}}


def test_selection_of_a_pod_without_annotations_is_empty() -> None:
    """Most pods ask for nothing, which costs nothing."""
    assert selection.of_pod(pod()).is_empty


def test_selection_names_interfaces_in_order() -> None:
    """net1, net2, ... by place in the list; a given name is kept."""
    found = selection.of_pod(pod(networks='[{"name":"a"},{"name":"b","interface":"x0"},{"name":"c"}]')).attachments
    assert [(one.namespace, one.name, one.interface) for one in found] == [
        ("ns", "a", "net1"), ("ns", "b", "x0"), ("ns", "c", "net3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ({"networks": "a@net1,b@net1"}, "interface net1 is taken already"),
        ({"networks": "a@eth0"}, "interface eth0 is taken already"),
        ({"networks": '[{"name":"a","interface":"sixteen-letters-"}]'}, "1 to 15 bytes"),
        ({"networks": '[{"name":"a","interface":"a/b"}]'}, "no interface name can have"),
        ({"networks": "a@all"}, "is the name of no interface"),
        ({"sysctls": '{"default":{"net.ipv4.conf.IFNAME.rp_filter":"2"}}'}, "is the name of no interface"),
        ({"networks": "[{}]"}, "has no name"),
        ({"networks": "a/b/c"}, "parsePodNetworkObjectName: Invalid network object (failed at '/')"),
        ({"networks": "a@b@c"}, "parsePodNetworkObjectName: Invalid network object (failed at '@')"),
        ({"networks": ",".join(["a"] * 65)}, "at most 64"),
        ({"default": "x"}, "is not supported"),
        ({"sysctls": "x"}, "is not JSON"),
        ({"sysctls": "[]"}, "must be an object"),
        ({"sysctls": '{"eth0":{"net.ipv4.conf.IFNAME.rp_filter":2}}'}, "keys and values must be"),
        ({"sysctls": '{"a b":{}}'}, "no interface name can have"),
    ],
)
def test_selection_that_cannot_be_is_refused(annotations: dict[str, str], words: str) -> None:
    """Each refusal says what is wrong with which network."""
    with pytest.raises(UsageError) as caught:
        selection.of_pod(pod(**annotations))
    assert words in caught.value.message


def test_pod_in_the_hosts_network_may_not_set_the_hosts_interfaces() -> None:
    """Additional networks are ignored for it, as Multus does; sysctls of interfaces are refused."""
    host = pod(networks="a")
    host["spec"]["hostNetwork"] = True
    assert selection.of_pod(host).is_empty
    host = pod(sysctls='{"eth0":{}}')
    host["spec"]["hostNetwork"] = True
    with pytest.raises(UsageError, match="no interface of its own"):
        selection.of_pod(host)


def definition(config: str) -> dict[str, Any]:
    """A definition with this text."""
    return {"metadata": {"name": "d", "namespace": "ns"}, "spec": {"config": config}}


def test_definition_of_one_plugin_is_a_list_of_one(tmp_path: Path) -> None:
    """Both forms of a configuration are read; the network's name defaults to the definition's."""
    one = definitions.parse(definition('{"type":"bridge","bridge":"br1"}'), tmp_path)
    assert (one.name, one.version, one.bridges) == ("d", "0.4.0", ("br1",))
    both = definitions.parse(
        definition('{"name":"n","cniVersion":"1.0.0","plugins":[{"type":"a"},{"type":"b"}]}'), tmp_path
    )
    assert (both.name, both.version, [p["type"] for p in both.plugins]) == ("n", "1.0.0", ["a", "b"])


def test_definition_without_a_configuration_is_a_file_of_the_node(tmp_path: Path) -> None:
    """The file whose name member is the definition's."""
    (tmp_path / "1.conf").write_text('{"name":"other","type":"x"}')
    (tmp_path / "2.conflist").write_text('{"name":"d","plugins":[{"type":"y"}]}')
    assert definitions.parse(definition(""), tmp_path).plugins[0]["type"] == "y"


@pytest.mark.parametrize(
    "config",
    [
        "x",
        "[]",
        '{"plugins":[]}',
        '{"plugins":"x"}',
        '{"type":"../../bin/sh"}',
        '{"type":5}',
        '{"name":5,"type":"x"}',
        '{"type":"tuning","SysCtl":{"net.core.somaxconn":"9"}}',
        '{"type":"tuning","datadir":"/etc"}',
        '{"type":"bridge","ipam":{"type":"tuning"},"sysctl":{"net.core.somaxconn":"9"}}',
        '{"type":"x","y":' + "[" * 900 + "]" * 900 + "}",
        "",
        "[" * 100_000,
        '{"type":"' + "x" * limits.CNI_CONFIG_BYTES + '"}',
    ],
)
def test_definition_that_no_plugin_can_run_with_is_refused(config: str, tmp_path: Path) -> None:
    """A definition is a user's text: anything may stand in it."""
    with pytest.raises(PodsysctlError, match="network ns/d"):
        definitions.parse(definition(config), tmp_path)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("net.core.somaxconn", True),
        ("net/core/somaxconn", True),
        ("net.ipv4.conf.all.rp_filter", True),
        ("net.ipv4.ip_local_port_range", False),  # safe
        ("net.ipv4.tcp_mem", False),  # allowed below
        ("net.ipv4.conf.IFNAME.rp_filter", False),
        ("net.ipv4.conf.eth0.arp_ignore", False),
        ("kernel.shmmax", False),  # the plugin refuses it anyway
    ],
)
def test_bypass_of_the_kubelets_list_is_found(key: str, found: bool) -> None:
    """A definition must not set for the whole pod what the kubelet forbids; one interface is not the whole pod."""
    allowed = kubelet.Allowlist.parse(("net.ipv4.tcp_mem",), KernelVersion(6, 18))
    text = interface.find_bypass(key, allowed)
    assert (text is not None) is found
    assert text is None or "allowedUnsafeSysctls" in text


def make_plugin(directory: Path, name: str, body: str) -> None:
    """A program that notes its call and then does as told."""
    path = directory / name
    path.write_text(PLUGIN.format(name=name, log=directory / "log", body=body))
    path.chmod(0o755)


def calls(directory: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Command, program and configuration of each call."""
    out = []
    for line in (directory / "log").read_text().splitlines():
        command, name, _, _, config = line.split(" ", 4)
        out.append((command, name, json.loads(config)))
    return out


ATTACHMENT = Attachment("ns/d", "net1", "d", "0.4.0", ({"type": "one"}, {"type": "two", "x": 1}))
TARGET = Target("sandbox1", "/proc/self/ns/net", "K8S_POD_NAME=p")


async def test_plugins_run_in_order_and_are_undone_in_reverse(tmp_path: Path) -> None:
    """Each gets the result of the one before; DEL gets ADD's last result."""
    make_plugin(tmp_path, "one", """echo '{"cniVersion":"0.4.0","ips":[]}'""")
    make_plugin(tmp_path, "two", """echo '{"cniVersion":"0.4.0","dns":{}}'""")
    plugins = Plugins((tmp_path,), {})
    records, bridges = Records(tmp_path / "records"), Bridges(tmp_path / "bridges.json")
    record = Record("u", TARGET, (ATTACHMENT,))
    records.save(record)
    result = await plugins.add(TARGET, ATTACHMENT)
    records.save(record.with_result(0, result))
    await detach.detach(plugins, records, bridges, "sandbox1")
    found = [(command, name, config.get("prevResult")) for command, name, config in calls(tmp_path)]
    assert found == [
        ("ADD", "one", None),
        ("ADD", "two", {"cniVersion": "0.4.0", "ips": []}),
        ("DEL", "two", {"cniVersion": "0.4.0", "dns": {}}),
        ("DEL", "one", {"cniVersion": "0.4.0", "dns": {}}),
    ]
    assert all((config["name"], config["cniVersion"]) == ("d", "0.4.0") for _, _, config in calls(tmp_path))
    assert records.sandboxes() == []
    await detach.detach(plugins, records, bridges, "sandbox1")  # again: nothing to do


async def test_plugin_that_fails_tells_its_own_text(tmp_path: Path) -> None:
    """Message and details of the error result, in the words in which libcni reports them."""
    make_plugin(tmp_path, "one", """echo '{"code":7,"msg":"no room","details":"at all"}'; exit 1""")
    with pytest.raises(PluginFailedError) as caught:
        await Plugins((tmp_path,), {}).add(TARGET, ATTACHMENT)
    assert caught.value.message == 'plugin type="one" failed (add): no room; at all'


@pytest.mark.parametrize("text", ["", "[]", '"x"', "null", "{", "[" * 100_000])
async def test_plugin_whose_result_is_none_fails_with_a_text(tmp_path: Path, text: str) -> None:
    """Programs of any maker stand in the directories."""
    make_plugin(tmp_path, "one", f"cat {tmp_path}/text")
    (tmp_path / "text").write_text(text)
    with pytest.raises(PluginFailedError, match=r'plugin type="one" failed \(add\): its result is not a JSON object'):
        await Plugins((tmp_path,), {}).add(TARGET, replace(ATTACHMENT, plugins=({"type": "one"},)))


def test_status_of_a_strange_result_is_an_entry() -> None:
    """A plugin that says nothing sensible has attached something all the same."""
    for result in ({"interfaces": "x", "ips": [5, {"address": 1}], "dns": []}, {"ip4": "x"}, {"interfaces": [None]}):
        entry = status.of_attachment("ns/d", "net1", result)
        assert entry.to_dict()["dns"] == {}


async def test_disk_that_cannot_be_written_fails_with_a_text(tmp_path: Path) -> None:
    """The pod is told, and its worker goes on."""
    (tmp_path / "records").write_text("")
    extension = networks(tmp_path)
    with pytest.raises(PodsysctlError, match=r"networks of sandbox sandbox1: .*Not a directory|cannot be read"):
        await extension.removing("u", "sandbox1")
    bridges = Bridges(tmp_path / "bridges.json")
    (tmp_path / "bridges.json").write_text("{")
    with pytest.raises(PodsysctlError, match="no bridge is removed"):
        await bridges.tidy()


async def test_plugin_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The directories that were searched are in the text."""
    with pytest.raises(PluginFailedError, match=r'failed to find plugin "one" in path \['):
        await Plugins((tmp_path,), {}).add(TARGET, ATTACHMENT)


async def test_detaching_that_fails_tries_everything_and_keeps_the_record(tmp_path: Path) -> None:
    """What could not be undone is tried again later."""
    make_plugin(tmp_path, "one", "")
    make_plugin(tmp_path, "two", "exit 1")
    records = Records(tmp_path / "records")
    records.save(Record("u", TARGET, (ATTACHMENT,)))
    with pytest.raises(PluginFailedError, match='plugin type="two"'):
        await detach.detach(Plugins((tmp_path,), {}), records, Bridges(tmp_path / "b"), "sandbox1")
    assert [name for _, name, _ in calls(tmp_path)] == ["two", "one"]
    assert records.sandboxes() == ["sandbox1"]


def test_record_that_is_damaged_is_an_error(tmp_path: Path) -> None:
    """Losing it silently would leak addresses; and an id is never a path."""
    records = Records(tmp_path)
    (tmp_path / "s.json").write_text("{")
    with pytest.raises(BadRecordError):
        records.load("s")
    with pytest.raises(BadRecordError):
        records.load("../s")


def networks(directory: Path) -> Networks:
    """The extension of a node whose files lie here; neither API nor runtime is asked in these tests."""
    nothing: Any = None
    return Networks(
        nothing, nothing, nothing, plugins=Plugins((directory,), {}), records=Records(directory / "records"),
        bridges=Bridges(directory / "bridges.json"), leases=directory / "leases", configurations=directory,
        default_network="d", allowed=kubelet.Allowlist({}, ()),
    )  # fmt: skip


async def test_sandbox_is_complete_once_its_record_says_so(tmp_path: Path) -> None:
    """Whatever was interrupted before the last word, also between attaching and telling, is made anew."""
    extension, records = networks(tmp_path), Records(tmp_path / "records")
    assert await extension.is_complete(pod(), "sandbox1")
    wanting = pod(networks="d")
    assert not await extension.is_complete(wanting, "sandbox1")
    record = Record("u", TARGET, (ATTACHMENT,))
    for unfinished in (record, record.with_result(0, {"cniVersion": "0.4.0"})):
        records.save(unfinished)
        assert not await extension.is_complete(wanting, "sandbox1")
    records.save(replace(record, complete=True))
    assert await extension.is_complete(wanting, "sandbox1")
    (tmp_path / "records/sandbox1.json").write_text("{")
    assert not await extension.is_complete(wanting, "sandbox1")
    assert not await extension.is_complete(pod(networks="a@b@c"), "sandbox1")


async def test_plugin_that_never_succeeds_does_not_keep_the_pod(tmp_path: Path) -> None:
    """A sandbox goes after some tries, and its record stays for the sweep."""
    make_plugin(tmp_path, "one", "exit 1")
    make_plugin(tmp_path, "two", "exit 1")
    extension, records = networks(tmp_path), Records(tmp_path / "records")
    records.save(Record("u", TARGET, (ATTACHMENT,)))
    for _ in range(limits.CNI_DETACH_TRIES - 1):
        with pytest.raises(PluginFailedError):
            await extension.removing("u", "sandbox1")
    await extension.removing("u", "sandbox1")
    assert records.sandboxes() == ["sandbox1"]


async def test_leaving_a_machine_undoes_everything_that_can_be(tmp_path: Path) -> None:
    """One plugin that fails is told, and keeps neither the other sandboxes nor the folder."""
    folder, root = tmp_path / "networks", tmp_path / "node"
    (folder / "bin").mkdir(parents=True)
    make_plugin(folder / "bin", "good", f"echo $CNI_CONTAINERID >> {tmp_path}/undone")
    make_plugin(folder / "bin", "bad", "exit 1")
    for sandbox_id, kind in (("a", "bad"), ("b", "good")):
        target = replace(TARGET, sandbox_id=sandbox_id)
        attachment = replace(ATTACHMENT, plugins=({"type": kind},))
        places.records_of(root).save(Record("u", target, (attachment,)))
    [problem] = await places.remove(folder, [root])
    assert 'networks of sandbox a: plugin type="bad" failed (del)' in problem
    assert (tmp_path / "undone").read_text() == "b\n"
    assert not folder.exists()


def test_plugins_are_required_before_any_is_run(tmp_path: Path) -> None:
    """A name that no program has fails the pod before there is anything to undo."""
    make_plugin(tmp_path, "one", "")
    plugins = Plugins((tmp_path,), {})
    plugins.require(["one"])
    with pytest.raises(PluginFailedError, match='failed to find plugin "two"'):
        plugins.require(["one", "two"])


def test_status_annotation_has_upstreams_form() -> None:
    """Objects of four blanks, joined by a comma; dns is always there, default only on the default network."""
    result = {
        "interfaces": [{"name": "br1", "mac": "aa"}, {"name": "net1", "mac": "bb", "sandbox": "/x"}],
        "ips": [{"address": "10.0.0.2/24"}],
    }
    entry = status.of_attachment("ns/d", "net1", result)
    assert status.to_text([entry]) == (
        '[{\n    "name": "ns/d",\n    "interface": "net1",\n    "ips": [\n        "10.0.0.2"\n    ],\n'
        '    "mac": "bb",\n    "dns": {}\n}]'
    )
    assert entry.prefixes == ("10.0.0.2/24",)
