"""PodDisruptionBudgets against a real API server."""

from typing import Any

from podsysctl.controllers.disruption import DisruptionController
from podsysctl.controllers.replicaset import ReplicaSetController
from podsysctl.controllers.scope import DISRUPTION_BUDGETS, REPLICA_SETS
from tests.controllers.cluster import Cluster, running
from tests.controllers.test_replicaset import replica_set

Object = dict[str, Any]


def budget(**spec: Any) -> Object:
    """A budget over the pods of app=x."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, **spec},
    }


async def status(cluster: Cluster) -> Object:
    """The budget's status."""
    found = await cluster.get(DISRUPTION_BUDGETS, "b")
    return (found or {}).get("status") or {}


async def test_budget_counts_healthy_pods() -> None:
    """What may be evicted is what is healthy beyond what must be."""
    async with running(ReplicaSetController, DisruptionController) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(DISRUPTION_BUDGETS, budget(minAvailable=2))
        await cluster.client.create(REPLICA_SETS, replica_set(3))

        async def counted() -> Any:
            found = await status(cluster)
            return found.get("disruptionsAllowed") == 1 and found

        found = await cluster.until(counted)
        assert (found["currentHealthy"], found["desiredHealthy"], found["expectedPods"]) == (3, 2, 3)
        (condition,) = found["conditions"]
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "DisruptionAllowed",
            "True",
            "SufficientPods",
        )


async def test_budget_of_percent_asks_the_controllers() -> None:
    """A share is one of what the pods' controllers want."""
    async with running(ReplicaSetController, DisruptionController) as cluster:
        await cluster.add_node("n1")
        await cluster.client.create(DISRUPTION_BUDGETS, budget(maxUnavailable="50%"))
        await cluster.client.create(REPLICA_SETS, replica_set(4))

        async def counted() -> Any:
            found = await status(cluster)
            return found.get("disruptionsAllowed") == 2 and found

        found = await cluster.until(counted)
        assert (found["desiredHealthy"], found["expectedPods"]) == (2, 4)
