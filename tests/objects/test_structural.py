"""Custom types: judging schemas, pruning, defaulting and validating objects."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podsysctl.objects import structural
from podsysctl.objects.patch import tree
from podsysctl.objects.structural import formats, regular

Raw = dict[str, Any]


def spec(**properties: Raw) -> Raw:
    """A schema whose spec has these fields."""
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def errors(raw: Raw, value: Any, old: Any = None) -> list[str]:
    """Texts of what is wrong with an object whose spec.x is `value`."""
    before = None if old is None else {"spec": {"x": old}}
    found = structural.validate({"spec": {"x": value}}, structural.build(spec(x=raw)), before)
    return [str(error) for error in found]


INT = {"type": "integer"}
STR = {"type": "string"}


@pytest.mark.parametrize(
    ("raw", "value", "expected"),
    [
        (INT, "a", ['spec.x: Invalid value: "string": spec.x in body must be of type integer: "string"']),
        (INT, 1.5, ['spec.x: Invalid value: "number": spec.x in body must be of type integer: "number"']),
        (INT, True, ['spec.x: Invalid value: "boolean": spec.x in body must be of type integer: "boolean"']),
        (INT, None, ['spec.x: Invalid value: "null": spec.x in body must be of type integer: "null"']),
        (INT, 2.0, []),
        ({"type": "number"}, 2, []),
        ({**INT, "nullable": True}, None, []),
        (
            {**INT, "format": "int32"},
            2**31,
            ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.x'],
        ),
        ({**INT, "minimum": 3}, 2, ["spec.x: Invalid value: 2: spec.x in body should be greater than or equal to 3"]),
        (
            {**INT, "minimum": 3, "exclusiveMinimum": True},
            3,
            ["spec.x: Invalid value: 3: spec.x in body should be greater than 3"],
        ),
        ({**INT, "maximum": 3}, 4, ["spec.x: Invalid value: 4: spec.x in body should be less than or equal to 3"]),
        ({**INT, "multipleOf": 3}, 4, ["spec.x: Invalid value: 4: spec.x in body should be a multiple of 3"]),
        ({**STR, "maxLength": 2}, "abc", ["spec.x: Too long: may not be more than 2 bytes"]),
        ({**STR, "minLength": 2}, "a", ['spec.x: Invalid value: "a": spec.x in body should be at least 2 chars long']),
        ({**STR, "pattern": "^a+$"}, "b", ["spec.x: Invalid value: \"b\": spec.x in body should match '^a+$'"]),
        ({**STR, "format": "ipv4"}, "x", ['spec.x: Invalid value: "x": spec.x in body must be of type ipv4: "x"']),
        ({**STR, "format": "unheard-of"}, "x", []),
        ({**STR, "enum": ["b", "c"]}, "a", ['spec.x: Unsupported value: "a": supported values: "b", "c"']),
        ({**INT, "enum": [1, 2]}, 3, ['spec.x: Unsupported value: 3: supported values: "1", "2"']),
        ({"type": "array", "items": STR, "maxItems": 1}, ["a", "b"], ["spec.x: Too many: 2: must have at most 1 item"]),
        (
            {"type": "array", "items": STR, "minItems": 1},
            [],
            ["spec.x: Invalid value: 0: spec.x in body should have at least 1 items"],
        ),
        (
            {"type": "array", "items": STR},
            [1],
            ['spec.x[0]: Invalid value: "integer": spec.x[0] in body must be of type string: "integer"'],
        ),
        ({"type": "object", "required": ["a"]}, {}, ["spec.x.a: Required value"]),
        (
            {"type": "object", "additionalProperties": INT},
            {"k": "v"},
            ['spec.x.k: Invalid value: "string": spec.x.k in body must be of type integer: "string"'],
        ),
        (
            {"type": "object", "additionalProperties": INT, "maxProperties": 0},
            {"k": 1},
            ["spec.x: Too many: 1: must have at most 0 items"],
        ),
        (
            {"x-kubernetes-int-or-string": True},
            True,
            ['spec.x: Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean"'],
        ),
        ({"x-kubernetes-int-or-string": True}, "5%", []),
        ({**INT, "not": {"enum": [3]}}, 3, ['<nil>: Invalid value: "": "spec.x" must not validate the schema (not)']),
        (
            {"type": "object", "properties": {"a": INT, "b": INT}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"a": 1, "b": 1},
            [
                '<nil>: Invalid value: "": "spec.x" must validate one and only one schema '
                "(oneOf). Found 2 valid alternatives"
            ],
        ),
        (
            {"type": "object", "properties": {"a": INT}, "anyOf": [{"required": ["a"]}]},
            {},
            [
                '<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)',
                "spec.x.a: Required value",
            ],
        ),
        (
            {**INT, "allOf": [{"minimum": 3}, {"minimum": 1}]},
            2,
            [
                "spec.x: Invalid value: 2: spec.x in body should be greater than or equal to 3",
                '<nil>: Invalid value: "": "spec.x" must validate all the schemas (allOf)',
            ],
        ),
        (
            {"type": "array", "items": STR, "x-kubernetes-list-type": "set"},
            ["a", "b", "a", "a"],
            ['spec.x[2]: Duplicate value: "a"'],
        ),
        (
            {
                "type": "array",
                "items": {"type": "object", "properties": {"k": STR}},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k"],
            },
            [{"k": "a"}, {"k": "a"}],
            ['spec.x[1]: Duplicate value: {"k":"a"}'],
        ),
        (
            {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
            {"kind": ""},
            ["spec.x.apiVersion: Required value", 'spec.x.kind: Invalid value: "": must not be empty'],
        ),
    ],
)
def test_validate_value_outside_its_schema_gives_upstreams_text(raw: Raw, value: Any, expected: list[str]) -> None:
    """Every rule has upstream's text."""
    assert errors(raw, value) == expected


def test_validate_update_does_not_judge_what_did_not_change() -> None:
    """A stored value that a later schema forbids may stay, a new one may not."""
    raw = {**STR, "maxLength": 2}
    assert errors(raw, "long", "long") == []
    assert errors(raw, "longer", "long") == ["spec.x: Too long: may not be more than 2 bytes"]


TREE = spec(
    a={**INT, "default": 1},
    list={"type": "array", "items": {"type": "object", "properties": {"b": {**STR, "default": "d"}, "n": STR}}},
    map={"type": "object", "additionalProperties": {"type": "object", "properties": {"c": {**INT, "default": 3}}}},
    free={"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"p": {"type": "object"}}},
    orNull={**STR, "nullable": True},
    withDefault={**STR, "default": "w"},
)


def test_prune_undeclared_fields_go_and_are_named() -> None:
    """Fields outside the schema vanish at any depth, except where they are to be kept."""
    obj = {
        "apiVersion": "g/v1",
        "kind": "K",
        "metadata": {"name": "n", "anything": 1},
        "top": 1,
        "spec": {
            "foo": 1,
            "list": [{"b": "x", "bar": 1}],
            "map": {"k": {"baz": 1}},
            "free": {"kept": {"deep": 1}, "p": {"gone": 1}},
        },
    }
    before = tree.clone(obj)
    pruned, unknown = structural.prune(obj, structural.build(TREE))
    assert unknown == ["spec.foo", "spec.free.p.gone", "spec.list[0].bar", "spec.map.k.baz", "top"]
    assert pruned == {
        "apiVersion": "g/v1",
        "kind": "K",
        "metadata": {"name": "n", "anything": 1},
        "spec": {"list": [{"b": "x"}], "map": {"k": {}}, "free": {"kept": {"deep": 1}, "p": {}}},
    }
    assert obj == before


def test_prune_type_without_schema_keeps_everything() -> None:
    """A definition without a schema keeps what it gets."""
    obj = {"spec": {"a": [{"b": 1}]}, "x": 1}
    assert structural.prune(obj, structural.build(None)) == (obj, [])


def test_apply_defaults_fills_nested_places() -> None:
    """Defaults appear in objects, list items and map values that exist, and nulls give way."""
    schema = structural.build(TREE)
    obj = {"spec": {"list": [{}], "map": {"k": {}}, "orNull": None, "withDefault": None, "a": None}}
    without = structural.drop_nulls(obj, schema)
    assert structural.apply_defaults(without, schema) == {
        "spec": {
            "a": 1,
            "list": [{"b": "d"}],
            "map": {"k": {"c": 3}},
            "orNull": None,
            "withDefault": "w",
        }
    }
    assert structural.apply_defaults({}, schema) == {}
    dropped = structural.drop_nulls({"spec": {"list": [{"n": None}], "free": None}}, schema)
    assert dropped == {"spec": {"list": [{}]}}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (TREE, []),
        ({}, ["s.type: Required value: must not be empty at the root"]),
        ({"type": "string"}, ['s.type: Invalid value: "string": must be object at the root']),
        (
            spec(x={}),
            ["s.properties[spec].properties[x].type: Required value: must not be empty for specified object fields"],
        ),
        (spec(x={"type": "array"}), ["s.properties[spec].properties[x].items: Required value: must be specified"]),
        (
            spec(x={"type": "array", "items": {}}),
            [
                "s.properties[spec].properties[x].items.type: Required value: "
                "must not be empty for specified array items"
            ],
        ),
        (
            spec(x={"type": "foo"}),
            [
                's.properties[spec].properties[x].type: Unsupported value: "foo": supported values: '
                '"array", "boolean", "integer", "number", "object", "string"'
            ],
        ),
        (
            spec(x={**INT, "anyOf": [{"type": "integer"}]}),
            ["s.properties[spec].properties[x].anyOf[0].type: Forbidden: must be empty to be structural"],
        ),
        (spec(x={"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}), []),
        (
            spec(x={"type": "object", "oneOf": [{"properties": {"q": {"minimum": 1}}}]}),
            [],
        ),
        (
            {"type": "object", "oneOf": [{"properties": {"q": {"minimum": 1}}}]},
            ["s.properties[q]: Required value: because it is defined in s.oneOf[0].properties[q]"],
        ),
        (
            {
                "type": "object",
                "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}},
            },
            [
                "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, "
                "but metadata is implicitly specified"
            ],
        ),
        (
            spec(x={**STR, "pattern": "("}),
            [
                's.properties[spec].properties[x].pattern: Invalid value: "(": must be a valid regular expression, '
                "but isn't: error parsing regexp: missing ): ("
            ],
        ),
        (
            spec(x={**INT, "default": "a"}),
            [
                's.properties[spec].properties[x].default: Invalid value: "string": '
                ' in body must be of type integer: "string"'
            ],
        ),
        (
            spec(x={"type": "object", "default": {"q": 1}, "properties": {"p": INT}}),
            ['s.properties[spec].properties[x].default: Invalid value: {"q":1}: must not have unknown fields'],
        ),
        (
            spec(x={"type": "array", "items": STR, "uniqueItems": True}),
            [
                "s.properties[spec].properties[x].uniqueItems: Forbidden: "
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
            ],
        ),
        (
            spec(
                x={
                    "type": "array",
                    "items": {"type": "object", "properties": {"k": STR}},
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["k"],
                }
            ),
            [
                "s.properties[spec].properties[x].items.properties[k].default: Required value: this property is in "
                "x-kubernetes-list-map-keys, so it must have a default or be a required property"
            ],
        ),
        (
            spec(x={**STR, "x-kubernetes-validations": [{"rule": "self != ''"}]}),
            [
                "s.properties[spec].properties[x].x-kubernetes-validations: Forbidden: "
                "validation rules in CEL are not supported by this server"
            ],
        ),
        (spec(x={**STR, "$ref": "#/x"}), ["s.properties[spec].properties[x].$ref: Forbidden: $ref is not supported"]),
    ],
)
def test_problems_of_schema_have_upstreams_text(raw: Raw, expected: list[str]) -> None:
    """A schema that is not structural is refused, each reason in upstream's words."""
    assert [str(error) for error in structural.problems(raw, "s")] == expected


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date-time", "2026-01-02T03:04:05Z", "2026-13-02T03:04:05Z"),
        ("date", "2026-01-02", "2026-1-2"),
        ("duration", "1h30m", "soon"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "x"),
        ("ipv6", "::1", "1.2.3.4"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("mac", "00:11:22:aa:bb:cc", "00:11"),
        ("byte", "aGk=", "?"),
        ("hostname", "a.example", "-a"),
        ("email", "a@b.example", "a"),
        ("isbn", "978-0321751041", "978-0321751042"),
        ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
        ("hexcolor", "#fff", "#ff"),
        ("rgbcolor", "rgb(1, 2, 255)", "rgb(256,0,0)"),
        ("k8s-short-name", "a-b", "A"),
    ],
)
def test_formats_tell_good_from_bad(name: str, good: str, bad: str) -> None:
    """Each format accepts one and refuses the other."""
    assert formats.matches(name, good)
    assert not formats.matches(name, bad)


def test_regular_expression_that_backtracks_elsewhere_is_quick() -> None:
    """A pattern that takes exponential time in other engines is linear here."""
    assert not regular.matches("^(a+)+$", "a" * 50_000 + "b")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "list", "map", "spec"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["spec", "x", "metadata"]), values, max_size=3))
def test_any_object_is_pruned_defaulted_and_judged(obj: Any) -> None:
    """No object crashes any step; pruning and defaulting are idempotent and leave their input alone."""
    schema = structural.build(TREE)
    before = tree.clone(obj)
    pruned, _ = structural.prune(obj, schema)
    assert structural.prune(pruned, schema) == (pruned, [])
    full = structural.apply_defaults(structural.drop_nulls(pruned, schema), schema)
    assert structural.apply_defaults(full, schema) == full
    structural.validate(full, schema)
    assert obj == before
