"""Label selectors and field selectors: their text grammars, the LabelSelector object, and matching.

Used by list and watch (text form), by workloads and disruption budgets (object form) and by the scheduler.
Source of grammar and texts: Kubernetes apimachinery `pkg/labels/selector.go`, `pkg/fields/selector.go`,
`pkg/apis/meta/v1/helpers.go`, 1.36.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.base.errors import FieldError, UsageError
from podsysctl.objects import fielderrors, names, status
from podsysctl.objects.quote import quote

IN = "in"
NOT_IN = "notin"
EQUALS = "="
DOUBLE_EQUALS = "=="
NOT_EQUALS = "!="
EXISTS = "exists"
NOT_EXISTS = "!"
GREATER = "gt"
LESS = "lt"

_POSITIVE = frozenset({IN, EQUALS, DOUBLE_EQUALS})
_NEGATIVE = frozenset({NOT_IN, NOT_EQUALS})
_BY_TOKEN = {
    "in": IN,
    "=": EQUALS,
    "==": DOUBLE_EQUALS,
    ">": GREATER,
    "<": LESS,
    "notin": NOT_IN,
    "!=": NOT_EQUALS,
}
_BINARY_OPERATORS = "in, notin, =, ==, !=, gt, lt"
_BY_OBJECT_OPERATOR = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": NOT_EXISTS}
_INTEGER = re.compile(r"[+-]?[0-9]+")


class SelectorError(UsageError):
    """A selector that cannot be understood; the message is upstream's text for the 400 answer."""

    reason = "InvalidSelector"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels fulfil it; an absent label fulfils `!=`, `notin` and `!`."""
        value = labels.get(self.key)
        if self.operator in _POSITIVE:
            return value is not None and value in self.values
        if self.operator in _NEGATIVE:
            return value is None or value not in self.values
        if self.operator == EXISTS:
            return value is not None
        if self.operator == NOT_EXISTS:
            return value is None
        return value is not None and compare_integers(value, self.operator, self.values)

    def __str__(self) -> str:
        if self.operator == EXISTS:
            return self.key
        if self.operator == NOT_EXISTS:
            return f"!{self.key}"
        listed = ",".join(sorted(self.values))
        if self.operator in (IN, NOT_IN):
            return f"{self.key} {self.operator} ({listed})"
        sign = {GREATER: ">", LESS: "<"}.get(self.operator, self.operator)
        return f"{self.key}{sign}{listed}"


def compare_integers(value: str, operator: str, wanted: tuple[str, ...]) -> bool:
    """`gt` and `lt`: both sides are 64-bit integers; anything else does not match."""
    actual = parse_int64(value)
    bound = parse_int64(wanted[0]) if len(wanted) == 1 else None
    if actual is None or bound is None:
        return False
    return actual > bound if operator == GREATER else actual < bound


def parse_int64(text: str) -> int | None:
    """A decimal integer of 64 bits, or None."""
    if len(text) > 64 or not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that must all hold, sorted by key; none of them means everything.

    `nothing` is the selector of an absent LabelSelector object, which matches no object at all.
    """

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether an object with these labels is selected."""
        if self.nothing:
            return False
        present = labels or {}
        return all(requirement.matches(present) for requirement in self.requirements)

    def matches_object(self, obj: Mapping[str, Any]) -> bool:
        """The same for a whole object."""
        return self.matches((obj.get("metadata") or {}).get("labels"))

    @property
    def empty(self) -> bool:
        """Whether it selects everything."""
        return not self.nothing and not self.requirements

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


def requirement_problems(key: str, operator: str, values: Iterable[str]) -> list[FieldError]:
    """What upstream's NewRequirement refuses, in its order."""
    listed = list(values)
    problems = []
    if key_problems := names.qualified_name(key):
        problems.append(fielderrors.invalid("key", key, "; ".join(key_problems)))
    if operator in (IN, NOT_IN) and not listed:
        problems.append(fielderrors.invalid("values", listed, "for 'in', 'notin' operators, values set can't be empty"))
    if operator in (GREATER, LESS):
        problems += [
            fielderrors.invalid(f"values[{index}]", value, "for 'Gt', 'Lt' operators, the value must be an integer")
            for index, value in enumerate(listed)
            if parse_int64(value) is None
        ]
    if operator in (EXISTS, NOT_EXISTS) and listed:
        problems.append(fielderrors.invalid("values", listed, "values set must be empty for exists and does not exist"))
    for index, value in enumerate(listed):
        if value_problems := names.label_value(value):
            detail = "; ".join(value_problems)
            problems.append(fielderrors.invalid(f"values[{index}][{key}]", value, detail))
    return problems


def _requirement(key: str, operator: str, values: Iterable[str]) -> Requirement:
    listed = tuple(values)
    if problems := requirement_problems(key, operator, listed):
        raise SelectorError(status.aggregate(problems))
    return Requirement(key, operator, listed)


def from_object(selector: Mapping[str, Any] | None) -> LabelSelector:
    """A `meta/v1.LabelSelector`: None selects nothing, an empty one everything.

    Raises SelectorError with upstream's text.
    """
    if selector is None:
        return NOTHING
    requirements = [_requirement(k, EQUALS, (v,)) for k, v in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        name = expression.get("operator", "")
        operator = _BY_OBJECT_OPERATOR.get(name)
        if operator is None:
            raise SelectorError(f"{quote(name)} is not a valid label selector operator")
        requirements.append(_requirement(expression.get("key", ""), operator, expression.get("values") or ()))
    return LabelSelector(tuple(sorted(requirements, key=lambda r: r.key)))


def from_labels(labels: Mapping[str, str] | None) -> LabelSelector:
    """The selector of a plain map, such as a node selector; not validated."""
    present = labels or {}
    return LabelSelector(tuple(Requirement(k, EQUALS, (present[k],)) for k in sorted(present)))


_SPECIAL = "=!(),><"
_SYMBOLS = frozenset({")", ",", "!", "==", "=", ">", "<", "!=", "("})
_IDENTIFIER, _END = "identifier", "end"
_Token = tuple[str, str]


def _tokens(text: str) -> list[_Token]:
    """Pairs of kind and literal; the kind of a symbol or of the words `in` and `notin` is itself."""
    out: list[_Token] = []
    at = 0
    while at < len(text) and text[at] != "\0":
        char = text[at]
        if char in " \t\r\n":
            at += 1
        elif char in _SPECIAL:
            symbol = text[at : at + 2] if text[at : at + 2] in _SYMBOLS else char
            out.append((symbol, symbol))
            at += len(symbol)
        else:
            end = at
            while end < len(text) and text[end] not in _SPECIAL and text[end] not in " \t\r\n\0":
                end += 1
            word = text[at:end]
            out.append((word if word in (IN, NOT_IN) else _IDENTIFIER, word))
            at = end
    out.append((_END, ""))
    return out


class _Parser:
    """Recursive descent over the tokens, with upstream's texts for every way to fail."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def _look(self) -> _Token:
        """The next token, where `in` and `notin` are ordinary words."""
        kind, literal = self._tokens[self._at]
        return (_IDENTIFIER if kind in (IN, NOT_IN) else kind), literal

    def _take(self) -> _Token:
        token = self._look()
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def parse(self) -> list[Requirement]:
        requirements: list[Requirement] = []
        while True:
            kind, literal = self._look()
            if kind == _END:
                return requirements
            if kind not in (_IDENTIFIER, "!"):
                raise SelectorError(f"found '{literal}', expected: !, identifier, or 'end of string'")
            try:
                requirements.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error.message}") from error
            kind, literal = self._take()
            if kind == _END:
                return requirements
            if kind != ",":
                raise SelectorError(f"found '{literal}', expected: ',' or 'end of string'")
            kind, literal = self._look()
            if kind not in (_IDENTIFIER, "!"):
                raise SelectorError(f"found '{literal}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        kind, key = self._take()
        negated = kind == "!"
        if negated:
            kind, key = self._take()
        if kind != _IDENTIFIER:
            raise SelectorError(f"found '{key}', expected: identifier")
        if problems := names.qualified_name(key):
            raise SelectorError(str(fielderrors.invalid("<nil>", key, "; ".join(problems))))
        at_end = self._look()[0] in (_END, ",")
        if negated or at_end:
            return _requirement(key, NOT_EXISTS if negated else EXISTS, ())
        operator = self._operator()
        values = self._values() if operator in (IN, NOT_IN) else self._exact_value()
        return _requirement(key, operator, sorted(set(values)))

    def _operator(self) -> str:
        kind, literal = self._tokens[self._at]
        self._take()
        operator = _BY_TOKEN.get(kind)
        if operator is None:
            raise SelectorError(f"found '{literal}', expected: {_BINARY_OPERATORS}")
        return operator

    def _values(self) -> list[str]:
        kind, literal = self._take()
        if kind != "(":
            raise SelectorError(f"found '{literal}' expected: '('")
        kind, literal = self._look()
        if kind == ")":
            self._take()
            return [""]
        if kind not in (_IDENTIFIER, ","):
            raise SelectorError(f"found '{literal}', expected: ',', ')' or identifier")
        values = self._identifiers()
        self._take()
        return values

    def _identifiers(self) -> list[str]:
        values: list[str] = []
        while True:
            kind, literal = self._take()
            if kind == _IDENTIFIER:
                values.append(literal)
                kind, literal = self._look()
                if kind == ")":
                    return values
                if kind != ",":
                    raise SelectorError(f"found '{literal}', expected: ',' or ')'")
            elif kind == ",":
                if not values:
                    values.append("")
                following = self._look()[0]
                if following in (")", ","):
                    values.append("")
                if following == ")":
                    return values
            else:
                raise SelectorError(f"found '{literal}', expected: ',', or identifier")

    def _exact_value(self) -> list[str]:
        if self._look()[0] in (_END, ","):
            return [""]
        kind, literal = self._take()
        if kind != _IDENTIFIER:
            raise SelectorError(f"found '{literal}', expected: identifier")
        return [literal]


def parse_label_selector(text: str) -> LabelSelector:
    """The text form, such as `app=web,tier in (a,b),!old,cpus>3`. Raises SelectorError."""
    if not text:
        return EVERYTHING
    return LabelSelector(tuple(sorted(_Parser(text).parse(), key=lambda r: r.key)))


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One `field=value` or `field!=value`."""

    field: str
    value: str
    equal: bool = True

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        return f"{self.field}{'=' if self.equal else '!='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Terms that must all hold."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, value_of: Callable[[str], str]) -> bool:
        """Whether the terms hold, given a function from field to its text ("" when absent)."""
        return all((value_of(term.field) == term.value) is term.equal for term in self.terms)

    def exact(self, field: str) -> str | None:
        """The value that `field` must have, or None: what lets a list by name be a single read."""
        return next((term.value for term in self.terms if term.equal and term.field == field), None)

    @property
    def empty(self) -> bool:
        """Whether it selects everything."""
        return not self.terms

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))


def object_field(obj: Mapping[str, Any], path: str) -> str:
    """The text of a dotted field of an object, as field selectors compare it: "" when absent."""
    value: Any = obj
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def parse_field_selector(text: str, supported: Iterable[str] | None = None) -> FieldSelector:
    """The text form, such as `spec.nodeName=n1,status.phase!=Failed`.

    `supported` are the field labels of the kind; another one is refused with upstream's
    `field label not supported: X`. Raises SelectorError.
    """
    terms = []
    for part in sorted(_split_terms(text)):
        if not part:
            continue
        match = re.match(r"(.*?)(!=|==|=)", part, re.DOTALL)
        if match is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
        terms.append(FieldTerm(match[1], _unescape(part[match.end() :]), match[2] != "!="))
    if supported is not None:
        known = frozenset(supported)
        for term in terms:
            if term.field not in known:
                raise SelectorError(f"field label not supported: {term.field}")
    return FieldSelector(tuple(terms))


def _split_terms(text: str) -> list[str]:
    return [match for match in re.findall(r"(?:\\.|[^,\\]|\\$)+", text, re.DOTALL) if match]


def _unescape(value: str) -> str:
    out = []
    escaped = False
    for char in value:
        if escaped:
            if char not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{char}")
            out.append(char)
            escaped = False
        elif char == "\\":
            escaped = True
        elif char in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            out.append(char)
    if escaped:
        raise SelectorError("invalid field selector: invalid escape sequence: \\")
    return "".join(out)
