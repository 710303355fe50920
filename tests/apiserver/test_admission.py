"""What admission adds to pods and refuses: account, priority, tolerations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.api import PODS, Api, pod

CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


def priority_class(name: str, value: int, **more: Any) -> dict[str, Any]:
    kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
    return {**kind, "metadata": {"name": name}, "value": value, **more}


async def test_pod_of_a_missing_account_is_forbidden(api: Api) -> None:
    """The text names the account."""
    reply = await api.call("POST", PODS, pod(serviceAccountName="bot"))
    assert reply.code == 403
    text = 'error looking up service account default/bot: serviceaccount "bot" not found'
    assert reply.message == f'pods "p" is forbidden: {text}'


@pytest.mark.parametrize("where", ["pod", "account"])
async def test_token_is_not_mounted_where_it_is_not_wanted(api: Api, where: str) -> None:
    """The pod's word counts before the account's."""
    if where == "account":
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}}
        await api.make(ACCOUNTS, {**account, "automountServiceAccountToken": False})
        made = await api.make(PODS, pod(serviceAccountName="bot"))
        assert "volumes" not in made["spec"]
        wanting = pod("q", serviceAccountName="bot", automountServiceAccountToken=True)
        assert (await api.make(PODS, wanting))["spec"]["volumes"]
    else:
        made = await api.make(PODS, pod(automountServiceAccountToken=False))
        assert "volumes" not in made["spec"]


async def test_own_mount_at_the_token_path_is_left_alone(api: Api) -> None:
    """A container that mounts something there gets no second mount."""
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    container = {"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": path}]}
    made = await api.make(PODS, pod(containers=[container], volumes=[{"name": "v", "emptyDir": {}}]))
    assert [volume["name"] for volume in made["spec"]["volumes"]] == ["v"]


async def test_priority_comes_from_the_class(api: Api) -> None:
    """Number and preemption policy; a missing class and a number of one's own are forbidden."""
    await api.make(CLASSES, priority_class("high", 1000, preemptionPolicy="Never"))
    made = await api.make(PODS, pod(priorityClassName="high"))
    assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (1000, "Never")
    missing = await api.call("POST", PODS, pod("q", priorityClassName="none"))
    assert (missing.code, missing.message) == (
        403,
        'pods "q" is forbidden: no PriorityClass with name none was found',
    )
    own = await api.call("POST", PODS, pod("q", priorityClassName="high", priority=5))
    assert own.message.startswith('pods "q" is forbidden: the integer value of priority (5) must not be provided')


async def test_default_class_is_used_and_unique(api: Api) -> None:
    """A pod without a class gets the default one; a second default is refused."""
    await api.make(CLASSES, priority_class("usual", 7, globalDefault=True))
    made = await api.make(PODS, pod())
    assert (made["spec"]["priorityClassName"], made["spec"]["priority"]) == ("usual", 7)
    second = await api.call("POST", CLASSES, priority_class("other", 8, globalDefault=True))
    assert second.code == 403
    assert "PriorityClass usual is already marked as default" in second.message


async def test_tolerations_that_a_pod_has_are_kept(api: Api) -> None:
    """Only what is not tolerated in any form is added."""
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    made = await api.make(PODS, pod(tolerations=[own]))
    assert [t["tolerationSeconds"] for t in made["spec"]["tolerations"]] == [5, 300]
    everything = await api.make(PODS, pod("q", tolerations=[{"operator": "Exists"}]))
    assert everything["spec"]["tolerations"] == [{"operator": "Exists"}]


async def test_runtime_class_that_does_not_exist_refuses_the_pod(api: Api) -> None:
    """Before the fields are checked; overhead without a class is refused after."""
    reply = await api.call("POST", PODS, pod(runtimeClassName="vm", hostNetwork=True, hostUsers=False))
    assert (reply.code, reply.message) == (403, 'pods "p" is forbidden: pod rejected: RuntimeClass "vm" not found')
    reply = await api.call("POST", PODS, pod(overhead={"cpu": "1"}))
    assert reply.code == 403
    assert reply.message == (
        'pods "p" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead'
    )
