"""One node follows its Profile: what reaches the kernel, and what the status, events and metrics say."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from podsysctl.base import metrics
from podsysctl.client.events import EventRecorder
from podsysctl.kernel import procsys
from podsysctl.node.tuning.arbiter import Arbiter
from podsysctl.node.tuning.tuner import NodeTuner
from podsysctl.objects import tuning
from podsysctl.sysctls.name import SysctlName, parse_name
from podsysctl.sysctls.tuned.guard import PodNetworking, dangers
from tests.controllers.cluster import Cluster, running

Object = dict[str, Any]
Originals = dict[SysctlName, str]
LEASE = parse_name("fs.lease-break-time")
STAT = parse_name("vm.dirtytime_expire_seconds")
EXPIRE = parse_name("vm.dirty_expire_centisecs")
CLEAN = "No warning or error messages observed applying the TuneD daemon profile."


class Machine:
    """Nodes of one kernel, with the host's files in a folder of the test."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.root = folder / "root"
        self.root.mkdir(exist_ok=True)
        self.arbiter = Arbiter(folder, lambda plan: dangers(plan, PodNetworking("br0")), root=self.root,
                               shared=folder / "shared")  # fmt: skip
        self.tasks: list[asyncio.Task[None]] = []
        self.pods: list[Object] = []

    def start(self, node: str, *, protects: bool = False) -> NodeTuner:
        """A node's tuner."""
        client = self.cluster.client
        recorder = EventRecorder(client, "tuned", node)
        tuner = NodeTuner(client, node, self.arbiter, recorder, running=lambda: self.pods, protects=lambda: protects,
                          root=self.root)  # fmt: skip
        self.tasks += [asyncio.create_task(recorder.run()), asyncio.create_task(tuner.run())]
        return tuner

    async def stop(self) -> None:
        """End the tuners; the arbiter stays open."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    async def profile(self, node: str, chosen: str, text: str | None, **more: Any) -> None:
        """What the controller writes: a Profile that says this one is to be used."""
        annotations = more.pop("annotations", {})
        listed = [] if text is None else [{"name": chosen, "data": text}]
        spec = {"config": {"tunedProfile": chosen, "tunedConfig": more.pop("tuned_config", {})},
                "profile": [*listed, *more.pop("others", [])], **more}  # fmt: skip
        found = await self.cluster.get(tuning.PROFILE, node, tuning.NAMESPACE)
        if found is None:
            metadata = {"name": node, "namespace": tuning.NAMESPACE, "annotations": annotations}
            document = {"apiVersion": tuning.PROFILE.api_version, "kind": "Profile", "metadata": metadata, "spec": spec}
            await self.cluster.client.create(tuning.PROFILE, document)
            return
        found["metadata"]["annotations"], found["spec"] = annotations, spec
        await self.cluster.client.update(tuning.PROFILE, found)

    async def settled(self, node: str) -> Object:
        """The status, once it speaks of the Profile's present generation."""

        async def look() -> Object | None:
            found = await self.cluster.client.get(tuning.PROFILE, node, tuning.NAMESPACE)
            status: Object = found.get("status") or {}
            return status if status.get("observedGeneration") == found["metadata"]["generation"] else None

        status: Object = await self.cluster.until(look)
        return status

    async def degraded(self, node: str, reason: str) -> str:
        """The message of the condition Degraded, once it has this reason."""

        async def look() -> str | None:
            found = await self.cluster.client.get(tuning.PROFILE, node, tuning.NAMESPACE)
            condition = conditions(found.get("status") or {}).get("Degraded")
            return condition[2] + "." if condition is not None and condition[1] == reason else None

        message: str = await self.cluster.until(look)
        return message[:-1]

    async def events(self, reason: str) -> list[str]:
        """The messages of events of a reason, once there is one."""

        async def look() -> list[str]:
            found = await self.cluster.events(reason, tuning.NAMESPACE)
            return [event["message"] for event in found]

        messages: list[str] = await self.cluster.until(look)
        return messages


@pytest.fixture
async def machine(host: Originals, tmp_path: Path) -> AsyncIterator[Machine]:
    """A machine whose arbiter is open, closed at the end."""
    async with machine_in(tmp_path) as found:
        yield found


@contextlib.asynccontextmanager
async def machine_in(folder: Path) -> AsyncIterator[Machine]:
    """An API server and a machine without nodes."""
    async with running(scheduler=False, kubelet=False) as cluster:
        with contextlib.suppress(Exception):
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tuning.NAMESPACE}}
            await cluster.client.request("POST", "/api/v1/namespaces", body=namespace)
        found = Machine(cluster, folder)
        found.arbiter.open()
        try:
            yield found
        finally:
            await found.stop()
            found.arbiter.close()


def conditions(status: Object) -> dict[str, tuple[str, str, str]]:
    """Status, reason and message by type."""
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in status.get("conditions") or ()}


async def test_profile_applied_is_in_the_kernel_and_the_status(machine: Machine, host: Originals) -> None:
    """Values are written, the conditions have the operator's words, and the status names winner and losers."""
    machine.start("n1")
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=44\nvm.dirtytime_expire_seconds=3\n")
    status = await machine.settled("n1")
    assert (procsys.read(LEASE), procsys.read(STAT)) == ("44", "3")
    assert status["tunedProfile"] == "p"
    assert conditions(status) == {
        "Applied": ("True", "AsExpected", "TuneD profile applied."),
        "Degraded": ("False", "AsExpected", CLEAN),
    }
    first = status["effective"][0]
    assert (first["name"], first["value"]) == ("fs.lease-break-time", "44")
    assert first["winner"] == "profile p, section [sysctl], fs.lease-break-time (line 2)"
    assert first["losers"] == ["kernel default = 45"]
    text = metrics.text().decode()
    assert 'podsysctl_node_sysctl_declared{name="vm.dirtytime_expire_seconds",node="n1"} 3.0' in text
    assert 'podsysctl_profile_applied{node="n1",profile="p"} 1.0' in text
    machine.arbiter.close()
    assert {name: procsys.read(name) for name in host} == host


async def test_profile_that_cannot_be_loaded_says_so_in_tuned_s_words(machine: Machine, host: Originals) -> None:
    """At the start and later the first words differ; what was applied before is rolled back, its name stays."""
    machine.start("n1")
    await machine.profile("n1", "nowhere", None)
    message = await machine.degraded("n1", "TunedError")
    assert message == (
        "TuneD daemon issued one or more error message(s) during profile application. TuneD stderr: "
        "Cannot set initial profile. No tunings will be enabled: Requested profile 'nowhere' doesn't exist."
    )
    text = metrics.text().decode()
    assert 'podsysctl_profile_applied{node="n1",profile="nowhere"} 0.0' in text
    assert 'podsysctl_profile_degraded{node="n1",reason="TunedError"} 1.0' in text
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=44\n")
    await machine.degraded("n1", "AsExpected")
    await machine.profile("n1", "q", "[main]\ninclude=lost\n")
    message = await machine.degraded("n1", "TunedError")
    assert "TuneD stderr: Failed to reload TuneD: Cannot load profile(s) 'q': Cannot find profile 'lost' in" in message
    assert procsys.read(LEASE) == host[LEASE]
    status = await machine.settled("n1")
    assert status["tunedProfile"] == "p"
    assert conditions(status)["Applied"] == (
        "False", "Failed", "The TuneD daemon profile not yet applied, or application failed."
    )  # fmt: skip
    assert any("Failed to reload TuneD" in text for text in await machine.events("TunedError"))


async def test_wrong_entry_names_profile_section_key_value_and_rule(machine: Machine, host: Originals) -> None:
    """And nothing of the profile is applied."""
    machine.start("n1")
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=44\nvm.swappiness=300\n")
    message = await machine.degraded("n1", "TunedError")
    assert "profile p, section [sysctl], vm.swappiness (line 3): vm.swappiness: 300 is above 200" in message
    assert procsys.read(LEASE) == host[LEASE]
    status = await machine.settled("n1")
    assert status["effective"][0]["losers"][-1] == (
        "profile p, section [sysctl], fs.lease-break-time (line 2) [not applied: TunedError] = 44"
    )


async def test_deferred_change_waits_for_the_next_start(machine: Machine) -> None:
    """`update`: another profile at once, a change of the same one at the next start; `always`: both then."""
    update = {tuning.DEFERRED: "update"}
    machine.start("n1")
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=44\n", annotations=update)
    await machine.settled("n1")
    assert procsys.read(LEASE) == "44"
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=43\n", annotations=update)
    assert await machine.degraded("n1", "TunedDeferredUpdate") == "Profile will be applied at the next node restart"
    status = await machine.settled("n1")
    waits = "The TuneD daemon profile is waiting for the next node restart"
    assert conditions(status)["Applied"] == ("False", "Deferred", waits)
    assert procsys.read(LEASE) == "44"
    await machine.profile("n1", "q", "[sysctl]\nfs.lease-break-time=42\n", annotations=update)
    await machine.degraded("n1", "AsExpected")
    assert procsys.read(LEASE) == "42"
    always = {tuning.DEFERRED: "always"}
    await machine.profile("n1", "r", "[sysctl]\nfs.lease-break-time=41\n", annotations=always)
    await machine.degraded("n1", "TunedDeferredUpdate")
    assert (await machine.settled("n1"))["tunedProfile"] == "q"
    await machine.stop()
    machine.start("n1")
    await machine.degraded("n1", "AsExpected")
    assert procsys.read(LEASE) == "41"


async def test_host_file_that_wins_is_told_as_an_override(machine: Machine) -> None:
    """TunedSysctlOverride with the parameter's name; the file is the winner and the profile a loser."""
    (machine.root / "etc/sysctl.d").mkdir(parents=True)
    (machine.root / "etc/sysctl.d/10-mine.conf").write_text("fs.lease-break-time = 46\n")
    machine.start("n1")
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=44\n")
    message = await machine.degraded("n1", "TunedSysctlOverride")
    assert message == (
        "TuneD daemon issued one or more sysctl override message(s) during profile application. "
        "Use reapply_sysctl=true or remove conflicting sysctl fs.lease-break-time"
    )
    status = await machine.settled("n1")
    assert procsys.read(LEASE) == "46"
    assert conditions(status)["Applied"][0] == "True"
    entry = status["effective"][0]
    assert entry["winner"] == f"sysctl.d {machine.root}/etc/sysctl.d/10-mine.conf:1"
    assert any(text.startswith("profile p, section [sysctl], fs.lease-break-time") for text in entry["losers"])
    await machine.profile(
        "n1", "p", "[sysctl]\nfs.lease-break-time=44\n", tuned_config={"reapply_sysctl": False}
    )
    await machine.degraded("n1", "AsExpected")
    assert procsys.read(LEASE) == "44"


async def test_two_nodes_of_one_kernel_that_differ_are_both_degraded(machine: Machine, host: Originals) -> None:
    """The text names both nodes, the parameter and both values; when one gives in, the other is applied."""
    for node in ("n1", "n2"):
        machine.start(node)
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=44\n")
    await machine.profile("n2", "q", "[sysctl]\nfs.lease-break-time=43\n")
    for node in ("n1", "n2"):
        message = await machine.degraded(node, "NodesShareKernel")
        assert message.startswith(
            "nodes n1 and n2 share one kernel and want different values of fs.lease-break-time: "
            'n1 wants "44" (profile p, section [sysctl], fs.lease-break-time (line 2)), n2 wants "43" (profile q'
        )
    assert procsys.read(LEASE) == host[LEASE]
    await machine.profile("n2", "none", "[main]\nsummary=nothing\n")
    await machine.degraded("n1", "AsExpected")
    await machine.degraded("n2", "AsExpected")
    assert procsys.read(LEASE) == "44"


async def test_requirements_of_several_owners_give_the_smallest_value(machine: Machine, host: Originals) -> None:
    """Both owners are in the status; where nothing has to be written, the status says that."""
    name, low = "fs.inotify.max_queued_events", int(host[parse_name("fs.inotify.max_queued_events")])
    others = [
        {"name": "a", "data": f"[requirements]\n{name} = >={low + 1}\n"},
        {"name": "b", "data": f"[requirements]\n{name} = >={low + 9}\n"},
        {"name": "c", "data": "[requirements]\nowner=team-c\nvm.dirtytime_expire_seconds = >=0\n"},
    ]
    demands = [{"profile": key, "owner": f"tuned/{key}"} for key in "abc"]
    machine.start("n1")
    await machine.profile("n1", "none", "[main]\nsummary=nothing\n", others=others, requirements=demands)
    await machine.degraded("n1", "AsExpected")
    assert procsys.read(parse_name(name)) == str(low + 9)
    entries = {entry["name"]: entry for entry in (await machine.settled("n1"))["effective"]}
    assert "required by tuned/a" in entries[name]["winner"]
    assert "required by tuned/b" in entries[name]["winner"]
    assert entries["vm.dirtytime_expire_seconds"]["winner"] == (
        "already at least 0, required by team-c (profile c, section [requirements], line 3), so nothing is written"
    )


async def test_danger_sections_and_kubelet_are_told(machine: Machine, host: Originals) -> None:
    """What would cut pods off, what is left out, and what a kubelet would not start beside."""
    machine.start("n1")
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=44\nnet.ipv4.ip_forward=0\n")
    message = await machine.degraded("n1", "WouldBreakPodNetworking")
    assert "pods reach neither other nodes nor anything outside" in message
    assert procsys.read(LEASE) == host[LEASE]
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=44\n[bootloader]\ncmdline=quiet\n")
    message = await machine.degraded("n1", "SectionsNotApplied")
    assert "section [bootloader] of profile p (type bootloader) is not applied" in message
    status = await machine.settled("n1")
    assert conditions(status)["Degraded"][0] == "False"
    assert procsys.read(LEASE) == "44"
    machine.start("n2", protects=True)
    await machine.profile("n2", "q", "[sysctl]\nkernel.keys.root_maxkeys=2000000\n")
    message = await machine.degraded("n2", "TunedError")
    assert "profile q, section [sysctl], kernel.keys.root_maxkeys (line 2)" in message
    assert "with it a kubelet does not start unless the value is 1000000" in message


async def test_drift_is_an_event_with_suspects_a_condition_and_a_metric(machine: Machine) -> None:
    """Everybody who is known to set the parameter is named, the likeliest first; the right value ends it."""
    (machine.root / "usr/lib/sysctl.d").mkdir(parents=True)
    (machine.root / "usr/lib/sysctl.d/50.conf").write_text("fs.lease-break-time = 50\n")
    container = {"name": "c", "image": "i", "command": ["sysctl", "-w", "fs.lease-break-time=50"],
                 "securityContext": {"privileged": True}}  # fmt: skip
    machine.pods = [{"metadata": {"name": "setter", "namespace": "x", "uid": "u"}, "spec": {"containers": [container]}}]
    machine.start("n1")
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=44\n")
    await machine.degraded("n1", "AsExpected")
    procsys.write(LEASE, "50")
    await asyncio.to_thread(machine.arbiter.watch_drift)
    said = 'fs.lease-break-time is "50" and not "44" (profile p, section [sysctl], fs.lease-break-time (line 2))'
    assert await machine.degraded("n1", "Drift") == said
    assert conditions(await machine.settled("n1"))["Applied"][0] == "True"
    assert await machine.events("Drift") == [
        f"{said}; it could have been {machine.root}/usr/lib/sysctl.d/50.conf:1 (sysctl.d), which sets 50, "
        "or privileged pod x/setter, whose command names it"
    ]
    text = metrics.text().decode()
    assert 'podsysctl_node_sysctl_live{name="fs.lease-break-time",node="n1"} 50.0' in text
    assert 'podsysctl_node_sysctl_drift_total{name="fs.lease-break-time",node="n1"} 1.0' in text
    procsys.write(LEASE, "44")
    await asyncio.to_thread(machine.arbiter.watch_drift)
    await machine.degraded("n1", "AsExpected")


async def test_drift_is_corrected_by_annotation(machine: Machine) -> None:
    """The value is set back, which an event tells, and the profile stays as expected."""
    machine.start("n1")
    corrects = {tuning.CORRECT_DRIFT: "true"}
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=44\n", annotations=corrects)
    await machine.degraded("n1", "AsExpected")
    procsys.write(LEASE, "50")
    await asyncio.to_thread(machine.arbiter.watch_drift)
    assert procsys.read(LEASE) == "44"
    assert await machine.events("DriftCorrected") == ['fs.lease-break-time is "44" again']
    await machine.degraded("n1", "AsExpected")


async def test_profile_that_is_deleted_gives_the_values_back(machine: Machine, host: Originals) -> None:
    """As with managementState Removed."""
    machine.start("n1")
    await machine.profile("n1", "p", "[sysctl]\nfs.lease-break-time=44\n")
    await machine.settled("n1")
    await machine.cluster.client.delete(tuning.PROFILE, "n1", tuning.NAMESPACE)

    async def look() -> bool:
        return procsys.read(LEASE) == host[LEASE]

    await machine.cluster.until(look)
