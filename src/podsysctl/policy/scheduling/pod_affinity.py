"""Whether a pod may be where other pods are: required affinity and anti-affinity, its own and the others'.

Source: Kubernetes 1.36 `pkg/scheduler/framework/plugins/interpodaffinity/filtering.go`. Preferred terms are not looked
at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from podsysctl.policy.scheduling.misfit import Misfit
from podsysctl.policy.scheduling.nodeinfo import Cluster, NodeInfo
from podsysctl.policy.scheduling.podinfo import PodInfo
from podsysctl.policy.scheduling.terms import AffinityTerm

AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
OTHERS_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"

_Places = Counter[tuple[str, str]]
"""How many pods that count are in each place, by topology key and value."""


def prepare(pod: PodInfo, cluster: Cluster) -> Callable[[NodeInfo], Misfit | None] | None:
    """The filter for one pod, made by one look at the pods that count; None when nothing can be in its way."""
    together, apart = pod.affinity_terms, pod.anti_affinity_terms
    shunned = _shunned(pod, cluster) if cluster.repelling else Counter()
    if not together and not apart and not shunned:
        return None
    near, far = _count(together, apart, cluster)
    # The first of a group that wants to be together has nobody to join yet.
    is_first = not near and _all_match(together, pod, cluster)

    def check(node: NodeInfo) -> Misfit | None:
        labels = node.labels
        if any(term.topology_key not in labels for term in together):
            return Misfit((AFFINITY,))
        if not is_first and any((t.topology_key, labels[t.topology_key]) not in near for t in together):
            return Misfit((AFFINITY,))
        if far and any((t.topology_key, labels.get(t.topology_key)) in far for t in apart):
            return Misfit((ANTI_AFFINITY,), hopeless=False)
        if shunned and any(place in shunned for place in labels.items()):
            return Misfit((OTHERS_ANTI_AFFINITY,), hopeless=False)
        return None

    return check


def _shunned(pod: PodInfo, cluster: Cluster) -> _Places:
    """Places of pods whose anti-affinity speaks of this pod."""
    out: _Places = Counter()
    namespace_labels = cluster.labels_of_namespace(pod.namespace)
    for uid, other in cluster.repelling.items():
        node = cluster.get(cluster.place_of(uid) or "")
        if node is not None:
            terms = (t for t in other.anti_affinity_terms if t.matches(pod.namespace, pod.labels, namespace_labels))
            _add(out, terms, node.labels)
    return out


def _count(
    together: tuple[AffinityTerm, ...], apart: tuple[AffinityTerm, ...], cluster: Cluster
) -> tuple[_Places, _Places]:
    """Places of pods that all terms of affinity speak of, and of those that a term of anti-affinity speaks of."""
    near: _Places = Counter()
    far: _Places = Counter()
    if not together and not apart:
        return near, far
    for node in cluster.nodes():
        for other in node.pods.values():
            if _all_match(together, other, cluster):
                _add(near, together, node.labels)
            if apart:
                namespace_labels = cluster.labels_of_namespace(other.namespace)
                terms = (t for t in apart if t.matches(other.namespace, other.labels, namespace_labels))
                _add(far, terms, node.labels)
    return near, far


def _all_match(terms: tuple[AffinityTerm, ...], pod: PodInfo, cluster: Cluster) -> bool:
    """Whether each term speaks of the pod; without terms none does."""
    if not terms:
        return False
    namespace_labels = cluster.labels_of_namespace(pod.namespace)
    return all(term.matches(pod.namespace, pod.labels, namespace_labels) for term in terms)


def _add(places: _Places, terms: Iterable[AffinityTerm], labels: Mapping[str, str]) -> None:
    for term in terms:
        value = labels.get(term.topology_key)
        if value is not None:
            places[term.topology_key, value] += 1
