"""What a name, label, port or variable may look like: each rule returns upstream's sentences for what is wrong.

Texts and regular expressions are those of Kubernetes 1.36 apimachinery util/validation and api/validate/content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

NameRule = Callable[[str, bool], list[str]]
"""A rule for object names: the name, and whether it is a generateName prefix."""

_LABEL_FMT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_FMT = rf"{_LABEL_FMT}(\.{_LABEL_FMT})*"
_UNDERSCORE_LABEL_FMT = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_UNDERSCORE_FMT = rf"{_UNDERSCORE_LABEL_FMT}(\.{_UNDERSCORE_LABEL_FMT})*"
_DNS1035_FMT = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY_FMT = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE_FMT = f"({_KEY_FMT})?"
_HEADER_FMT = "[-A-Za-z0-9]+"
_CONFIG_KEY_FMT = "[-._a-zA-Z0-9]+"
_PERCENT_FMT = "[0-9]+%"

_LABEL = re.compile(_LABEL_FMT)
_SUBDOMAIN = re.compile(_SUBDOMAIN_FMT)
_UNDERSCORE = re.compile(_UNDERSCORE_FMT)
_DNS1035 = re.compile(_DNS1035_FMT)
_KEY = re.compile(_KEY_FMT)
_VALUE = re.compile(_VALUE_FMT)
_HEADER = re.compile(_HEADER_FMT)
_CONFIG_KEY = re.compile(_CONFIG_KEY_FMT)
_PERCENT = re.compile(_PERCENT_FMT)

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_UNDERSCORE_TEXT = _SUBDOMAIN_TEXT.replace("characters, '-'", "characters, '_', '-'")
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_DNS1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character"
)
_KEY_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_VALUE_TEXT = f"a valid label must be an empty string or {_KEY_TEXT.removeprefix('must ')}"
_ENVIRONMENT_TEXT = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_LARGEST_ID = (1 << 31) - 1


def regex_error(text: str, fmt: str, *examples: str) -> str:
    """A sentence with examples and the regular expression behind it."""
    if not examples:
        return f"{text} (regex used for validation is '{fmt}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {shown}regex used for validation is '{fmt}')"


def range_error(lowest: int, highest: int) -> str:
    """The sentence for a number out of range."""
    return f"must be between {lowest} and {highest}, inclusive"


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=4096)
def _dns_label(value: str) -> tuple[str, ...]:
    out = []
    if _size(value) > 63:
        out.append("must be no more than 63 characters")
    if not _LABEL.fullmatch(value):
        if _SUBDOMAIN.fullmatch(value):
            out.append("must not contain dots")
        else:
            out.append(regex_error(_LABEL_TEXT, _LABEL_FMT, "my-name", "123-abc"))
    return tuple(out)


def dns_label(value: str) -> tuple[str, ...]:
    """A DNS label of RFC 1123."""
    return _dns_label(value)


@lru_cache(maxsize=4096)
def dns_subdomain(value: str, unit: str = "characters") -> tuple[str, ...]:
    """A DNS subdomain of RFC 1123; `unit` is how its length is counted in the text."""
    out = []
    if _size(value) > 253:
        out.append(f"must be no more than 253 {unit}")
    if not _SUBDOMAIN.fullmatch(value):
        out.append(regex_error(_SUBDOMAIN_TEXT, _SUBDOMAIN_FMT, "example.com"))
    return tuple(out)


def dns_subdomain_underscore(value: str) -> list[str]:
    """A DNS subdomain whose labels may begin with and hold underscores."""
    out = []
    if _size(value) > 253:
        out.append("must be no more than 253 characters")
    if not _UNDERSCORE.fullmatch(value):
        out.append(regex_error(_UNDERSCORE_TEXT, _UNDERSCORE_FMT, "example.com"))
    return out


def dns1035_label(value: str) -> list[str]:
    """A DNS label of RFC 1035, which begins with a letter."""
    out = []
    if _size(value) > 63:
        out.append("must be no more than 63 characters")
    if not _DNS1035.fullmatch(value):
        out.append(regex_error(_DNS1035_TEXT, _DNS1035_FMT, "my-name", "abc-123"))
    return out


def _masked(name: str) -> str:
    return f"{name[:-2]}a" if len(name) > 1 and name.endswith("-") else name


def name_subdomain(name: str, is_prefix: bool = False) -> list[str]:
    """An object name that is a DNS subdomain; a prefix may end with a dash."""
    return list(dns_subdomain(_masked(name) if is_prefix else name))


def name_label(name: str, is_prefix: bool = False) -> list[str]:
    """An object name that is a DNS label."""
    return list(dns_label(_masked(name) if is_prefix else name))


def name_dns1035(name: str, is_prefix: bool = False) -> list[str]:
    """An object name that is a DNS label of RFC 1035."""
    return dns1035_label(_masked(name) if is_prefix else name)


def name_path_segment(name: str, is_prefix: bool = False) -> list[str]:
    """An object name that fits into a path and has no other rule."""
    if not is_prefix and name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in name]


@lru_cache(maxsize=4096)
def qualified_name(value: str) -> tuple[str, ...]:
    """A label or annotation key: a name with an optional DNS prefix."""
    out: list[str] = []
    prefix, slash, name = value.partition("/")
    if "/" in name:
        text = regex_error(_KEY_TEXT, _KEY_FMT, "MyName", "my.name", "123-abc")
        return (f"a valid label key {text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",)
    if not slash:
        name = value
    elif not prefix:
        out.append("prefix part must be non-empty")
    else:
        out += (f"prefix part {text}" for text in dns_subdomain(prefix, "bytes"))
    if not name:
        out.append("name part must be non-empty")
    elif _size(name) > 63:
        out.append("name part must be no more than 63 bytes")
    if not _KEY.fullmatch(name):
        out.append(f"name part {regex_error(_KEY_TEXT, _KEY_FMT, 'MyName', 'my.name', '123-abc')}")
    return tuple(out)


@lru_cache(maxsize=4096)
def label_value(value: str) -> tuple[str, ...]:
    """The value of a label."""
    out = []
    if _size(value) > 63:
        out.append("must be no more than 63 bytes")
    if not _VALUE.fullmatch(value):
        out.append(regex_error(_VALUE_TEXT, _VALUE_FMT, "MyValue", "my_value", "12345"))
    return tuple(out)


def port_number(value: int) -> list[str]:
    """A port from 1 to 65535."""
    return [] if 1 <= value <= 65535 else [range_error(1, 65535)]


def port_name(value: str) -> list[str]:
    """A port's name as IANA services are named."""
    out = []
    if _size(value) > 15:
        out.append("must be no more than 15 characters")
    if not re.fullmatch("[-a-z0-9]+", value):
        out.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        out.append("must contain at least one letter (a-z)")
    if "--" in value:
        out.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        out.append("must not begin or end with a hyphen")
    return out


def user_or_group_id(value: int) -> list[str]:
    """A user or group ID of Linux."""
    return [] if 0 <= value <= _LARGEST_ID else [range_error(0, _LARGEST_ID)]


def http_header(value: str) -> list[str]:
    """The name of an HTTP header."""
    if _HEADER.fullmatch(value):
        return []
    text = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [regex_error(text, _HEADER_FMT, "X-Header-Name")]


def environment_name(value: str) -> list[str]:
    """The name of an environment variable, by the relaxed rule."""
    if not value:
        return ["environment variable name must be non-empty"]
    if any(not " " <= char <= "~" or char == "=" for char in value):
        return [_ENVIRONMENT_TEXT]
    return []


def config_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret."""
    out = []
    if _size(value) > 253:
        out.append("must be no more than 253 characters")
    if not _CONFIG_KEY.fullmatch(value):
        text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        out.append(regex_error(text, _CONFIG_KEY_FMT, "key.name", "KEY_NAME", "key-name"))
    return out + _parent_directory(value)


def _parent_directory(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def percent(value: str) -> list[str]:
    """A share in percent, such as `25%`."""
    if _PERCENT.fullmatch(value):
        return []
    text = "a valid percent string must be a numeric string followed by an ending '%'"
    return [regex_error(text, _PERCENT_FMT, "1%", "93%")]


def label_key_problems(text: str) -> list[str]:
    """What is wrong with a label key."""
    return list(qualified_name(text))


def label_value_problems(text: str) -> list[str]:
    """What is wrong with a label value."""
    return list(label_value(text))


def dns_label_problems(text: str) -> list[str]:
    """What is wrong with a DNS label of RFC 1123."""
    return list(dns_label(text))


def subdomain_problems(text: str) -> list[str]:
    """What is wrong with a DNS subdomain of RFC 1123."""
    return list(dns_subdomain(text))


def dns1035_label_problems(text: str) -> list[str]:
    """What is wrong with a DNS label of RFC 1035."""
    return dns1035_label(text)


def join_problems(problems: Iterable[str]) -> str:
    """Several sentences as the one text that selectors' errors hold."""
    return "; ".join(problems)
