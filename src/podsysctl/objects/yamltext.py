"""YAML as kubectl and the API server read it: into JSON values, with a bound on what aliases may unfold to.

Plain scalars are understood by go-yaml's rules (sigs.k8s.io/yaml 1.6), which are those of YAML 1.1 with a few
of 1.2: `yes` and `on` are true, `0o17` and `017` are fifteen, dates stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.base.limits import OBJECT_DEPTH, YAML_DOCUMENT_BYTES, YAML_NODES

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"
_DEFAULT_TAGS = {
    yaml.ScalarNode: "tag:yaml.org,2002:str",
    yaml.SequenceNode: "tag:yaml.org,2002:seq",
    yaml.MappingNode: "tag:yaml.org,2002:map",
}

_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_LONGEST_INTEGER = len("-0b") + 64
"""Characters of the longest integer of 64 bits, leading zeros aside."""
_NUMBER_STARTS = frozenset("+-._0123456789")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class _Loader(_Base):  # type: ignore[misc]
    """Finds no types by regular expressions, which are another YAML's rules; only merge keys are told apart."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """The tag of a node that has none."""
        if value == "<<" and kind is yaml.ScalarNode and implicit[0]:
            return _MERGE
        return _DEFAULT_TAGS[kind]

    _depth = 0
    _nodes = 0

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        """Called on the way into each node: one bound keeps the composer, which is C, from running out of stack.

        The other stops it before millions of nodes are made, each of half a kilobyte, that the budget would refuse.
        """
        self._nodes += 1
        if self._nodes > YAML_NODES:
            raise YAMLSyntaxError(f"yaml: document has more than {YAML_NODES} nodes")
        if self._depth > OBJECT_DEPTH:
            line = current_node.start_mark.line + 1
            raise YAMLSyntaxError(f"yaml: line {line}: exceeded max depth of {OBJECT_DEPTH}", line)
        self._depth += 1

    def ascend_resolver(self) -> None:
        """Called on the way out."""
        self._depth -= 1


class YAMLSyntaxError(ValueSyntaxError):
    """A text that is not YAML, or unfolds to more than the bound; `line` counts from one, 0 when unknown."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def load_documents(text: bytes | str) -> list[Any]:
    """Every document of a stream as JSON values, empty ones as None. Raises YAMLSyntaxError."""
    if len(text) > YAML_DOCUMENT_BYTES:
        raise YAMLSyntaxError(f"yaml: stream is longer than {YAML_DOCUMENT_BYTES} bytes")
    budget = _Budget()
    out = []
    for node in _compose(text):
        budget.spend(node)
        out.append(_construct(node))
    return out


def load_nodes(text: bytes | str) -> list[tuple[yaml.Node, Any]]:
    """Every document that is not empty: its nodes, which know their positions, and its JSON value.

    Raises YAMLSyntaxError.
    """
    if len(text) > YAML_DOCUMENT_BYTES:
        raise YAMLSyntaxError(f"yaml: stream is longer than {YAML_DOCUMENT_BYTES} bytes")
    budget = _Budget()
    out = []
    for node in _compose(text):
        budget.spend(node)
        out.append((node, _construct(node)))
    return out


def load_document(text: bytes | str) -> Any:
    """The one document of a request body; of several the first, as upstream. Raises YAMLSyntaxError."""
    if len(text) > YAML_DOCUMENT_BYTES:
        raise YAMLSyntaxError(f"yaml: stream is longer than {YAML_DOCUMENT_BYTES} bytes")
    node = next(_compose(text), None)
    if node is None:
        return None
    _Budget().spend(node)
    return _construct(node)


def _compose(text: bytes | str) -> Iterator[yaml.Node]:
    loader = None
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                yield node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        where = f"line {line}: " if line else ""
        raise YAMLSyntaxError(f"yaml: {where}{error.problem or error.context}", line) from error
    except yaml.YAMLError as error:
        raise YAMLSyntaxError(f"yaml: {error}".splitlines()[0]) from error
    except (UnicodeError, RecursionError) as error:
        raise YAMLSyntaxError(f"yaml: {type(error).__name__}: control characters or nesting not allowed") from error
    finally:
        if loader is not None:
            loader.dispose()


class _Budget:
    """How many nodes a stream may have once aliases are unfolded; counts each anchor's tree once."""

    def __init__(self) -> None:
        self._left = YAML_NODES
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def spend(self, root: yaml.Node) -> None:
        """Take a document's nodes off the budget. Raises YAMLSyntaxError when it is overdrawn."""
        self._left -= self._size(root, 0)
        if self._left < 0:
            raise YAMLSyntaxError("yaml: document contains excessive aliasing")

    def _size(self, node: yaml.Node, depth: int) -> int:
        if depth <= OBJECT_DEPTH and isinstance(node, yaml.ScalarNode):
            return 1
        key = id(node)
        known = self._sizes.get(key)
        if known is not None:
            return known
        line = node.start_mark.line + 1
        if key in self._open:
            raise YAMLSyntaxError(f"yaml: line {line}: anchor contains itself", line)
        if depth > OBJECT_DEPTH:
            raise YAMLSyntaxError(f"yaml: line {line}: exceeded max depth of {OBJECT_DEPTH}", line)
        self._open.add(key)
        total = 1
        if isinstance(node, yaml.MappingNode):
            total += sum(self._size(k, depth + 1) + self._size(v, depth + 1) for k, v in node.value)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(self._size(item, depth + 1) for item in node.value)
        self._open.discard(key)
        self._sizes[key] = total
        return total


def _construct(node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    return _scalar(node) if isinstance(node, yaml.ScalarNode) else None


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    out: dict[str, Any] = {}
    merged: list[yaml.Node] = []
    for key_node, value_node in node.value:
        if key_node.tag == _MERGE and not key_node.style:
            merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            continue
        out[_key(key_node)] = _construct(value_node)
    for source in merged:
        if not isinstance(source, yaml.MappingNode):
            line = source.start_mark.line + 1
            raise YAMLSyntaxError(f"yaml: line {line}: map merge requires map or sequence of maps as the value", line)
        for key, value in _mapping(source).items():
            out.setdefault(key, value)
    return out


def _key(node: yaml.Node) -> str:
    """A mapping key as JSON has it; numbers and booleans become text."""
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode):
        raise YAMLSyntaxError(f"yaml: line {line}: invalid map key", line)
    value = _scalar(node)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise YAMLSyntaxError(f"yaml: line {line}: null is not a map key", line)
    return str(value)


def _scalar(node: yaml.ScalarNode) -> Any:
    text = node.value
    if node.style in ("'", '"', "|", ">") and not node.tag.endswith((":int", ":float", ":bool", ":null")):
        return text
    return _plain(text, node)


def _plain(text: str, node: yaml.ScalarNode) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text[0] not in _NUMBER_STARTS:
        return text
    bare = text.replace("_", "")
    if _INTEGER.fullmatch(bare):
        return _integer(bare, text)
    if _FLOAT.fullmatch(bare):
        return _float(bare, text)
    if _NOT_A_NUMBER.fullmatch(text):
        line = node.start_mark.line + 1
        raise YAMLSyntaxError(f"json: unsupported value: {text}", line)
    return text


def _float(bare: str, text: str) -> float | str:
    """A number too large for a float stays text, as in Go."""
    value = float(bare)
    return text if value in (float("inf"), -float("inf")) else value


def _integer(text: str, written: str) -> int | float | str:
    """A number of 64 bits; beyond that a float if it is written in decimal digits, else text, as in Go."""
    beyond: float | str = _float(text, written) if _FLOAT.fullmatch(text) else written
    if len(text) > _LONGEST_INTEGER:
        return beyond
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").lower()
    if digits.startswith("0x"):
        value = int(digits[2:], 16)
    elif digits.startswith("0b"):
        value = int(digits[2:], 2)
    elif digits.startswith("0") and digits.strip("0o"):
        value = int(digits.lstrip("0o") or "0", 8)
    else:
        value = int(digits.replace("o", "") or "0")
    value *= sign
    return value if -(1 << 63) <= value < 1 << 64 else beyond
