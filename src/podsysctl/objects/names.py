"""The syntax of names: label keys and values, DNS labels and subdomains, with upstream's texts.

Each function returns the problems of a text, empty when it is well formed. Source: Kubernetes apimachinery
`pkg/api/validate/content/{kube,dns,errors}.go`, 1.36.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LABEL_LENGTH = 63
SUBDOMAIN_LENGTH = 253

_LABEL_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_KEY_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_LABEL_VALUE = f"({_LABEL_KEY})?"
_LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN = f"{_DNS_LABEL}(\\.{_DNS_LABEL})*"
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_DNS1035_LABEL = "[a-z]([-a-z0-9]*[a-z0-9])?"
_DNS1035_LABEL_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character"
)

_label_key_re = re.compile(_LABEL_KEY)
_dns_label_re = re.compile(_DNS_LABEL)
_subdomain_re = re.compile(_SUBDOMAIN)
_dns1035_label_re = re.compile(_DNS1035_LABEL)


def max_length(limit: int) -> str:
    """Upstream's text for a name that is too long."""
    return f"must be no more than {limit} bytes"


def regex_error(rule: str, expression: str, *examples: str) -> str:
    """Upstream's text for a name outside a regular expression."""
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{rule} ({f'e.g. {shown}' if shown else ''}regex used for validation is '{expression}')"


def label_key_problems(text: str) -> list[str]:
    """What is wrong with a label key (a qualified name): `[dns-subdomain/]name`."""
    prefix, slash, name = text.partition("/")
    key_error = regex_error(_LABEL_KEY_RULE, _LABEL_KEY, "MyName", "my.name", "123-abc")
    if "/" in name:
        optional = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {key_error}{optional}"]
    problems = []
    if not slash:
        name = prefix
    elif not prefix:
        problems.append("prefix part must be non-empty")
    else:
        problems += [f"prefix part {problem}" for problem in subdomain_problems(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode()) > LABEL_LENGTH:
        problems.append(f"name part {max_length(LABEL_LENGTH)}")
    if not _label_key_re.fullmatch(name):
        problems.append(f"name part {key_error}")
    return problems


def label_value_problems(text: str) -> list[str]:
    """What is wrong with a label value: at most 63 bytes, empty allowed."""
    problems = []
    if len(text.encode()) > LABEL_LENGTH:
        problems.append(max_length(LABEL_LENGTH))
    if text and not _label_key_re.fullmatch(text):
        problems.append(regex_error(_LABEL_VALUE_RULE, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return problems


def dns_label_problems(text: str) -> list[str]:
    """What is wrong with an RFC 1123 label: the name of a namespace or a container."""
    problems = []
    if len(text.encode()) > LABEL_LENGTH:
        problems.append(max_length(LABEL_LENGTH))
    if not _dns_label_re.fullmatch(text):
        if _subdomain_re.fullmatch(text):
            problems.append("must not contain dots")
        else:
            problems.append(regex_error(_DNS_LABEL_RULE, _DNS_LABEL, "my-name", "123-abc"))
    return problems


def subdomain_problems(text: str) -> list[str]:
    """What is wrong with an RFC 1123 subdomain: the name of most objects."""
    problems = []
    if len(text.encode()) > SUBDOMAIN_LENGTH:
        problems.append(max_length(SUBDOMAIN_LENGTH))
    if not _subdomain_re.fullmatch(text):
        problems.append(regex_error(_SUBDOMAIN_RULE, _SUBDOMAIN, "example.com"))
    return problems


def dns1035_label_problems(text: str) -> list[str]:
    """What is wrong with an RFC 1035 label: the name of a Service, the plural of a CRD."""
    problems = []
    if len(text.encode()) > LABEL_LENGTH:
        problems.append(max_length(LABEL_LENGTH))
    if not _dns1035_label_re.fullmatch(text):
        problems.append(regex_error(_DNS1035_LABEL_RULE, _DNS1035_LABEL, "my-name", "abc-123"))
    return problems


def join_problems(problems: Iterable[str]) -> str:
    """Several problems in one text, as upstream joins them."""
    return "; ".join(problems)
