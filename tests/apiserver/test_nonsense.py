"""Objects of every kind with nonsense in any field: the server always has an answer of its own."""

from __future__ import annotations

import random
from typing import Any

import pytest

from podsysctl.objects import kinds, schema
from podsysctl.objects.schema import Schema
from tests.apiserver.api import Api

TEXTS = ("", "a", "A", "a.b", "*", "-1", "9" * 19, "é", "x" * 300, "default", "100m", "2026-01-01T00:00:00Z", "50%",
         "\0", "/a/..", "10.0.0.1", "Always", "NoSchedule", "In", "* * * * *")  # fmt: skip
ODD: tuple[Any, ...] = (None, 1, "x", [], {}, True, -1, 1.5, [None], {"a": None})
NUMBERS = (0, 1, -1, 65536, 2**31 - 1)
PATHS = ("/spec", "/metadata", "/metadata/name", "/spec/containers/0", "/x", "")
ROUNDS = 120


class Nonsense:
    """Values that fit a type, but for one in fifty."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, node: Schema, depth: int, density: float) -> Any:
        """A value for a node of a schema; fewer optional fields the deeper it goes."""
        pick = self.random.choice
        if self.random.random() < 0.02:
            return pick(ODD)
        if node.kind == schema.OBJECT:
            return self._object(node, depth, density)
        if node.kind == schema.MAP:
            return {pick(TEXTS): self._item(node, depth, density) for _ in range(pick((0, 1, 2)))}
        if node.kind == schema.LIST:
            return [self._item(node, depth, density) for _ in range(pick((0, 1, 1, 2)))]
        by_kind: dict[str, tuple[Any, ...]] = {
            schema.ANY: ({"a": 1}, 1, None, [1]),
            "bool": (True, False),
            "int32": NUMBERS,
            "int64": NUMBERS,
            "double": (1.5, 1),
            "IntOrString": (1, "50%", "x", -1),
            "Quantity": ("1", "100m", "x", "-1", "", 1),
            "bytes": ("YQ==", "!", ""),
        }
        return pick(by_kind.get(node.kind, TEXTS))

    def _item(self, node: Schema, depth: int, density: float) -> Any:
        assert node.item is not None
        return self.value(node.item, depth + 1, density)

    def _object(self, node: Schema, depth: int, density: float) -> dict[str, Any]:
        if depth > 7:
            return {}
        return {
            name: self.value(declared.schema, depth + 1, density * 0.75)
            for name, declared in node.fields.items()
            if self.random.random() < (0.9 if declared.required else density)
        }


@pytest.mark.parametrize("seed", range(3))
async def test_nonsense_never_escapes_as_a_fault(api: Api, seed: int) -> None:
    """Whatever is sent, the answer is an object or a Status; tables of what was stored can be shown."""
    made = Nonsense(seed)
    pick = made.random.choice
    faults = []
    for _ in range(ROUNDS):
        kind = pick(kinds.BUILTIN)
        obj = made.value(schema.builtin(kind.type_name), 0, pick((0.1, 0.3, 0.6)))
        if not isinstance(obj, dict):
            continue
        name, path = pick("abc"), kind.path("default")
        head = {"apiVersion": kind.api_version, "kind": kind.kind}
        replies = [await api.call("POST", path, {**obj, **head, "metadata": {"name": name}})]
        if "update" in kind.verbs:
            target = f"{path}/{name}{pick(('', '/status', '/scale'))}"
            replies.append(await api.call("PUT", target, {**obj, **head, "metadata": {"name": name}}))
            media = pick(("merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml", "json-patch+json"))
            operation = {"op": pick(("add", "replace", "remove", "copy")), "path": pick(PATHS), "from": "/metadata"}
            body = [{**operation, "value": obj.get("spec")}] if media.startswith("json") else {**obj, **head}
            replies.append(await api.call("PATCH", target, body, media=f"application/{media}", fieldManager="f"))
            table = "application/json;as=Table;v=v1;g=meta.k8s.io"
            replies.append(await api.call("GET", path, accept=table))
        faults += [(kind.kind, reply.body, obj) for reply in replies if not isinstance(reply.body, dict)]
    assert faults == []


@pytest.mark.parametrize(
    ("metadata", "code", "text"),
    [
        ({"name": "q", "labels": 5}, 400, "number into Go struct field ObjectMeta.labels of type map[string]string"),
        ({"name": "q", "labels": {"a": 5}}, 400, "number into Go struct field ObjectMeta.labels of type string"),
        ({"annotations": {"b": [1]}}, 400, "array into Go struct field ObjectMeta.annotations of type string"),
        ({"name": 5}, 400, "number into Go struct field ObjectMeta.name of type string"),
        ({"name": "q", "finalizers": "x"}, 400, "string into Go struct field ObjectMeta.finalizers of type []string"),
        ({"name": "q", "generation": "x"}, 400, "string into Go struct field ObjectMeta.generation of type int64"),
        ([], 400, "array into Go value of type v1.ObjectMeta"),
        ({"name": "q", "foo": 5}, 400, 'unknown field "metadata.foo"'),
        ({"name": "q", "labels": {"a": None}}, 201, ""),
        (None, 422, "name or generateName is required"),
    ],
)
async def test_metadata_of_custom_objects_is_read_as_that_of_any_other(
    api: Api, metadata: Any, code: int, text: str
) -> None:
    """Texts and codes are those of a Kubernetes 1.36 server; nothing of the wrong type gets any further."""
    path = "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions"
    body = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "metadata": metadata, "spec": {}}
    reply = await api.call("POST", path, body, fieldValidation="Strict", dryRun="All")
    assert reply.code == code
    if text:
        assert reply.message.endswith(text)
    else:
        assert reply.body["metadata"]["labels"] == {"a": ""}
    if code == 400:
        patched = await api.call("PATCH", f"{path}/q", body, media="application/apply-patch+yaml", fieldManager="m")
        assert patched.code in (400, 422, 500)
        assert patched.body["kind"] == "Status"
