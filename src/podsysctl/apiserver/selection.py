"""Which objects a list or watch wants: label and field selectors over the stored form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson

from podsysctl.apiserver.options import ListOptions
from podsysctl.apiserver.resource import FieldReader, Resource
from podsysctl.apiserver.storeindex import Item, Topic
from podsysctl.objects import selectors, status
from podsysctl.objects.selectors import FieldSelector, FieldTerm, LabelSelector, SelectorError


@dataclass(frozen=True, slots=True)
class View:
    """What selectors see of one version of an object. `fields` holds the texts of `readers` by field label."""

    labels: Mapping[str, str]
    fields: Mapping[str, str]
    readers: Mapping[str, FieldReader]


@dataclass(frozen=True, slots=True)
class Selection:
    """The selectors of one request."""

    resource: Resource
    labels: LabelSelector
    fields: FieldSelector

    @property
    def empty(self) -> bool:
        """Whether everything is wanted."""
        return self.labels.empty and self.fields.empty

    @property
    def name(self) -> str | None:
        """The one name that is wanted, if it is fixed."""
        return self.fields.exact("metadata.name")

    def matches(self, item: Item) -> bool:
        """Whether the object is wanted."""
        if self.empty:
            return True
        view = view_of(self.resource, item)
        return self.labels.matches(view.labels) and self.fields.matches(lambda label: view.fields.get(label, ""))


def view_of(resource: Resource, item: Item) -> View:
    """What selectors see of an item, kept with it. Resources that share a bucket see their own labels.

    Of custom kinds, versions and later definitions may select by other fields.
    """
    views: dict[str, View] | None = item.view
    if views is None:
        views = item.view = {}
    view = views.get(resource.type_key)
    if view is None or view.readers is not resource.selectable:
        obj = orjson.loads(item.data)
        namespace, _, name = item.key.rpartition("/")
        fields = {label: read(obj) for label, read in resource.selectable.items()}
        fields["metadata.name"] = name
        fields["metadata.namespace"] = namespace
        view = views[resource.type_key] = View(obj["metadata"].get("labels") or {}, fields, resource.selectable)
    return view


def topic_of(chosen: Selection) -> Topic | None:
    """The field that a selection fixes, such as the node of pods, by which objects and watchers can be found."""
    fixed = next((t for t in chosen.fields.terms if t.equal and not t.field.startswith("metadata.")), None)
    if fixed is None:
        return None
    resource, label = chosen.resource, fixed.field

    def read(item: Item) -> str:
        return view_of(resource, item).fields.get(label, "")

    return Topic(f"{resource.type_key} {label}", fixed.value, read)


def parse(resource: Resource, options: ListOptions) -> Selection:
    """Raises StatusError 400 for a selector that cannot be understood."""
    try:
        labels = selectors.parse_label_selector(options.label_selector)
    except SelectorError as error:
        raise status.bad_request(error.message) from error
    try:
        fields = selectors.parse_field_selector(options.field_selector, resource.field_labels())
    except SelectorError as error:
        raise status.bad_request(error.message) from error
    return Selection(resource, labels, fields)


def named(chosen: Selection, name: str) -> Selection:
    """The selection of a path that names an object, which is all it may show. Raises StatusError 400.

    Source: Kubernetes 1.36 `apiserver/pkg/endpoints/handlers/get.go`.
    """
    if not name or chosen.name == name:
        return chosen
    if not chosen.fields.empty:
        raise status.bad_request("fieldSelector metadata.name doesn't match requested name")
    return replace(chosen, fields=FieldSelector((FieldTerm("metadata.name", name, True),)))
