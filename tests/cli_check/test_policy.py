"""`podsysctl policy`: access to constraints by roles and bindings of a running API server."""

from __future__ import annotations

import asyncio

import pytest

from podsysctl.base.errors import StatusError
from podsysctl.cli import policy
from podsysctl.cli.main import main
from tests.cli_check.test_explain_online import Cluster, cluster

__all__ = ["cluster"]

ROLE = "system:openshift:scc:anyuid"


async def run(cluster: Cluster, *words: str) -> int:
    """One command, in a thread with a loop of its own."""
    return await asyncio.to_thread(main, [*words, "--kubeconfig", cluster.kubeconfig])


async def test_add_scc_to_user_binds_in_the_whole_cluster(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """The binding has the role's name; a second user joins it, and the same user twice changes nothing."""
    assert await run(cluster, "policy", "add-scc-to-user", "anyuid", "dev") == 0
    assert capsys.readouterr().out == f'clusterrole.rbac.authorization.k8s.io/{ROLE} added to: "dev"\n'
    for words in (["ops"], ["dev"]):
        assert await run(cluster, "adm", "policy", "add-scc-to-user", "anyuid", *words) == 0
    binding = await cluster.client.get(policy._CLUSTER_BINDINGS, ROLE)
    assert [subject["name"] for subject in binding["subjects"]] == ["dev", "ops"]
    assert binding["roleRef"]["name"] == ROLE


async def test_add_scc_to_service_account_binds_in_its_namespace(cluster: Cluster) -> None:
    """With -n the binding is of that namespace."""
    assert await run(cluster, "policy", "add-scc-to-user", "anyuid", "-z", "default", "-n", "default") == 0
    binding = await cluster.client.get(policy._BINDINGS, ROLE, "default")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]


async def test_remove_scc_deletes_an_empty_binding(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """What was added is gone; removing again is an error."""
    assert await run(cluster, "policy", "add-scc-to-group", "anyuid", "ops") == 0
    assert await run(cluster, "policy", "remove-scc-from-group", "anyuid", "ops") == 0
    assert capsys.readouterr().out.endswith(f'/{ROLE} removed from: "ops"\n')
    with pytest.raises(StatusError):
        await cluster.client.get(policy._CLUSTER_BINDINGS, ROLE)
    assert await run(cluster, "policy", "remove-scc-from-group", "anyuid", "ops") == 2


async def test_add_scc_that_does_not_exist_is_refused(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """No role is made for a constraint that is not there."""
    assert await run(cluster, "policy", "add-scc-to-user", "nope", "dev") == 1
    assert '"nope" not found' in capsys.readouterr().err
    assert await run(cluster, "policy", "add-scc-to-user", "anyuid") == 2
