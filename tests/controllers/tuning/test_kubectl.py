"""The real kubectl on Tuned and Profile objects, and the examples of the documentation."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from podsysctl.apiserver import kubeconfig
from podsysctl.cli.main import main
from podsysctl.controllers.scope import NODES
from podsysctl.controllers.tuning.controller import NodeTuningController
from podsysctl.objects import machineconfig, tuning
from tests.controllers.cluster import Cluster, running
from tests.controllers.tuning.builders import role_pool, rule, tuned
from tests.controllers.tuning.test_controller import condition, has, patch_tuned, profile

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "node-tuning"
TIMEOUT_S = 60


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """The controller, and one Linux worker in a pool."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    async with running(NodeTuningController, scheduler=False, kubelet=False) as made:
        kubeconfig.write_admin(made.server)
        await made.client.create(machineconfig.POOL, role_pool("worker"))
        await made.add_node("n1", **{"kubernetes.io/os": "linux", "node-role.kubernetes.io/worker": ""})
        await made.until(lambda: profile(made))
        yield made


async def kubectl(cluster: Cluster, *arguments: str, text: str = "") -> str:
    """The output of a command that succeeds, in the namespace of tuning."""
    directory = cluster.server.config.data_dir
    process = await asyncio.create_subprocess_exec(
        "kubectl",
        "--namespace",
        tuning.NAMESPACE,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), "KUBECONFIG": str(directory / "kubeconfig")},
    )
    out, err = await asyncio.wait_for(process.communicate(text.encode()), TIMEOUT_S)
    assert process.returncode == 0, err.decode()
    return out.decode()


def table(text: str) -> list[list[str]]:
    """Cells, which two spaces or more separate."""
    return [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in text.splitlines()]


async def test_get_prints_the_columns_of_openshift(cluster: Cluster) -> None:
    """VALID for a Tuned; TUNED, APPLIED, DEGRADED and the message of Applied for a Profile."""
    await cluster.until(lambda: condition(cluster, "default", "Valid", "True"))
    header, row = table(await kubectl(cluster, "get", "tuned"))
    assert header == ["NAME", "VALID", "AGE"]
    assert row[:2] == ["default", "True"]
    now = "2026-01-01T00:00:00Z"
    applied, degraded = (
        "TuneD profile applied.",
        "No warning or error messages observed applying the TuneD daemon profile.",
    )
    conditions = [
        {"type": "Applied", "status": "True", "reason": "AsExpected", "message": applied, "lastTransitionTime": now},
        {"type": "Degraded", "status": "False", "reason": "AsExpected", "message": degraded, "lastTransitionTime": now},
    ]
    status = {"status": {"tunedProfile": "machine-defaults", "conditions": conditions}}
    await cluster.client.patch(tuning.PROFILE, "n1", status, namespace=tuning.NAMESPACE, subresource="status")
    header, row = table(await kubectl(cluster, "get", "profile"))
    assert header == ["NAME", "TUNED", "APPLIED", "DEGRADED", "MESSAGE", "AGE"]
    assert row[:5] == ["n1", "machine-defaults", "True", "False", applied]


async def test_every_name_of_the_kinds_is_understood(cluster: Cluster) -> None:
    """Plural, singular and with the group; upstream gives no short names."""
    for word in ("tuned", "tuneds", "tuneds.tuned.openshift.io", "Tuned"):
        assert await kubectl(cluster, "get", word, "-o", "name") == "tuned.tuned.openshift.io/default\n"
    for word in ("profile", "profiles", "profiles.tuned.openshift.io"):
        assert await kubectl(cluster, "get", word, "-o", "name") == "profile.tuned.openshift.io/n1\n"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("tuned", ["GROUP:      tuned.openshift.io", "Profiles of node-level kernel parameters"]),
        ("tuned.spec.recommend", ["priority\t<integer> -required-", "machineConfigLabels\t<map[string]string>"]),
        ("tuned.spec.recommend.match", ["label\t<string> -required-", "enum: node, pod"]),
        ("profile.spec", ["config\t<Object> -required-", "requirements\t<[]Object>"]),
        ("profile.status.conditions", ["lastTransitionTime\t<string> -required-"]),
    ],
)
async def test_explain_tells_what_a_field_is_for(cluster: Cluster, path: str, words: list[str]) -> None:
    """Every field has a text."""
    out = await kubectl(cluster, "explain", path)
    for word in words:
        assert word in out
    assert "<no description>" not in out


async def test_describe_shows_rules_conditions_and_events(cluster: Cluster) -> None:
    """What is wrong with a Tuned is at its end."""
    await cluster.client.create(tuning.TUNED, tuned("a", rule("absent")))
    await cluster.until(lambda: cluster.events("ProfileUnusable", tuning.NAMESPACE))
    out = await kubectl(cluster, "describe", "tuned", "a")
    assert "Profile:   absent" in out
    assert "Type:                  Usable" in out
    assert "Warning  ProfileUnusable" in out


async def test_own_describe_shows_who_has_the_profile(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules in words, the node, the conditions and the event; the Profile with its values."""
    text = "[sysctl]\nvm.swappiness=10\n"
    one = tuned("a", rule("p", match=[{"label": "x"}]), rule("absent", 50), profiles={"p": text})
    await cluster.client.create(tuning.TUNED, one)
    await cluster.client.patch(NODES, "n1", {"metadata": {"labels": {"x": ""}}})
    await cluster.until(lambda: has(cluster, "p"))
    await cluster.until(lambda: cluster.events("ProfileUnusable", tuning.NAMESPACE))
    path = str(cluster.server.config.data_dir / "kubeconfig")

    async def describe(*words: str) -> str:
        arguments = ["describe", *words, "-n", tuning.NAMESPACE, "--kubeconfig", path]
        assert await asyncio.to_thread(main, arguments) == 0
        return capsys.readouterr().out

    out = await describe("tuned", "a")
    for part in ("20        p        nodes labelled x", "n1    p", "Usable  False", "ProfileUnusable"):
        assert part in out
    assert "vm.swappiness  10     p" in await describe("profile/n1")


@pytest.mark.parametrize(
    ("file", "labels", "chosen"),
    [
        ("labelled-nodes.yaml", {"example.com/database": ""}, "database"),
        ("requirements.yaml", {"example.com/search": "", "example.com/metrics": ""}, "search"),
        ("nested-match.yaml", {"example.com/disks": "nvme"}, "fast-disks"),
        ("nested-match.yaml", {"example.com/class": "fast"}, "fast-disks"),
        ("pool.yaml", {}, "all-workers"),
    ],
)
async def test_example_is_valid_and_reaches_the_node(
    cluster: Cluster, file: str, labels: dict[str, str], chosen: str
) -> None:
    """As it is written, once the labels it speaks of are there."""
    path = EXAMPLES / file
    names = [document["metadata"]["name"] for document in yaml.safe_load_all(path.read_text())]
    await kubectl(cluster, "apply", "-f", str(path))
    for name in names:
        await cluster.until(lambda name=name: condition(cluster, name, "Valid", "True"))
        await cluster.until(lambda name=name: condition(cluster, name, "Usable", "True"))
    if labels:
        assert await has(cluster, "machine-defaults")
        await cluster.client.patch(NODES, "n1", {"metadata": {"labels": labels}})
    await cluster.until(lambda: has(cluster, chosen))


def test_every_example_is_run() -> None:
    """A file without a case is untested."""
    (mark,) = [m for m in test_example_is_valid_and_reaches_the_node.pytestmark if m.name == "parametrize"]
    assert {case[0] for case in mark.args[1]} == {path.name for path in EXAMPLES.glob("*.yaml")}


async def test_invalid_tuned_shows_false(cluster: Cluster) -> None:
    """The column follows the condition."""
    await cluster.client.create(tuning.TUNED, tuned("a", profiles={"machine-defaults": "[main]\n"}))
    await cluster.until(lambda: condition(cluster, "a", "Valid", "False"))
    assert table(await kubectl(cluster, "get", "tuned", "a"))[1][:2] == ["a", "False"]
    await patch_tuned(cluster, "a", {"spec": {"profile": None}})
    await cluster.until(lambda: condition(cluster, "a", "Valid", "True"))
