"""The controller against a real API server: Profiles, the default Tuned, conditions and events."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from podsysctl.apiserver.config import REPOSITORY_CRDS, ServerConfig
from podsysctl.apiserver.server import ApiServer
from podsysctl.base.errors import StatusError
from podsysctl.client.config import ClientConfig
from podsysctl.client.informer import InformerSet
from podsysctl.client.rest import Client
from podsysctl.controllers.garbage.controller import GarbageCollector
from podsysctl.controllers.manager import Manager
from podsysctl.controllers.namespaces import NamespaceController
from podsysctl.controllers.scope import NAMESPACES, NODES, PODS, Scope
from podsysctl.controllers.tuning.controller import NodeTuningController
from podsysctl.controllers.tuning.default_tuned import default_tuned
from podsysctl.objects import machineconfig, tuning
from podsysctl.policy.platform import Platform
from tests.controllers.cluster import Cluster, running
from tests.controllers.tuning.builders import Object, role_pool, rule, tuned

PLAIN = Platform.KUBERNETES


@asynccontextmanager
async def tuning_cluster(*others: Any, openshift_profiles: bool = False) -> AsyncIterator[Cluster]:
    """A cluster with the controller and one Linux node, which has its Profile."""
    controller = partial(NodeTuningController, openshift_profiles=openshift_profiles)
    async with running(controller, *others, scheduler=False, kubelet=False) as cluster:
        await cluster.add_node("n1", **{"kubernetes.io/os": "linux"})
        await cluster.until(lambda: profile(cluster))
        yield cluster


async def profile(cluster: Cluster, name: str = "n1") -> Object | None:
    """A node's Profile."""
    return await cluster.get(tuning.PROFILE, name, tuning.NAMESPACE)


async def get_tuned(cluster: Cluster, name: str = "default") -> Object | None:
    """A Tuned."""
    return await cluster.get(tuning.TUNED, name, tuning.NAMESPACE)


async def has(cluster: Cluster, tuned_profile: str, name: str = "n1") -> Object | None:
    """The node's Profile once it names a profile."""
    found = await profile(cluster, name)
    return found if found and found["spec"]["config"]["tunedProfile"] == tuned_profile else None


async def label(cluster: Cluster, name: str = "n1", **labels: str | None) -> None:
    """Change a node's labels."""
    await cluster.client.patch(NODES, name, {"metadata": {"labels": labels}})


async def condition(cluster: Cluster, name: str, type: str, status: str) -> Object | None:
    """A Tuned's condition once it has this status."""
    found = await get_tuned(cluster, name)
    for one in ((found or {}).get("status") or {}).get("conditions") or ():
        if one["type"] == type and one["status"] == status:
            return dict(one)
    return None


async def patch_tuned(cluster: Cluster, name: str, patch: Object) -> None:
    """Change a Tuned."""
    await cluster.client.patch(tuning.TUNED, name, patch, namespace=tuning.NAMESPACE)


async def test_linux_node_has_a_profile_owned_by_the_default_tuned() -> None:
    """With nothing recommended it is the one that changes nothing; other systems have none."""
    async with tuning_cluster() as cluster:
        await cluster.add_node("w1", **{"kubernetes.io/os": "windows"})
        await cluster.add_node("n2", **{"kubernetes.io/os": "linux"})
        await cluster.until(lambda: profile(cluster, "n2"))
        found, default = await profile(cluster), await get_tuned(cluster)
        assert found is not None
        assert default is not None
        assert found["spec"]["config"] == {
            "tunedProfile": "machine-defaults",
            "debug": False,
            "verbosity": 0,
            "tunedConfig": {},
        }
        assert found["spec"]["profile"] == default["spec"]["profile"]
        (owner,) = found["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("Tuned", "default", default["metadata"]["uid"])
        assert await profile(cluster, "w1") is None


async def test_openshift_profiles_are_recommended_on_demand() -> None:
    """As OpenShift's own default Tuned does it, with a provider's name taken from the node."""
    async with tuning_cluster(openshift_profiles=True) as cluster:
        assert await has(cluster, "openshift-node")
        await label(cluster, **{"node-role.kubernetes.io/infra": ""})
        await cluster.until(lambda: has(cluster, "openshift-control-plane"))
        await cluster.client.patch(NODES, "n1", {"spec": {"providerID": "aws:///eu/i-1"}})
        await cluster.until(lambda: config_is(cluster, "providerName", "aws"))


async def config_is(cluster: Cluster, key: str, value: Any) -> bool:
    """Whether the Profile's configuration holds a value."""
    found = await profile(cluster)
    return found is not None and found["spec"]["config"].get(key) == value


async def test_profile_follows_node_labels_tuneds_and_their_deletion() -> None:
    """Each change is answered at once; what a rule gave goes with it."""
    async with tuning_cluster() as cluster:
        operand = {"debug": True, "verbosity": 2, "tunedConfig": {"reapply_sysctl": False}}
        annotations = {tuning.DEFERRED: "always", tuning.CORRECT_DRIFT: "true"}
        one = tuned(
            "a",
            rule("mine", match=[{"label": "x"}], operand=operand),
            profiles={"zz": "[main]\n", "mine": "[main]\n"},
            annotations=annotations,
        )
        await cluster.client.create(tuning.TUNED, one)
        await label(cluster, x="")
        found = await cluster.until(lambda: has(cluster, "mine"))
        assert found["spec"]["config"] == {"tunedProfile": "mine", **operand}
        assert [p["name"] for p in found["spec"]["profile"]] == ["machine-defaults", "mine", "zz"]
        assert found["metadata"]["annotations"] == annotations
        await patch_tuned(cluster, "a", {"metadata": {"annotations": {tuning.DEFERRED: "update"}}})
        await cluster.until(lambda: annotated(cluster, {**annotations, tuning.DEFERRED: "update"}))
        await label(cluster, x=None)
        found = await cluster.until(lambda: has(cluster, "machine-defaults"))
        assert found["spec"]["config"]["tunedConfig"] == {}
        assert not found["metadata"].get("annotations")
        await label(cluster, x="1")
        await cluster.until(lambda: has(cluster, "mine"))
        await cluster.client.delete(tuning.TUNED, "a", tuning.NAMESPACE)
        found = await cluster.until(lambda: has(cluster, "machine-defaults"))
        assert [p["name"] for p in found["spec"]["profile"]] == ["machine-defaults"]


async def annotated(cluster: Cluster, annotations: dict[str, str]) -> bool:
    """Whether the Profile has exactly these annotations."""
    found = await profile(cluster)
    return found is not None and found["metadata"].get("annotations") == annotations


async def test_profile_follows_labels_of_pods() -> None:
    """A pod that comes, changes and goes; the Tuned is told that this is deprecated."""
    async with tuning_cluster() as cluster:
        match = [{"label": "app", "value": "db", "type": "pod"}]
        await cluster.client.create(tuning.TUNED, tuned("a", rule("db", match=match), profiles={"db": "[main]\n"}))
        invalid = await cluster.until(lambda: condition(cluster, "a", "Valid", "False"))
        assert invalid["message"] == "Deprecated pod label matching detected."
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "default", "labels": {"app": "db"}},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "busybox"}]},
        }
        await cluster.client.create(PODS, pod)
        await cluster.until(lambda: has(cluster, "db"))
        await cluster.client.patch(PODS, "p", {"metadata": {"labels": {"app": "web"}}}, namespace="default")
        await cluster.until(lambda: has(cluster, "machine-defaults"))
        await cluster.client.patch(PODS, "p", {"metadata": {"labels": {"app": "db"}}}, namespace="default")
        await cluster.until(lambda: has(cluster, "db"))
        await cluster.client.delete(PODS, "p", "default", grace_period_s=0)
        await cluster.until(lambda: has(cluster, "machine-defaults"))


async def test_profile_follows_pools() -> None:
    """A pool that comes to select the labels, and one that selects the node no more."""
    async with tuning_cluster() as cluster:
        labels = {machineconfig.ROLE_LABEL: "worker"}
        one = tuned("a", rule("p", machineConfigLabels=labels), profiles={"p": "[main]\n"})
        await cluster.client.create(tuning.TUNED, one)
        await label(cluster, **{"node-role.kubernetes.io/worker": ""})
        await cluster.until(lambda: condition(cluster, "a", "Valid", "True"))
        await cluster.client.create(machineconfig.POOL, role_pool("worker"))
        await cluster.until(lambda: has(cluster, "p"))
        other = {"spec": {"nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": None, "other": ""}}}}
        await cluster.client.patch(machineconfig.POOL, "worker", other)
        await cluster.until(lambda: has(cluster, "machine-defaults"))


async def test_conflict_holds_every_profile_until_it_is_mended() -> None:
    """Also those of nodes that have nothing to do with it, and of nodes that come meanwhile."""
    async with tuning_cluster() as cluster:
        first = tuned("a", profiles={"p": "[main]\nsummary=1\n"})
        second = tuned("b", rule("q", match=[{"label": "x"}]), profiles={"p": "[main]\nsummary=2\n", "q": "[main]\n"})
        await cluster.client.create(tuning.TUNED, first)
        await cluster.client.create(tuning.TUNED, second)
        for name in ("a", "b"):
            invalid = await cluster.until(lambda name=name: condition(cluster, name, "Valid", "False"))
            assert (invalid["reason"], invalid["message"]) == (
                "InvalidConfiguration",
                'Duplicate TuneD profile "p" with conflicting content detected.',
            )
        assert await cluster.until(lambda: condition(cluster, "default", "Valid", "True"))
        before = await profile(cluster)
        await label(cluster, x="")
        await cluster.add_node("n2", **{"kubernetes.io/os": "linux"})
        await cluster.client.create(tuning.TUNED, tuned("c"))
        await cluster.until(lambda: condition(cluster, "c", "Valid", "True"))
        assert await profile(cluster, "n2") is None
        assert await profile(cluster) == before
        await patch_tuned(cluster, "a", {"spec": {"profile": []}})
        await cluster.until(lambda: has(cluster, "q"))
        await cluster.until(lambda: profile(cluster, "n2"))
        for name in ("a", "b"):
            await cluster.until(lambda name=name: condition(cluster, name, "Valid", "True"))


async def test_profile_goes_with_its_node() -> None:
    """And comes back when somebody deletes it alone."""
    async with tuning_cluster(GarbageCollector) as cluster:
        old = await profile(cluster)
        assert old is not None
        await cluster.client.delete(tuning.PROFILE, "n1", tuning.NAMESPACE)
        fresh = await cluster.until(lambda: has(cluster, "machine-defaults"))
        assert fresh["metadata"]["uid"] != old["metadata"]["uid"]
        await cluster.client.delete(NODES, "n1")
        await cluster.until(lambda: gone(cluster))


async def gone(cluster: Cluster) -> bool:
    """Whether the Profile is away."""
    return await profile(cluster) is None


async def test_edited_profile_is_set_right_and_its_status_is_left_alone() -> None:
    """The specification is the controller's, the status the node's."""
    async with tuning_cluster() as cluster:
        status = {"status": {"tunedProfile": "machine-defaults", "observedGeneration": 1}}
        await cluster.client.patch(tuning.PROFILE, "n1", status, namespace=tuning.NAMESPACE, subresource="status")
        edit = {"spec": {"config": {"tunedProfile": "other", "providerName": "x"}, "profile": []}}
        await cluster.client.patch(tuning.PROFILE, "n1", edit, namespace=tuning.NAMESPACE)
        found = await cluster.until(lambda: has(cluster, "machine-defaults"))
        assert "providerName" not in found["spec"]["config"]
        assert [p["name"] for p in found["spec"]["profile"]] == ["machine-defaults"]
        assert found["status"] == status["status"]


async def test_default_tuned_is_restored_when_edited_or_deleted() -> None:
    """Its managementState alone is the administrator's; Profiles end up owned by the new one."""
    async with tuning_cluster(GarbageCollector) as cluster:
        original = await get_tuned(cluster)
        assert original is not None
        await patch_tuned(cluster, "default", {"spec": {"recommend": [], "managementState": "Force"}})
        await cluster.until(lambda: recommends(cluster, original["spec"]["recommend"]))
        found = await get_tuned(cluster)
        assert found is not None
        assert found["spec"]["managementState"] == "Force"
        assert await cluster.until(lambda: cluster.events("DefaultRestored", tuning.NAMESPACE))
        await cluster.client.delete(tuning.TUNED, "default", tuning.NAMESPACE)
        await cluster.until(lambda: replaced(cluster, original["metadata"]["uid"]))


async def test_namespace_of_tuning_comes_back_with_everything_in_it() -> None:
    """Whoever deletes it gets a fresh default Tuned and fresh Profiles, once it is gone."""
    async with tuning_cluster(GarbageCollector, NamespaceController) as cluster:
        original = await get_tuned(cluster)
        assert original is not None
        await cluster.client.delete(NAMESPACES, tuning.NAMESPACE)
        await cluster.until(lambda: replaced(cluster, original["metadata"]["uid"]), 60)


async def test_other_start_changes_the_default_tuned_without_a_word() -> None:
    """Nobody edited it: the cluster was started with the other rules the last time."""
    async with running(scheduler=False, kubelet=False) as cluster:
        await cluster.client.create(
            NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tuning.NAMESPACE}}
        )
        await cluster.client.create(tuning.TUNED, default_tuned(openshift_profiles=True))
        task = asyncio.create_task(Manager(cluster.client, controllers=(NodeTuningController,)).run())
        await cluster.until(lambda: recommends(cluster, default_tuned(openshift_profiles=False)["spec"]["recommend"]))
        await patch_tuned(cluster, "default", {"spec": {"profile": []}})
        (event,) = await cluster.until(lambda: cluster.events("DefaultRestored", tuning.NAMESPACE))
        assert event["count"] == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def recommends(cluster: Cluster, recommend: list[Object]) -> bool:
    """Whether the default Tuned has these rules."""
    found = await get_tuned(cluster)
    return found is not None and found["spec"]["recommend"] == recommend


async def replaced(cluster: Cluster, uid: str) -> bool:
    """Whether there is another default Tuned, and the Profile is its."""
    default, found = await get_tuned(cluster), await profile(cluster)
    if default is None or found is None or default["metadata"]["uid"] == uid:
        return False
    return bool(found["metadata"]["ownerReferences"][0]["uid"] == default["metadata"]["uid"])


async def test_unmanaged_freezes_everything() -> None:
    """No Profile changes, none comes; Managed catches up."""
    async with tuning_cluster() as cluster:
        await patch_tuned(cluster, "default", {"spec": {"managementState": "Unmanaged"}})
        one = tuned("a", rule("p"), profiles={"p": "[main]\n"})
        before = await profile(cluster)
        await cluster.client.create(tuning.TUNED, one)
        await cluster.add_node("n2", **{"kubernetes.io/os": "linux"})
        await patch_tuned(cluster, "default", {"spec": {"recommend": []}})
        await cluster.until(lambda: cluster.events("DefaultRestored", tuning.NAMESPACE))
        assert await profile(cluster) == before
        assert await profile(cluster, "n2") is None
        await patch_tuned(cluster, "default", {"spec": {"managementState": "Managed"}})
        await cluster.until(lambda: has(cluster, "p"))
        await cluster.until(lambda: has(cluster, "p", "n2"))


async def test_removed_takes_every_profile_away() -> None:
    """Until it is managed again; on any other Tuned the word counts for nothing."""
    async with tuning_cluster() as cluster:
        other = tuned("a", rule("p"), profiles={"p": "[main]\n"})
        other["spec"]["managementState"] = "Removed"
        await cluster.client.create(tuning.TUNED, other)
        await cluster.until(lambda: has(cluster, "p"))
        await patch_tuned(cluster, "default", {"spec": {"managementState": "Removed"}})
        await cluster.until(lambda: gone(cluster))
        await label(cluster, x="")
        await patch_tuned(cluster, "default", {"spec": {"managementState": None}})
        await cluster.until(lambda: has(cluster, "p"))


async def test_equal_priorities_are_told_to_both_tuneds() -> None:
    """The event names both profiles and the one that is used."""
    async with tuning_cluster() as cluster:
        await cluster.client.create(tuning.TUNED, tuned("b", rule("q"), profiles={"q": "[main]\n"}))
        await cluster.client.create(tuning.TUNED, tuned("a", rule("p"), profiles={"p": "[main]\n"}))
        await cluster.until(lambda: has(cluster, "p"))
        found = await cluster.until(lambda: both(cluster))
        assert {event["involvedObject"]["name"] for event in found} == {"a", "b"}
        assert {event["message"] for event in found} == {
            "profiles p (Tuned a) and q (Tuned b) have the same priority 20 and match node n1, which gets p; "
            "give them different priorities"
        }


async def both(cluster: Cluster) -> list[Object] | None:
    """Two events of equal priority, once they are there."""
    found = await cluster.events("EqualPriority", tuning.NAMESPACE)
    return found if len(found) == 2 else None


async def test_unusable_profile_is_told_in_a_condition_and_as_an_event() -> None:
    """Upstream finds out on the node; the profile is recommended to it all the same, and Valid says nothing of it."""
    async with tuning_cluster() as cluster:
        await cluster.client.create(tuning.TUNED, tuned("a", rule("absent")))
        found = await cluster.until(lambda: condition(cluster, "a", "Usable", "False"))
        text = "profile absent is recommended, and defined neither by a Tuned nor by this program"
        assert (found["reason"], found["message"]) == ("ProfileUnusable", text)
        (event,) = await cluster.until(lambda: cluster.events("ProfileUnusable", tuning.NAMESPACE))
        assert (event["involvedObject"]["name"], event["message"], event["type"]) == ("a", text, "Warning")
        assert await condition(cluster, "a", "Valid", "True")
        await cluster.until(lambda: has(cluster, "absent"))
        await patch_tuned(cluster, "a", {"spec": {"profile": [{"name": "absent", "data": "[main]\n"}]}})
        await cluster.until(lambda: condition(cluster, "a", "Usable", "True"))


async def test_requirements_of_every_matching_rule_are_listed() -> None:
    """Whatever their priority, each with the Tuned that asks; a profile without requirements is not among them."""
    async with tuning_cluster() as cluster:
        floor = "[requirements]\nvm.max_map_count = >=262144\n"
        await cluster.client.create(
            tuning.TUNED,
            tuned("a", rule("low", 50), rule("far", 10, match=[{"label": "x"}]), profiles={"low": floor, "far": floor}),
        )
        await cluster.client.create(tuning.TUNED, tuned("b", rule("plain", 20), profiles={"plain": "[main]\n"}))
        low = {"profile": "low", "owner": f"{tuning.NAMESPACE}/a"}
        await cluster.until(lambda: requires(cluster, "plain", [low]))
        await label(cluster, x="")
        await cluster.until(lambda: requires(cluster, "far", [{**low, "profile": "far"}, low]))
        await cluster.client.delete(tuning.TUNED, "a", tuning.NAMESPACE)
        await cluster.until(lambda: requires(cluster, "plain", None))


async def requires(cluster: Cluster, tuned_profile: str, requirements: list[Object] | None) -> bool:
    """Whether the Profile names this profile and lists these requirements."""
    found = await has(cluster, tuned_profile)
    return found is not None and found["spec"].get("requirements") == requirements


async def test_profiles_too_large_for_one_object_are_told() -> None:
    """Each Tuned can be stored, but no Profile can hold them all; nodes keep what they have until one goes."""
    async with tuning_cluster() as cluster:
        large = "[main]\n" + "# a long comment\n" * 100_000
        for name in ("a", "b"):
            await cluster.client.create(tuning.TUNED, tuned(name, rule(name, 20), profiles={name: large}))
        found = await cluster.until(lambda: cluster.events("ProfilesTooLarge", tuning.NAMESPACE))
        assert "more than a Profile can hold: no node's Profile is updated" in found[0]["message"]
        await cluster.client.delete(tuning.TUNED, "a", tuning.NAMESPACE)
        await cluster.until(lambda: has(cluster, "b"))


async def test_tuned_of_another_namespace_counts_for_nothing() -> None:
    """OpenShift's operator looks at its own namespace alone."""
    async with tuning_cluster() as cluster:
        elsewhere = tuned("a", rule("p", 0), profiles={"p": "[main]\n"})
        elsewhere["metadata"]["namespace"] = "default"
        await cluster.client.create(tuning.TUNED, elsewhere)
        await cluster.client.create(tuning.TUNED, tuned("b", rule("q"), profiles={"q": "[main]\n"}))
        found = await cluster.until(lambda: has(cluster, "q"))
        assert "p" not in [p["name"] for p in found["spec"]["profile"]]


async def test_profiles_of_nodes_that_went_meanwhile_are_deleted() -> None:
    """A Profile whose node does not exist at start goes."""
    async with tuning_cluster() as cluster:
        metadata = {"name": "stray", "namespace": tuning.NAMESPACE}
        stray = {
            "apiVersion": tuning.PROFILE.api_version,
            "kind": "Profile",
            "metadata": metadata,
            "spec": {"config": {"tunedProfile": "p"}},
        }
        await cluster.client.create(tuning.PROFILE, stray)

        async def away() -> bool:
            return await profile(cluster, "stray") is None

        await cluster.until(away)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"recommend": [{"profile": "p"}]}, "spec.recommend[0].priority"),
        ({"recommend": [{"profile": "", "priority": 1}]}, "spec.recommend[0].profile"),
        ({"recommend": [{"profile": "p", "priority": -1}]}, "spec.recommend[0].priority"),
        ({"recommend": [{"profile": "p", "priority": 1, "match": [{}]}]}, "spec.recommend[0].match[0].label"),
        (
            {"recommend": [{"profile": "p", "priority": 1, "match": [{"label": "x", "type": "Node"}]}]},
            "spec.recommend[0].match[0].type",
        ),
        ({"profile": [{"name": "p"}]}, "spec.profile[0].data"),
        ({"managementState": "managed"}, "spec.managementState"),
    ],
)
async def test_api_refuses_what_upstreams_schema_refuses(spec: Object, field: str) -> None:
    """The field is named."""
    async with running(NodeTuningController, scheduler=False, kubelet=False) as cluster:
        await cluster.until(lambda: get_tuned(cluster))
        one = tuned("a")
        one["spec"] = spec
        with pytest.raises(StatusError) as refused:
            await cluster.client.create(tuning.TUNED, one)
        assert refused.value.code == 422
        assert field in refused.value.message


async def test_controller_ends_where_the_api_serves_no_tuned_objects(tmp_path: Path) -> None:
    """A plain Kubernetes cluster; whatever else runs beside it goes on."""
    (tmp_path / "none").mkdir()
    async with ApiServer(ServerConfig(tmp_path / "data", port=0, crd_dir=tmp_path / "none", platform=PLAIN)) as server:
        token = (server.config.pki_dir / "admin.token").read_text().strip()
        async with Client(ClientConfig(server=server.url, ca=server.authority.ca_pem, token=token)) as client:
            informers = InformerSet(client)
            await asyncio.wait_for(NodeTuningController(Scope(client, informers)).run(), 10)


async def test_controller_works_without_pools(tmp_path: Path) -> None:
    """Tuned objects alone may have been added to a cluster."""
    directory = tmp_path / "some"
    directory.mkdir()
    for name in ("tuneds.yaml", "profiles.yaml"):
        shutil.copy(REPOSITORY_CRDS / name, directory)
    async with ApiServer(ServerConfig(tmp_path / "data", port=0, crd_dir=directory, platform=PLAIN)) as server:
        token = (server.config.pki_dir / "admin.token").read_text().strip()
        async with Client(ClientConfig(server=server.url, ca=server.authority.ca_pem, token=token)) as client:
            task = asyncio.create_task(Manager(client, controllers=(NodeTuningController,)).run())
            cluster = Cluster(server, client)
            await cluster.add_node("n1", **{"kubernetes.io/os": "linux"})
            await cluster.until(lambda: profile(cluster))
            assert not task.done()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
