"""How many warnings are sent, and how long: upstream's bounds."""

from __future__ import annotations

import pytest

from podsysctl.apiserver.respond import bounded
from podsysctl.objects.kinds import BUILTIN
from tests.apiserver.api import Api

APPLY = "application/apply-patch+yaml"

ACTED_ON = {
    *("Pod", "Node", "Namespace", "Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "PodDisruptionBudget"),
    *("CustomResourceDefinition", "ServiceAccount", "PriorityClass", "Role", "ClusterRole", "RoleBinding"),
    *("ClusterRoleBinding", "TokenReview"),
    *("SelfSubjectAccessReview", "SubjectAccessReview", "LocalSubjectAccessReview", "SelfSubjectRulesReview"),
    "SelfSubjectReview",
}
"""By a controller, a node or the server itself."""
READ_BY_OTHERS = {"Event", "ConfigMap", "Secret", "Lease", "ControllerRevision"}
"""Nobody acts on these anywhere."""


def letters(letter: str, count: int) -> str:
    """A warning of a length."""
    return letter * count


@pytest.mark.parametrize(
    ("warnings", "sent"),
    [
        (["a", "b", "a", ""], ["a", "b"]),
        (["a\nb", "c"], ["c"]),
        ([letters("a", 4096)], [letters("a", 4096)]),
        ([letters("a", 4097)], [letters("a", 256)]),
        ([letters("a", 4000), letters("b", 96)], [letters("a", 4000), letters("b", 96)]),
        ([letters("a", 4000), letters("b", 97), letters("c", 300)],
         [letters("a", 256), letters("b", 97), letters("c", 256)]),
        ([letters("a", 4000), "x" * 300 + "\n"], [letters("a", 4000)]),
        ([letters("a", 4097), "x" * 300 + "\n"], [letters("a", 256), letters("x", 256)]),
    ],
)  # fmt: skip
def test_bounded_warnings_are_cut_once_they_are_too_long_together(warnings: list[str], sent: list[str]) -> None:
    """4096 characters in all; past that 256 each; control characters are never sent."""
    assert bounded(warnings) == sent


def test_bounded_warnings_end_with_the_one_that_passes_the_bound() -> None:
    """What makes the cut necessary is still sent, and so is everything before it."""
    warnings = [f"{number:02}" + "x" * 98 for number in range(60)]
    assert bounded(warnings) == warnings[:41]


JOB = {"template": {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}}
UNATTENDED = {
    "CronJob": (
        "/apis/batch/v1/namespaces/default/cronjobs",
        {"apiVersion": "batch/v1", "schedule": "* * * * *", "jobTemplate": {"spec": JOB}},
        "no controller runs CronJobs here: it starts no Job by itself; "
        "`kubectl create job NAME --from=cronjob/x` starts one",
    ),
    "Service": (
        "/api/v1/namespaces/default/services",
        {"apiVersion": "v1", "ports": [{"port": 80}]},
        "no proxy serves Services here: it gets no cluster IP, no endpoints and no DNS name; "
        "`port-forward service/x` reaches its pods",
    ),
}


def test_every_kind_is_acted_on_or_told_about() -> None:
    """A kind that is served anew has to be put somewhere."""
    assert {kind.kind for kind in BUILTIN} == ACTED_ON | READ_BY_OTHERS | set(UNATTENDED)


@pytest.mark.parametrize("kind", UNATTENDED)
async def test_creation_of_what_nobody_acts_on_is_warned_of(api: Api, kind: str) -> None:
    """However it is created; later changes say nothing again."""
    path, content, text = UNATTENDED[kind]
    spec = {key: value for key, value in content.items() if key != "apiVersion"}
    obj = {"apiVersion": content["apiVersion"], "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    assert (await api.call("POST", path, obj, dryRun="All")).warnings == [text]
    first = await api.call("PATCH", f"{path}/x", obj, media=APPLY, fieldManager="m")
    assert (first.code, first.warnings) == (201, [text])
    obj["metadata"]["labels"] = {"a": "b"}
    again = await api.call("PATCH", f"{path}/x", obj, media=APPLY, fieldManager="m")
    assert (again.code, again.warnings) == (200, [])
