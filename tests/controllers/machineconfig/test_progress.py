"""How far a rollout is, in words and steps."""

from __future__ import annotations

import pytest

from podsysctl.controllers.machineconfig import kubelet_config as kc
from podsysctl.controllers.machineconfig import render
from podsysctl.controllers.machineconfig.pool_status import pool_status
from podsysctl.controllers.machineconfig.progress import PoolProgress, Step, node_step, pool_progress
from podsysctl.objects import machineconfig as names
from tests.controllers.machineconfig.builders import NEW, NOW, OLD, Object, node, pool

DRAIN, UNCORDON = f"drain-{NEW}", f"uncordon-{NEW}"


def with_drain(found: Object, desired: str, last: str) -> Object:
    """The node with these drain annotations."""
    found["metadata"]["annotations"] |= {names.DESIRED_DRAIN: desired, names.LAST_DRAIN: last}
    return found


def moving(**fields: object) -> Object:
    """A node on its way to the new configuration."""
    return node("n", desired=NEW, state=names.WORKING, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (node("n"), Step.WAITING),
        (node("n", desired="", current="", state=""), Step.WAITING),
        (node("n", desired=NEW), Step.TARGETED),
        (moving(), Step.TARGETED),
        (with_drain(moving(), f"uncordon-{OLD}", f"uncordon-{OLD}"), Step.TARGETED),
        (with_drain(moving(), DRAIN, f"uncordon-{OLD}"), Step.DRAINING),
        (with_drain(moving(cordoned=True), DRAIN, DRAIN), Step.APPLYING),
        (with_drain(moving(cordoned=True), UNCORDON, DRAIN), Step.UNCORDONING),
        (with_drain(moving(), UNCORDON, UNCORDON), Step.UNCORDONING),
        (node("n", desired=NEW, current=NEW), Step.UPDATED),
        (node("n", desired=NEW, current=NEW, cordoned=True), Step.CORDONED),
        (node("n", desired=NEW, current=NEW, ready=False), Step.NOT_READY),
        (node("n", desired=NEW, state=names.DEGRADED), Step.FAILED),
    ],
)
def test_node_step_follows_the_annotations(found: Object, expected: Step) -> None:
    """Each state of a node is one step."""
    assert node_step(found, NEW) is expected


class World:
    """A worker pool that was rendered from its MachineConfigs, and two nodes."""

    def __init__(self) -> None:
        self.machine_configs = render.base_machine_configs("worker")
        self.pool = pool(target="")
        self.kubelet_configs: list[Object] = []
        self.render()
        self.nodes = [self.node("a"), self.node("b")]
        self.report()

    def render(self) -> None:
        """What the renderer does."""
        sources = render.selected(self.pool, self.machine_configs)
        rendered = render.render(self.pool, sources)
        self.machine_configs.append(rendered)
        self.pool["spec"]["configuration"] = render.configuration_reference(rendered, sources)

    def report(self) -> None:
        """What the pool controller does."""
        self.pool["status"] = pool_status(self.pool, self.nodes, NOW)

    def node(self, name: str, **fields: object) -> Object:
        """A node that runs the pool's configuration unless told otherwise."""
        target = self.pool["spec"]["configuration"]["name"]
        return node(name, **({"desired": target, "current": target} | fields))  # type: ignore[arg-type]

    def apply(self, error: str = "", *, observed: bool = True) -> Object:
        """A KubeletConfig for the pool, as it stands after the controller looked at it."""
        config: Object = {
            "metadata": {"name": "kc", "uid": "u", "generation": 1},
            "spec": {"machineConfigPoolSelector": {"matchLabels": {"k": "v"}}, "kubeletConfig": {"maxPods": 9}},
        }
        self.pool["metadata"]["labels"] = {"k": "v"}
        if observed:
            config["status"] = kc.status_after(config, error, NOW)
        self.kubelet_configs = [config]
        return config

    def progress(self) -> PoolProgress:
        """How it stands."""
        return pool_progress(self.pool, [self.pool], self.nodes, self.machine_configs, self.kubelet_configs)


def test_pool_progress_of_a_settled_pool_is_done() -> None:
    """Every node updated, and the status says so."""
    found = World().progress()
    assert (found.is_done, found.updated, found.holding, found.failure) == (True, 2, "", "")


def test_pool_progress_right_after_apply_is_not_done() -> None:
    """A KubeletConfig that nobody looked at yet, and then one that is not rendered yet, are waited for."""
    world = World()
    config = world.apply(observed=False)
    assert (world.progress().is_done, world.progress().holding) == (False, 'KubeletConfig "kc" to be observed')
    config = world.apply()
    world.machine_configs.append(kc.machine_config(config, "worker", "", render.BASE_KUBELET))
    assert (world.progress().is_done, world.progress().holding) == (False, "its configuration to be rendered")
    world.render()
    assert (world.progress().is_done, world.progress().holding, world.progress().updated) == (False, "", 0)


def test_pool_progress_sees_a_changed_file_of_an_unchanged_source() -> None:
    """The names of the sources alone do not tell that their content changed."""
    world = World()
    config = world.apply()
    world.machine_configs.append(kc.machine_config(config, "worker", "", render.BASE_KUBELET))
    world.render()
    assert world.progress().holding == ""
    config["spec"]["kubeletConfig"] = {"maxPods": 10}
    changed = kc.machine_config(config, "worker", "", render.BASE_KUBELET)
    world.machine_configs = [
        changed if m["metadata"]["name"] == changed["metadata"]["name"] else m for m in world.machine_configs
    ]
    assert world.progress().holding == "its configuration to be rendered"


def test_pool_progress_of_a_refused_kubelet_config_has_failed() -> None:
    """It would wait for ever: the reason is told instead."""
    world = World()
    world.apply("no good")
    assert world.progress().failure == 'KubeletConfig "kc" was refused: Error: no good'


def test_pool_progress_with_a_degraded_node_has_failed() -> None:
    """The rollout stands still; the node and its reason are named."""
    world = World()
    world.nodes[0] = world.node("a", current=OLD, state=names.DEGRADED, reason="why")
    world.report()
    found = world.progress()
    assert found.failure == 'machineconfigpool "worker" is degraded: Node a is reporting: "why"'
    assert (found.nodes[0].step, found.nodes[0].reason, found.is_done) == (Step.FAILED, "why", False)


def test_pool_progress_of_a_paused_pool_waits_for_a_person() -> None:
    """Only while there is something to do."""
    world = World()
    world.pool["spec"]["paused"] = True
    assert world.progress().is_done
    world.nodes[0] = world.node("a", desired=OLD, current=OLD)
    world.report()
    assert world.progress().holding == "somebody to unpause it"


def test_pool_progress_leaves_out_nodes_of_other_pools() -> None:
    """A node without the role is not waited for."""
    world = World()
    world.nodes.append(node("c", labels={}))
    assert [n.name for n in world.progress().nodes] == ["a", "b"]
