"""The table of kinds: what discovery shows of each, paths, and kinds made from definitions."""

import pytest

from podsysctl.objects import kinds, validation
from podsysctl.objects.kinds import BUILTIN, Kind


@pytest.mark.parametrize(
    ("api_version", "kind", "plural", "short", "categories", "namespaced"),
    [
        ("v1", "Pod", "pods", ("po",), ("all",), True),
        ("v1", "Node", "nodes", ("no",), (), False),
        ("v1", "Namespace", "namespaces", ("ns",), (), False),
        ("v1", "ConfigMap", "configmaps", ("cm",), (), True),
        ("v1", "ServiceAccount", "serviceaccounts", ("sa",), (), True),
        ("apps/v1", "Deployment", "deployments", ("deploy",), ("all",), True),
        ("apps/v1", "ReplicaSet", "replicasets", ("rs",), ("all",), True),
        ("apps/v1", "DaemonSet", "daemonsets", ("ds",), ("all",), True),
        ("apps/v1", "StatefulSet", "statefulsets", ("sts",), ("all",), True),
        ("batch/v1", "CronJob", "cronjobs", ("cj",), ("all",), True),
        ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", ("pdb",), (), True),
        ("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", ("pc",), (), False),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", ("crd", "crds"),
         ("api-extensions",), False),
    ],
)  # fmt: skip
def test_kind_is_discovered_as_upstream(
    api_version: str, kind: str, plural: str, short: tuple[str, ...], categories: tuple[str, ...], namespaced: bool
) -> None:
    """Names, short names, categories and scope."""
    found = kinds.builtin_by_kind(api_version, kind)
    assert isinstance(found, Kind)
    assert (found.plural, found.short_names, found.categories, found.namespaced) == (
        plural, short, categories, namespaced,
    )  # fmt: skip


def test_every_kind_has_a_schema_and_distinct_path() -> None:
    """Rows of the table are complete and do not clash."""
    assert all(kind.schema is not None for kind in BUILTIN)
    assert len({(kind.group, kind.version, kind.plural) for kind in BUILTIN}) == len(BUILTIN)


def test_both_event_kinds_share_their_objects() -> None:
    """Events of both groups are one set of stored objects."""
    core = kinds.builtin_by_resource("", "v1", "events")
    other = kinds.builtin_by_resource("events.k8s.io", "v1", "events")
    assert core.storage_key == other.storage_key


def test_paths_follow_scope_and_group() -> None:
    """Core kinds live under /api, the others under /apis."""
    pod = kinds.builtin_by_resource("", "v1", "pods")
    assert pod.path("d", "p", "log") == "/api/v1/namespaces/d/pods/p/log"
    assert pod.path() == "/api/v1/pods"
    deployment = kinds.builtin_by_resource("apps", "v1", "deployments")
    assert deployment.path("d", "x") == "/apis/apps/v1/namespaces/d/deployments/x"
    assert kinds.builtin_by_resource("", "v1", "nodes").path(name="n") == "/api/v1/nodes/n"


def test_body_of_subresource_is_a_kind_of_its_own() -> None:
    """Scale and eviction bodies are typed by their own group."""
    scale = kinds.builtin_by_resource("apps", "v1", "deployments").body_of("scale")
    assert (scale.api_version, scale.kind) == ("autoscaling/v1", "Scale")
    eviction = kinds.builtin_by_resource("", "v1", "pods").body_of("eviction")
    assert (eviction.api_version, eviction.kind) == ("policy/v1", "Eviction")


def test_definition_becomes_a_kind() -> None:
    """Missing names have the definition's defaults."""
    names = {"plural": "apples", "kind": "Apple", "shortNames": ["ap"], "categories": ["all"]}
    version = {"name": "v1", "subresources": {"status": {}, "scale": {}}}
    crd = {"spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}}
    kind = kinds.from_crd(crd, "v1")
    assert kind.is_custom
    assert (kind.api_version, kind.singular, kind.list_kind) == ("example.com/v1", "apple", "AppleList")
    assert kind.path("d", "x", "status") == "/apis/example.com/v1/namespaces/d/apples/x/status"
    assert {sub.name for sub in kind.subresources} == {"status", "scale"}


def test_every_stored_kind_is_validated() -> None:
    """An object without a name is refused whatever its kind, unless it is only asked about and never stored."""
    stored = [kind for kind in BUILTIN if "list" in kind.verbs]
    for kind in stored:
        errors = validation.validate(kind, {"metadata": {}})
        assert errors, kind.kind
