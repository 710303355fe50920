"""Kinds that are kept and that nothing here acts on, which upstream's controllers would: said with their creation.

Whoever runs a controller of their own for one reads the sentence and goes on; everybody else would wait for ever.
"""

from __future__ import annotations

from podsysctl.apiserver.resource import Resource

_SENTENCES = {
    "batch/cronjobs": (
        "no controller runs CronJobs here: it starts no Job by itself; "
        "`kubectl create job NAME --from=cronjob/{name}` starts one"
    ),
    "/services": (
        "no proxy serves Services here: it gets no cluster IP, no endpoints and no DNS name; "
        "`port-forward service/{name}` reaches its pods"
    ),
}


def warnings(resource: Resource, name: str) -> list[str]:
    """What to tell whoever creates an object of the kind."""
    sentence = _SENTENCES.get(resource.type_key)
    return [] if sentence is None else [sentence.format(name=name)]
