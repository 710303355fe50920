"""`podsysctl node dedicate`: label, taint, what pods need, and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from podsysctl.cli import node_dedicate
from podsysctl.objects import node_affinity, taints
from tests.cli.conftest import Run

PURPOSE = "sysctl-profile=database"
TAINT = {"key": "sysctl-profile", "value": "database", "effect": "NoSchedule"}
OTHER = {"key": "other", "effect": "NoSchedule"}


@pytest.fixture
def node(run: Run, namespace: str, tmp_path: Path) -> Iterator[str]:
    """A node with a label and a taint of its own."""
    name = f"n-{namespace}"
    made = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"disk": namespace}},
        "spec": {"taints": [OTHER]},
    }
    (tmp_path / "node.yaml").write_text(yaml.safe_dump(made))
    run("create", "-f", "node.yaml")
    yield name
    run("delete", "node", name)


def read(run: Run, name: str) -> tuple[str | None, list[Any]]:
    """The node's label, and its taints."""
    found = json.loads(run("get", "node", name, "-o", "json").out)
    return found["metadata"]["labels"].get("sysctl-profile"), found["spec"].get("taints") or []


def test_dedicate_labels_taints_and_prints_what_pods_need(run: Run, node: str) -> None:
    """One change; what stood there stays; stdout is YAML for a pod's spec and nothing else."""
    done = run("node", "dedicate", node, "--for", PURPOSE)
    assert done.code == 0
    assert f"node/{node} dedicated to {PURPOSE}\n" in done.err
    wanted = yaml.safe_load(done.out)
    assert wanted == {
        "nodeSelector": {"sysctl-profile": "database"},
        "tolerations": [{**TAINT, "operator": "Equal"}],
    }
    label, present = read(run, node)
    assert label == "database"
    assert present == [OTHER, TAINT]
    assert taints.first_untolerated([TAINT], wanted["tolerations"], ("NoSchedule",)) is None
    assert node_affinity.required_match(wanted, node, {"sysctl-profile": "database"})
    assert not node_affinity.required_match(wanted, node, {})


def test_dedicate_again_changes_nothing(run: Run, node: str) -> None:
    """It says so, and prints the same."""
    first = run("node", "dedicate", node, "--for", PURPOSE)
    again = run("node", "dedicate", node, "--for", PURPOSE)
    assert f"node/{node} is already dedicated to {PURPOSE}\n" in again.err
    assert again.out == first.out


def test_remove_gives_the_node_back(run: Run, node: str) -> None:
    """Label and taint go, others stay; a second time there is nothing to give back."""
    run("node", "dedicate", node, "--for", PURPOSE)
    done = run("node", "dedicate", node, "--for", PURPOSE, "--remove")
    assert (done.out, done.err) == ("", f"node/{node} given back\n")
    assert read(run, node) == (None, [OTHER])
    assert "is not dedicated" in run("node", "dedicate", node, "--for", PURPOSE, "--remove").err


def test_node_of_another_purpose_is_refused(run: Run, node: str) -> None:
    """A node takes one profile; --overwrite takes it over, and leaves one label and one taint."""
    run("node", "dedicate", node, "--for", PURPOSE)
    refused = run("node", "dedicate", node, "--for", "sysctl-profile=proxy")
    assert refused.code == 1
    assert refused.err.startswith(f"error: node {node} is dedicated to sysctl-profile=database")
    assert refused.out == ""
    run("node", "dedicate", node, "--for", "sysctl-profile=proxy", "--overwrite", "--effect", "NoExecute")
    assert read(run, node) == ("proxy", [OTHER, {**TAINT, "value": "proxy", "effect": "NoExecute"}])
    run("node", "dedicate", node, "--for", PURPOSE, "--remove")
    assert read(run, node)[0] == "proxy", "removing another purpose takes nothing"


def test_notes_tell_what_follows(run: Run, node: str, tmp_path: Path) -> None:
    """Pods that stay, no node for others, and no Tuned that names the label; none of them once there is."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "x"}]},
    }
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod))
    run("create", "-f", "pod.yaml")
    told = run("node", "dedicate", node, "--for", PURPOSE).err
    assert "note: 1 pod there does not tolerate it and may stay\n" in told
    assert "note: no Tuned object recommends a profile for nodes with the label sysctl-profile=database yet" in told
    tuned = {
        "apiVersion": "tuned.openshift.io/v1",
        "kind": "Tuned",
        "metadata": {"name": "database", "namespace": "openshift-cluster-node-tuning-operator"},
        "spec": {
            "profile": [{"name": "database", "data": "[main]\n"}],
            "recommend": [
                {"profile": "database", "priority": 20, "match": [{"label": "sysctl-profile", "value": "database"}]}
            ],
        },
    }
    (tmp_path / "tuned.yaml").write_text(yaml.safe_dump(tuned))
    run("create", "namespace", "openshift-cluster-node-tuning-operator")
    run("create", "-f", "tuned.yaml")
    try:
        assert "no Tuned object" not in run("node", "dedicate", node, "--for", PURPOSE).err
        assert f"{PURPOSE}\n" in run("__complete", "--", "node", "dedicate", node, "--for", "sysctl").out
    finally:
        run("delete", "-f", "tuned.yaml")


def test_selector_and_dry_run(run: Run, node: str, namespace: str) -> None:
    """Nodes by label; a dry run of either kind changes nothing."""
    for kind in ("client", "server"):
        done = run("node", "dedicate", "-l", f"disk={namespace}", "--for", PURPOSE, f"--dry-run={kind}")
        assert f"node/{node} dedicated to {PURPOSE} (" in done.err
        assert read(run, node) == (None, [OTHER])
    assert run("node", "dedicate", "-l", f"disk={namespace}", "--for", PURPOSE, "-o", "json").code == 0
    assert read(run, node)[0] == "database"


def test_completion_offers_nodes(run: Run, node: str) -> None:
    """As for cordon."""
    assert run("__complete", "--", "node", "").out == "dedicate\n"
    assert f"{node}\n" in run("__complete", "--", "node", "dedicate", node[:3]).out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["n1"], "the following arguments are required: --for"),
        (["n1", "--for", "database"], "is not of the form KEY=NAME"),
        (["n1", "--for", "a b=c"], "must consist of alphanumeric characters"),
        (["n1", "--for", "a=" + "x" * 64], "63"),
        (["--for", PURPOSE], "no node was named"),
    ],
)
def test_question_that_is_not_understood_exits_2(run: Run, words: list[str], part: str) -> None:
    """Usage errors name field, value and rule."""
    done = run("node", "dedicate", *words)
    assert done.code == 2
    assert part in done.err


def test_change_keeps_taints_of_the_same_key_with_other_values_on_removal() -> None:
    """Only what this purpose set is taken back."""
    other = {"key": "k", "value": "b", "effect": "NoExecute"}
    node = {
        "metadata": {"resourceVersion": "7", "labels": {"k": "a"}},
        "spec": {"taints": [other, {**other, "value": "a"}]},
    }
    patch = node_dedicate.change(node, "k", "a", "NoSchedule", remove=True)
    assert patch == {"metadata": {"resourceVersion": "7", "labels": {"k": None}}, "spec": {"taints": [other]}}
