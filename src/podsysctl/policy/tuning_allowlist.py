"""The rule of the tuning plugin's allowlist: which keys an interface of a pod may have, and which file each means.

One home for the plugin, which is a process for every pod and must import little, and for `interface.py`, which
explains. Entries are regular expressions in RE2's syntax and time: linear, whatever they are. They are searched in the
key as written, where the token stands for the interface.
Sources: plugins meta/tuning/tuning.go v1.9.1; cluster-network-operator bindata/allowlist.
"""

from __future__ import annotations

from podsysctl.sysctls import spelling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/.,: ~=@%&;<>'\"!#")
_GO_WORDS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "trailing \\": "trailing backslash at end of expression",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "invalid character range": "invalid character class range",
}


class BrokenEntryError(ValueError):
    """An entry that is no regular expression; the text is what Go's regexp says of it."""


def parse(text: str) -> list[str]:
    """The entries of an allowlist file: one a line, trimmed, empty lines dropped. There are no comments."""
    return [entry for line in text.split("\n") if (entry := line.strip())]


def find(key: str, entries: Iterable[str]) -> str | None:
    """The first entry that matches somewhere in the key. Raises BrokenEntryError when one before it is broken."""
    for entry in entries:
        if _matches(entry, key):
            return entry
    return None


def refusal(key: str, entries: Iterable[str]) -> str:
    """Upstream's words for a key that no entry matches."""
    return f"Sysctl {key} is not allowed. Only the following sysctls are allowed: [{' '.join(entries)}]"


def resolve(key: str, interface: str) -> tuple[tuple[str, ...], str]:
    """The parts of the file that a key means for an interface, and what is wrong with the key ('' for nothing).

    The token is replaced inside its part, so an interface name with a dot keeps it.

    >>> resolve("net.ipv4.conf.IFNAME.rp_filter", "eth0.100")
    (('net', 'ipv4', 'conf', 'eth0.100', 'rp_filter'), '')
    >>> resolve("net/ipv4/conf/IFNAME/../../x", "net1")[1]
    "sysctl name 'net/ipv4/conf/IFNAME/../../x' would leave /proc/sys/"
    """
    written = spelling.split(key)
    problem = spelling.problem_of_name(key, written)
    if problem:
        return written, problem
    out: list[str] = []
    replaced = False
    for segment in written:
        if not replaced and spelling.INTERFACE_TOKEN in segment:
            out.append(segment.replace(spelling.INTERFACE_TOKEN, interface, 1))
            replaced = True
        else:
            out.append(segment)
    segments = tuple(out)
    if segments[0] != "net" or len(segments) < 3:
        return segments, f'invalid net sysctl key: "{"/".join(segments)}"'
    return segments, spelling.problem_of_name("/".join(segments), segments)


def find_spelling(key: str, interface: str, entries: Sequence[str]) -> str | None:
    """The entry that allows a key, however it is spelled: as written, dotted, or with the token for the interface.

    Only the interface that is being set up may stand for the token. Raises BrokenEntryError.

    >>> find_spelling("net/ipv4/conf/net1/rp_filter", "net1", ["^net.ipv4.conf.IFNAME.rp_filter$"])
    '^net.ipv4.conf.IFNAME.rp_filter$'
    >>> find_spelling("net/ipv4/conf/eth0/rp_filter", "net1", ["^net.ipv4.conf.IFNAME.rp_filter$"])
    """
    segments = spelling.split(key)
    forms = [key, spelling.dotted(segments)]
    if spelling.is_interface_specific(segments) and segments[3] == interface:
        forms.append(spelling.dotted((*segments[:3], spelling.INTERFACE_TOKEN, segments[4])))
    for form in dict.fromkeys(forms):
        entry = find(form, entries)
        if entry is not None:
            return entry
    return None


def check(entries: Iterable[str]) -> None:
    """Raise BrokenEntryError unless every entry is a regular expression."""
    for entry in entries:
        _matches(entry, "")


def _matches(entry: str, key: str) -> bool:
    start, end = entry.startswith("^"), entry.endswith("$")
    body = entry[1 if start else 0 : len(entry) - 1 if end else len(entry)]
    if not _PLAIN.issuperset(body):
        return _search(entry, key)
    # The usual entry: literals, and dots that stand for any character. No engine is worth its import for it.
    if start:
        places: Iterable[int] = (0,) if not end or len(key) == len(body) else ()
    elif end:
        places = (len(key) - len(body),)
    else:
        places = range(len(key) - len(body) + 1)
    return any(_is_at(body, key, place) for place in places)


def _is_at(body: str, key: str, place: int) -> bool:
    if place < 0 or place + len(body) > len(key):
        return False
    return all(wanted in (".", key[place + i]) and key[place + i] != "\n" for i, wanted in enumerate(body))


def _search(entry: str, key: str) -> bool:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(entry, options).search(key) is not None
    except re2.error as error:
        text = error.args[0] if error.args else ""
        words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        reason, _, piece = words.partition(": ")
        raise BrokenEntryError(f"error parsing regexp: {_GO_WORDS.get(reason, reason)}: `{piece or entry}`") from error
