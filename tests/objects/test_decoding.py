"""Request bodies: types, unknown and doubled fields, bounds, YAML."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from podsysctl.base.errors import StatusError
from podsysctl.objects import decode, kinds, patch, schema, yamltext
from podsysctl.objects.kinds import Kind
from podsysctl.objects.yamltext import YAMLSyntaxError

RECORDED = json.loads((Path(__file__).parent / "recorded" / "decoded.json").read_text(encoding="utf-8"))
POD = kinds.builtin_by_kind("v1", "Pod")


def decoded(body: bytes | str, kind: Kind = POD) -> decode.Decoded:
    """The body read as an object of a kind."""
    data = body.encode() if isinstance(body, str) else body
    return decode.decode_json(data, schema.builtin(kind.type_name), kind)


def outcome(body: str, kind: Kind = POD) -> str | list[str]:
    """The error of a body, or what is odd about it."""
    try:
        return decoded(body, kind).problems
    except StatusError as error:
        return error.message


@pytest.mark.parametrize("row", [pytest.param(row, id=row["body"][:60]) for row in RECORDED])
def test_recorded_body_gets_upstreams_text(row: Any) -> None:
    """Errors, unknown and doubled fields are worded as upstream's decoder words them."""
    assert outcome(row["body"], kinds.builtin_by_kind(*row["kind"])) == row["want"]


def test_number_as_sysctl_value_names_the_field() -> None:
    """The mistake that YAML invites has upstream's well-known answer."""
    body = '{"spec":{"securityContext":{"sysctls":[{"name":"a","value":1024}]}}}'
    with pytest.raises(StatusError) as caught:
        decoded(body)
    text = "json: cannot unmarshal number into Go struct field Sysctl.spec.securityContext.sysctls.value of type string"
    assert caught.value.code == 400
    assert caught.value.message == f'Pod in version "v1" cannot be handled as a Pod: {text}'


def test_unknown_and_doubled_fields_are_told_and_dropped() -> None:
    """The object has only fields of its type, the last of doubled ones."""
    result = decoded('{"foo":1,"spec":{"hostname":"a","hostname":"b","bar":{}}}')
    assert result.problems == ['unknown field "foo"', 'duplicate field "spec.hostname"', 'unknown field "spec.bar"']
    assert result.object["spec"]["hostname"] == "b"
    assert "foo" not in result.object
    error = decode.strict_error(result, POD)
    assert error.code == 400
    assert error.message.endswith(
        'strict decoding error: unknown field "foo", duplicate field "spec.hostname", unknown field "spec.bar"'
    )


def test_custom_kind_keeps_every_field() -> None:
    """Objects of a definition are typed elsewhere."""
    spec = {"group": "example.com", "scope": "Namespaced", "names": {"plural": "apples", "kind": "Apple"}}
    kind = kinds.from_crd({"spec": {**spec, "versions": [{"name": "v1"}]}}, "v1")
    body = b'{"kind":"Apple","apiVersion":"example.com/v1","any":{"thing":[1,null]}}'
    assert decode.decode_json(body, None, kind).object["any"] == {"thing": [1, None]}


def test_deep_nesting_is_refused() -> None:
    """A body cannot make the server recurse without end."""
    with pytest.raises(StatusError) as caught:
        decoded('{"metadata":' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}")
    assert caught.value.code == 400


def outcome_code(body: bytes) -> int:
    """200 for a body that is an object, else the code of its error."""
    try:
        decoded(body)
    except StatusError as error:
        return error.code
    return 200


@given(st.binary(max_size=200))
def test_any_bytes_give_an_object_or_400(body: bytes) -> None:
    """No body brings anything but an object or a Status of 400."""
    assert outcome_code(body) in (200, 400)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["spec", "metadata", "name", "containers", "sysctls", "value", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["spec", "metadata", "status", "x"]), JSON, max_size=3))
def test_decoding_twice_changes_nothing(value: dict[str, Any]) -> None:
    """What was decoded once is in canonical form."""
    body = json.dumps(value).encode()
    assume(outcome_code(body) == 200)
    first = decoded(body).object
    again = decoded(json.dumps(first))
    assert again.object == first
    assert again.problems == []


def test_yaml_body_is_read_as_json() -> None:
    """YAML 1.1 scalars become what Go's YAML reader makes of them."""
    text = b"a: yes\nb: 0o17\nc: 1.5\nd: '1'\ne: ~\nf: 2020-01-01\n1: x\n"
    got = decode.decode_yaml(text)
    assert got["a"] is True
    assert got["c"] == 1.5
    assert got["d"] == "1"
    assert got["e"] is None
    assert got["f"] == "2020-01-01"
    assert got["1"] == "x"


def test_alias_bomb_is_refused() -> None:
    """Aliases that unfold to millions of nodes are stopped before they do."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(YAMLSyntaxError):
        yamltext.load_document("\n".join(lines))
    with pytest.raises(StatusError):
        decode.decode_yaml("\n".join(lines).encode())


WORDS = [
    "metadata",
    "spec",
    "status",
    "labels",
    "annotations",
    "containers",
    "name",
    "image",
    "ports",
    "x",
    "conditions",
    "type",
    "resources",
    "limits",
    "cpu",
    "nodeName",
    "phase",
    "containerPort",
    "finalizers",
]
PATCHES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "a", "1", "Always", "2026-01-02T03:04:05Z"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
STORED = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "d", "labels": {"a": "b"}, "creationTimestamp": "2026-01-02T03:04:05Z"},
    "spec": {
        "containers": [
            {"name": "c", "image": "i", "ports": [{"containerPort": 1}], "resources": {"limits": {"cpu": "1"}}}
        ]
    },
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status", "kind", "x"]), PATCHES, max_size=3))
def test_merged_object_reads_as_if_it_were_new(changes: dict[str, Any]) -> None:
    """What a merge left alone is taken over, and the result is that of reading the whole; the stored one stays."""
    pod = schema.builtin(POD.type_name)
    stored = decoded(json.dumps(STORED)).object
    before = json.dumps(stored)
    merged = patch.merge_patch(stored, changes)
    outcomes: list[Any] = []
    for read in (
        lambda: decode.decode_changed(merged, stored, pod, POD),
        lambda: decode.decode_value(merged, pod, POD),
    ):
        try:
            outcomes.append(read())
        except StatusError as error:
            outcomes.append((error.code, error.message))
    assert outcomes[0] == outcomes[1]
    assert json.dumps(stored) == before
