"""What the API server makes of definitions of custom kinds, and what it refuses."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from podsysctl.base.errors import StatusError
from podsysctl.objects import defaults, kinds, strategy

KIND = kinds.builtin_by_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
Change = Callable[[dict[str, Any]], Any]


def definition() -> dict[str, Any]:
    """A good definition."""
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "apples", "kind": "Apple"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": "apples.example.com", "uid": "u", "creationTimestamp": "x"}, "spec": spec}


def created(change: Change = str) -> dict[str, Any]:
    """The definition after a change, made ready for the store."""
    obj = definition()
    change(obj["spec"])
    defaults.apply_defaults(KIND, obj)
    strategy.before_create(KIND, obj, str)
    return obj


def errors_of(change: Change) -> list[tuple[str, str]]:
    """What is wrong with the definition after a change."""
    with pytest.raises(StatusError) as caught:
        created(change)
    return [(cause.field, cause.message) for cause in caught.value.details.causes]


def test_good_definition_is_completed() -> None:
    """Names that were left out, the stored version and the first generation."""
    obj = created()
    assert obj["spec"]["names"] == {"plural": "apples", "kind": "Apple", "singular": "apple", "listKind": "AppleList"}
    assert obj["spec"]["conversion"] == {"strategy": "None"}
    assert obj["status"]["storedVersions"] == ["v1"]
    assert obj["metadata"]["generation"] == 1


def set_in(*path: str | int, value: Any) -> Change:
    """A change that sets one value."""

    def change(spec: Any) -> None:
        for word in path[:-1]:
            spec = spec[word]
        spec[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (set_in("group", value="x"), "spec.group", 'Invalid value: "x": should be a domain with at least one dot'),
        (
            set_in("names", "plural", value="pears"),
            "metadata.name",
            'Invalid value: "apples.example.com": must be spec.names.plural+"."+spec.group',
        ),
        (set_in("scope", value="World"), "spec.scope",
         'Unsupported value: "World": supported values: "Cluster", "Namespaced"'),
        (set_in("names", "listKind", value="Apple"), "spec.names.listKind",
         'Invalid value: "Apple": kind and listKind may not be the same'),
        (set_in("versions", 0, "schema", value=None), "spec.versions[0].schema.openAPIV3Schema", "Required value"),
        (
            set_in("versions", 0, "schema", "openAPIV3Schema", "properties", "spec", value={}),
            "spec.validation.openAPIV3Schema.properties[spec].type",
            "Required value: must not be empty for specified object fields",
        ),
        (set_in("preserveUnknownFields", value=True), "spec.preserveUnknownFields",
         "Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
         "spec.versions[*].schema instead"),
        (
            set_in("versions", 0, "additionalPrinterColumns", value=[{"name": "a", "type": "x", "jsonPath": "b"}]),
            "spec.additionalPrinterColumns[0].type",
            'Invalid value: "x": must be one of boolean,date,integer,number,string',
        ),
        (
            set_in("versions", 0, "subresources", value={"scale": {"specReplicasPath": ".status.a"}}),
            "spec.subresources.scale.specReplicasPath",
            'Invalid value: ".status.a": should be a json path under .spec',
        ),
        (
            set_in("versions", 0, "selectableFields", value=[{"jsonPath": ".spec.colour"}]),
            "spec.selectableFields[0].jsonPath",
            'Invalid value: ".spec.colour": is an invalid path: does not refer to a valid field',
        ),
        (
            set_in("versions", 0, "deprecationWarning", value="old"),
            "spec.versions[0].deprecationWarning",
            'Invalid value: "old": can only be set for deprecated versions',
        ),
    ],
)  # fmt: skip
def test_bad_definition_is_refused(change: Change, field: str, message: str) -> None:
    """The path is upstream's: what all versions share is judged above them."""
    assert (field, message) in errors_of(change)


def test_definition_stores_in_exactly_one_version() -> None:
    """The versions are shown as upstream's own type prints them."""
    found = dict(errors_of(set_in("versions", 0, "storage", value=False)))
    assert found["spec.versions"] == (
        'Invalid value: [{"Name":"v1","Served":true,"Storage":false,"Deprecated":false,"DeprecationWarning":null,'
        '"Schema":null,"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}]: must have '
        "exactly one version marked as storage version"
    )


def test_group_of_the_community_needs_approval() -> None:
    """Protected groups need an annotation."""

    def change(spec: dict[str, Any]) -> None:
        spec["group"] = "apples.k8s.io"

    found = dict(errors_of(change))
    assert found["metadata.annotations[api-approved.kubernetes.io]"].startswith("Required value: protected groups")


def test_established_definition_keeps_scope_and_kind() -> None:
    """So do group and plural, always."""
    old = created()
    old["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    old["metadata"]["resourceVersion"] = "1"
    new = copy.deepcopy(old)
    new["spec"]["scope"] = "Cluster"
    new["spec"]["names"]["kind"] = "Pear"
    with pytest.raises(StatusError) as caught:
        strategy.before_update(KIND, new, old, "", str)
    found = [(cause.field, cause.message) for cause in caught.value.details.causes]
    assert found == [
        ("spec.scope", 'Invalid value: "Cluster": field is immutable'),
        ("spec.names.kind", 'Invalid value: "Pear": field is immutable'),
    ]


def test_stored_version_stays_defined() -> None:
    """A version that objects may be stored in cannot go."""
    old = created()
    old["metadata"]["resourceVersion"] = "1"
    new = copy.deepcopy(old)
    new["spec"]["versions"][0]["name"] = "v2"
    with pytest.raises(StatusError, match="v1 was previously a storage version") as caught:
        strategy.before_update(KIND, new, old, "", str)
    assert [cause.field for cause in caught.value.details.causes] == ["status.storedVersions[0]"]
