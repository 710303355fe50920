"""Strategic merge patch: merge patch that merges lists by key, told by the type which and how.

Directives: `$patch: delete|replace` in a map or a list element, `$retainKeys`, `$deleteFromPrimitiveList/x`
and `$setElementOrder/x`. Custom types have none of the facts it needs and are refused.
Source of behaviour and texts: Kubernetes apimachinery `pkg/util/strategicpatch/patch.go`, 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.base.errors import StatusError
from podsysctl.objects import schema as schemas
from podsysctl.objects.patch import problems, tree
from podsysctl.objects.quote import quote
from podsysctl.objects.schema import Field, Schema

_DIRECTIVE = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE_PREFIX = "$deleteFromPrimitiveList"
_ORDER_PREFIX = "$setElementOrder"

_BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
_BAD_ORDER = "invalid patch format of setElementOrder list"
_BAD_PRIMITIVES = "invalid patch format of primitive list"

_Object = dict[str, Any]


def strategic_merge(doc: _Object, patch: Any, schema: Schema) -> _Object:
    """The document after the patch; `schema` is the built-in type of the document.

    Raises StatusError: 400 for a malformed patch, 422 for lists of lists, 500 where upstream answers so.
    """
    if not isinstance(patch, dict):
        raise problems.undecodable_strategic(patch)
    if not schema.type_name:
        raise _malformed("strategic merge patch format is not supported")
    return _merge_map(doc, patch, schema)


def _malformed(text: str) -> StatusError:
    return StatusError(400, "BadRequest", text)


def _failed(text: str) -> StatusError:
    """What upstream does not classify: 500 without a reason."""
    return StatusError(500, "", text)


def _type_mismatch(wanted: str, actual: Any) -> StatusError:
    return _failed(f"expected a {wanted}, but received a {_go_type(actual)}")


def _go_type(value: Any) -> str:
    names = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool"}
    return names.get(type(value), "int64" if isinstance(value, int) else "float64")


def _no_merge_key(element: Mapping[str, Any], key: str) -> StatusError:
    return _failed(f"map: {go_map(element)} does not contain declared merge key: {key}")


def go_map(value: Any) -> str:
    """A value as Go's `%v` prints it, maps with sorted keys.

    >>> go_map({"b": [1, None], "a": {"c": True}})
    'map[a:map[c:true] b:[1 <nil>]]'
    """
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{go_map(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(go_map, value)) + "]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _merge_map(original: _Object, patch: _Object, schema: Schema | None) -> _Object:
    directive = patch.get(_DIRECTIVE)
    if _DIRECTIVE in patch:
        if directive == "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
        if directive == "delete":
            return {}
        raise _failed(f"unknown patch type: {directive} in map: {go_map(patch)}")
    out = dict(original)
    rest = dict(patch)
    _retain_keys(out, rest)
    _merge_ordered_lists(out, rest, schema)
    for key, value in rest.items():
        if key.startswith(_DELETE_PREFIX):
            _delete_primitives(out, key, value)
        elif value is None:
            out.pop(key, None)
        else:
            _merge_key(out, key, value, schema)
    return out


def _merge_key(out: _Object, key: str, value: Any, schema: Schema | None) -> None:
    current = out.get(key)
    if type(current) is dict and type(value) is dict:
        out[key] = _merge_map(current, value, _declared(schema, key).schema if schema else None)
    elif type(current) is list and type(value) is list:
        out[key] = _merge_list(current, value, _declared(schema, key))
    else:
        cleaned, keep = _clean(value)
        if keep:
            out[key] = cleaned
        else:
            out.pop(key, None)


def _declared(schema: Schema | None, key: str) -> Field:
    """The field below an object or map. Raises upstream's error for a name the type does not have."""
    if schema is not None and schema.kind == schemas.MAP and schema.item is not None:
        return Field(key, 0, schema.item)
    found = schema.fields.get(key) if schema is not None else None
    if found is not None:
        return found
    name = schema.go_name if schema is not None else ""
    raise _failed(f"unable to find api field in struct {name} for the json field {quote(key)}")


def _clean(value: Any) -> tuple[Any, bool]:
    """A value that nothing merges with: nulls of maps and elements with directives are left out."""
    if isinstance(value, dict):
        if _DIRECTIVE in value:
            return None, False
        cleaned = {key: _clean(item) for key, item in value.items() if item is not None}
        return {key: item for key, (item, keep) in cleaned.items() if keep}, True
    if isinstance(value, list):
        return [item for item, keep in map(_clean, value) if keep], True
    return value, True


def _retain_keys(out: _Object, patch: _Object) -> None:
    """`$retainKeys`: only the listed keys survive, and the patch may set only those."""
    if _RETAIN_KEYS not in patch:
        return
    retained = patch.pop(_RETAIN_KEYS)
    if not isinstance(retained, list):
        raise _malformed(_BAD_RETAIN_KEYS)
    for key, value in patch.items():
        if value is None or key.startswith((_DELETE_PREFIX, _ORDER_PREFIX)):
            continue
        if key not in retained:
            raise _malformed(_BAD_RETAIN_KEYS)
    for key in [key for key in out if key not in retained]:
        del out[key]


def _delete_primitives(out: _Object, key: str, value: Any) -> None:
    """`$deleteFromPrimitiveList/x`: the listed scalars go from the list x."""
    name = _list_name(key, _DELETE_PREFIX, _BAD_PRIMITIVES)
    if value is None:
        out.pop(name, None)
        return
    current = out.get(name)
    if isinstance(current, list) and isinstance(value, list):
        _element_kind(current, value)
        removed = set(map(_scalar_key, value))
        out[name] = [item for item in current if _scalar_key(item) not in removed]


def _list_name(key: str, prefix: str, text: str) -> str:
    head, slash, name = key.partition("/")
    if not slash or head != prefix:
        raise _malformed(text)
    return name


def _scalar_key(value: Any) -> Any:
    """What identifies a scalar: its type counts, since true is not 1."""
    return type(value), (value if not isinstance(value, (dict, list)) else id(value))


def _merge_ordered_lists(out: _Object, patch: _Object, schema: Schema | None) -> None:
    """`$setElementOrder/x` together with x: merge, then order by the directive."""
    for key in [key for key in patch if key.startswith(_ORDER_PREFIX)]:
        order = patch.pop(key)
        if not isinstance(order, list):
            raise _type_mismatch("[]interface {}", order)
        name = _list_name(key, _ORDER_PREFIX, _BAD_ORDER)
        live, changed = out.get(name), patch.get(name)
        for listed in (live, changed):
            if listed is not None and not isinstance(listed, list):
                raise _type_mismatch("[]interface {}", listed)
        declared = _declared(schema, name)
        merge_key = declared.merge_key or ""
        _check_order(changed or [], order, merge_key)
        if live is not None and changed is not None:
            merged = _merge_list(live, changed, declared)
        elif live is not None:
            merged = live
        elif changed is not None:
            merged = _clean(changed)[0]
        else:
            continue
        is_maps = _element_kind(live or [], changed or []) is dict
        out[name] = _in_order(merged, order, live or [], merge_key, is_maps)
        patch.pop(name, None)


def _check_order(changed: list[Any], order: list[Any], merge_key: str) -> None:
    """The patch's elements must be in the order list, in its order; deletions do not count."""
    if not order or not changed:
        return
    kept = changed
    if merge_key:
        for element in changed:
            if not isinstance(element, dict):
                raise _type_mismatch("map[string]interface {}", element)
        kept = [element for element in changed if _DIRECTIVE not in element]
    position = 0
    for wanted in order:
        if position < len(kept) and _same(kept[position], wanted, merge_key):
            position += 1
    if position < len(kept):
        raise _failed(
            f"The order in patch list:\n{go_map(changed)}\n doesn't match {_ORDER_PREFIX} list:\n{go_map(order)}\n"
        )


def _same(left: Any, right: Any, merge_key: str) -> bool:
    if not merge_key:
        return tree.equal(left, right)
    for element in (left, right):
        if not isinstance(element, dict):
            raise _type_mismatch("map[string]interface {}", element)
        if merge_key not in element:
            raise _no_merge_key(element, merge_key)
    return tree.equal(left[merge_key], right[merge_key])


def _element_kind(*lists: list[Any]) -> type:
    """The one type of all elements. Raises when they differ, are lists, or when there are none."""
    kinds = {type(element) for elements in lists for element in elements}
    if not kinds:
        raise _failed("no elements in any of the given slices")
    if list in kinds:
        raise problems.rejected("lists of lists are not supported")
    if len(kinds) > 1:
        shown = " ".join(map(go_map, lists))
        raise _failed(f"list element types are not identical: [{shown}]")
    return kinds.pop()


def _merge_list(live: list[Any], changed: list[Any], declared: Field) -> list[Any]:
    """Lists of a merging field are merged, others replaced."""
    if declared.merge_key is None:
        return changed
    if not live and not changed:
        return live
    if _element_kind(live, changed) is not dict:
        merged = list({_scalar_key(item): item for item in [*live, *changed]}.values())
        return _in_order(merged, changed, live, "", is_maps=False)
    merge_key = declared.merge_key
    if not merge_key:
        raise _failed(f"cannot merge lists without merge key for {declared.schema.go_name or 'struct'}")
    live, changed = _apply_element_directives(live, changed, merge_key)
    merged = list(live)
    positions = _positions(merged, merge_key)
    for element in changed:
        if merge_key not in element:
            raise _no_merge_key(element, merge_key)
        identity = _scalar_key(element[merge_key])
        at = positions.get(identity)
        if at is None:
            positions[identity] = len(merged)
            merged.append(_clean(element)[0])
        else:
            merged[at] = _merge_map(merged[at], element, declared.schema.item)
    return _in_order(merged, changed, live, merge_key, is_maps=True)


def _positions(elements: list[Any], merge_key: str) -> dict[Any, int]:
    """First position of each key value."""
    out: dict[Any, int] = {}
    for at, element in enumerate(elements):
        if isinstance(element, dict) and merge_key in element:
            out.setdefault(_scalar_key(element[merge_key]), at)
    return out


def _apply_element_directives(live: list[Any], changed: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """`$patch` in elements: delete removes the live one of that key, replace makes the rest the whole list."""
    plain = []
    gone: set[Any] = set()
    replace = False
    for element in changed:
        directive = element.get(_DIRECTIVE)
        if _DIRECTIVE not in element:
            plain.append(element)
        elif directive == "delete":
            if merge_key not in element:
                raise _no_merge_key(element, merge_key)
            gone.add(_scalar_key(element[merge_key]))
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise _failed("merging lists cannot yet be specified in the patch")
        else:
            raise _failed(f"unknown patch type: {directive} in map: {go_map(element)}")
    if replace:
        return plain, []
    return [item for item in live if _scalar_key(item.get(merge_key)) not in gone] if gone else live, plain


def _in_order(merged: list[Any], order: list[Any], live: list[Any], merge_key: str, is_maps: bool) -> list[Any]:
    """Elements named by `order` in its order, the others in live order, interleaved by live order."""

    def identity(element: Any) -> Any:
        if not is_maps:
            return _scalar_key(element)
        if not isinstance(element, dict):
            raise _type_mismatch("map[string]interface {}", element)
        if merge_key not in element:
            raise _no_merge_key(element, merge_key)
        return _scalar_key(element[merge_key])

    wanted = {identity(element): at for at, element in reversed(list(enumerate(order)))}
    lived = {identity(element): at for at, element in reversed(list(enumerate(live)))}
    named = sorted((e for e in merged if identity(e) in wanted), key=lambda e: wanted[identity(e)])
    others = sorted((e for e in merged if identity(e) not in wanted), key=lambda e: lived.get(identity(e), len(lived)))
    out = []
    right = 0
    for element in others:
        mine = lived.get(identity(element))
        while right < len(named):
            theirs = lived.get(identity(named[right]))
            if mine is not None and theirs is not None and mine < theirs:
                break
            out.append(named[right])
            right += 1
        out.append(element)
    return out + named[right:]
