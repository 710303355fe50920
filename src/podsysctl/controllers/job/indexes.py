"""Completion indexes of Indexed Jobs, and their short form `0-2,5`.

Source: Kubernetes 1.36 `pkg/controller/job/indexed_job_utils.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from podsysctl.controllers.scope import Object, annotations_of

INDEX = "batch.kubernetes.io/job-completion-index"


def is_indexed(job: Object) -> bool:
    """Whether each pod of the Job has an index."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: Object) -> int | None:
    """The index of a pod."""
    text = annotations_of(pod).get(INDEX, "")
    return int(text) if text.isascii() and text.isdigit() else None


def parse(text: str, completions: int) -> set[int]:
    """Indexes from their short form; those beyond `completions` and malformed parts are dropped."""
    out: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if not (first.isascii() and first.isdigit()) or (last and not (last.isascii() and last.isdigit())):
            continue
        out.update(range(int(first), min(int(last or first), completions - 1) + 1))
    return {index for index in out if index < completions}


def show(indexes: Iterable[int]) -> str:
    """The short form, ranges joined.

    >>> show({0, 1, 2, 5})
    '0-2,5'
    """
    parts: list[str] = []
    run: list[int] = []
    for index in [*sorted(indexes), None]:
        if run and (index is None or index != run[-1] + 1):
            pair = len(run) == 2
            parts.append(",".join(map(str, run)) if pair or len(run) == 1 else f"{run[0]}-{run[-1]}")
            run = []
        if index is not None:
            run.append(index)
    return ",".join(parts)


def next_free(count: int, taken: Iterable[int], completions: int) -> list[int]:
    """The lowest indexes that are neither done nor running."""
    used = set(taken)
    out: list[int] = []
    for index in range(completions):
        if len(out) >= count:
            break
        if index not in used:
            out.append(index)
    return out


def apply_index(pod: Object, job: Object, index: int) -> None:
    """Make a pod the one of an index: annotation, label, host name, variable, name."""
    metadata, spec = pod["metadata"], pod["spec"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), INDEX: str(index)}
    metadata["labels"] = {**(metadata.get("labels") or {}), INDEX: str(index)}
    metadata["generateName"] = f"{job['metadata']['name']}-{index}-"
    spec["hostname"] = f"{job['metadata']['name']}-{index}"
    variable = {
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}},
    }
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or ():
            known = container.get("env") or []
            if not any(entry.get("name") == "JOB_COMPLETION_INDEX" for entry in known):
                container["env"] = [*known, variable]
