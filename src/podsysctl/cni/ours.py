"""ADD, CHECK, DEL, GC and STATUS as they should be: everything checked before the first write, everything undone.

Differences from `upstream.py`, each with a test: keys are parsed and judged all together before anything is changed;
values are written in the order given and read back; CHECK compares values, not text; DEL restores sysctls as well;
interface names may hold dots; a failed ADD leaves nothing changed; without an allowlist the default one holds.
"""

from __future__ import annotations

from podsysctl.cni import allowlist, backup, links, netns, result, upstream, wire
from podsysctl.kernel import procfile
from podsysctl.policy import tuning_allowlist
from podsysctl.sysctls import spelling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from podsysctl.cni.call import Call
    from podsysctl.cni.netconf import NetConf

Target = tuple[str, tuple[str, ...], str]
"""A key as written, the parts of its file, and the value."""

_MOST = 0x7FFFFFFF
_EIO = 5
"""The kernel's answer for an IPv6 stable_secret that nobody has set yet."""

NO_ALLOWLIST = "none"
"""What a configuration says when it wants all of net/ on a node that has no allowlist."""


def add(call: Call, conf: NetConf) -> str:
    """Set everything or nothing, and return the result to print. Raises wire.Problem."""
    targets = _targets(call, conf)
    _check_allowed(call, conf, targets)
    if conf.prev_result is None:
        raise wire.Problem("Required prevResult missing")
    previous = result.parse(conf.prev_result, conf.cni_version, call.profile)
    address = _address(conf)
    if address:
        previous = upstream.with_mac(previous, call, address.hex(":"))
    printed = result.text(result.convert(previous, conf.cni_version, call.profile), call.profile)
    netns.enter(netns.open_netns(call.netns), call.netns)
    _apply(call, conf, targets, address)
    return printed


def check(call: Call, conf: NetConf) -> None:
    """Compare what is set with what was asked for, as values. Raises wire.Problem."""
    targets = _targets(call, conf)
    if conf.prev_result is None:
        raise wire.Problem("Required prevResult missing")
    previous = result.parse(conf.prev_result, conf.cni_version, call.profile)
    result.convert(previous, result.current_version(call.profile), call.profile)
    address = _address(conf)
    netns.enter(netns.open_netns(call.netns), call.netns)
    root = _open_root()
    for _, segments, value in targets:
        now = _read(root, segments)
        if now is not None and not _equal(now, value):
            path = f"{procfile.ROOT}/{'/'.join(segments)}"
            raise wire.Problem(f"Error: Tuning configured value of {path} is {value}, current value is {now}")
    upstream.check_link(call, conf, address.hex(":"))


def delete(call: Call, conf: NetConf) -> None:
    """Put back what ADD changed, as far as it is still there. Raises wire.Problem when something could not be."""
    path = call.backup(conf.data_dir)
    try:
        saved = backup.read(path)
    except wire.Problem:
        backup.remove(path)  # it will not become readable: the next call must succeed
        raise
    if saved is None:
        return
    try:
        fd = netns.open_netns(call.netns) if call.netns else None
    except wire.Problem:
        fd = None  # the namespace is gone, and with it all that was changed
    problems: list[str] = []
    if fd is not None and not (netns.is_own(fd) and not call.netns_override):
        netns.enter(fd, call.netns)
        problems = _restore(call.interface, saved)
    backup.remove(path)
    if problems:
        raise wire.Problem("; ".join(problems))


def collect(conf: NetConf) -> None:
    """GC: remove the records of this network's attachments that the runtime no longer has. Raises wire.Problem."""
    valid = {f"{a.get('containerID', '')}_{a.get('ifname', '')}.json" for a in conf.valid_attachments if a}
    for name in backup.names(conf.data_dir):
        path = f"{conf.data_dir}/{name}"
        if name not in valid:
            try:
                saved = backup.read(path)
            except wire.Problem:
                continue  # not ours to judge: it does not say whose network it is
            if saved is not None and saved.network == conf.name:
                backup.remove(path)


def status() -> None:
    """Whether ADD could work: the allowlist is readable and every entry an expression. Raises wire.Problem."""
    entries = allowlist.read_file(allowlist.path())
    if entries is None and allowlist.is_demanded():
        raise wire.Problem(f"{allowlist.path()} does not exist")
    try:
        tuning_allowlist.check(entries or ())
    except tuning_allowlist.BrokenEntryError as error:
        raise wire.Problem(str(error)) from error
    _open_root()


def _targets(call: Call, conf: NetConf) -> list[Target]:
    """Every key as the file it means. Raises wire.Problem."""
    if conf.sysctl and call.interface in spelling.NOT_INTERFACES:
        raise wire.Problem(f"{call.interface} is the name of no interface, and its settings are not one interface's")
    out: list[Target] = []
    seen: dict[tuple[str, ...], str] = {}
    for key, value in conf.sysctl.items():
        segments, problem = tuning_allowlist.resolve(key, call.interface)
        if problem:
            raise wire.Problem(problem)
        if segments in seen:
            raise wire.Problem(f"duplicated sysctl keys are not allowed: {seen[segments]} and {key} are the same")
        if "\0" in value:
            raise wire.Problem(f"Sysctl {key}: the value holds a NUL character")
        seen[segments] = key
        out.append((key, segments, value))
    return out


def _check_allowed(call: Call, conf: NetConf, targets: list[Target]) -> None:
    entries = allowlist.read_file(allowlist.path()) if targets else []
    suffix = ""
    if entries is None:
        if allowlist.is_demanded():
            raise wire.Problem(f"the allowlist {allowlist.path()} does not exist, so no sysctl is allowed")
        if conf.allowlist == NO_ALLOWLIST:
            return
        entries = list(allowlist.default_entries())
        suffix = f" (this node has no {allowlist.path()})"
    for key, _, _ in targets:
        try:
            if tuning_allowlist.find_spelling(key, call.interface, entries) is None:
                raise wire.Problem(tuning_allowlist.refusal(key, entries) + suffix)
        except tuning_allowlist.BrokenEntryError as error:
            raise wire.Problem(str(error)) from error


def _address(conf: NetConf) -> bytes:
    """The hardware address, empty when none is asked for; all link options are judged. Raises wire.Problem."""
    if not (0 <= conf.mtu <= _MOST and 0 <= (conf.tx_qlen or 0) <= _MOST):
        raise wire.Problem(f"mtu and txQLen must be from 0 to {_MOST}")
    if not conf.mac:
        return b""
    try:
        return links.parse_mac(conf.mac)
    except ValueError as error:
        raise wire.Problem(f"invalid args {conf.mac} for MAC addr: {error}") from error


def _apply(call: Call, conf: NetConf, targets: list[Target], address: bytes) -> None:
    """Save, write, read back. Whatever fails, what was done is undone and the record removed. Raises wire.Problem."""
    root = _open_root()
    saved = backup.Saved(conf.name)
    for _, segments, value in targets:
        saved.sysctl.append((segments, _read(root, segments), value))
    link = upstream.find_link(call.interface) if conf.changes_link else None
    if link is not None:
        saved.link = _attributes(link, conf)
    if not targets and link is None:
        return
    path = call.backup(conf.data_dir)
    earlier = backup.write(path, saved)
    written: list[tuple[tuple[str, ...], str | None]] = []
    try:
        for segments, original, value in saved.sysctl:
            _write(root, segments, value)
            written.append((segments, original))
        if link is not None:
            _change_link(link, conf, address)
        _read_back(root, saved)
    except wire.Problem as problem:
        undone = [_attempt(lambda: _change_back(call.interface, saved.link))] if link is not None else []
        for segments, original in reversed(written):
            if original is not None:
                undone.append(_attempt(lambda s=segments, o=original: _write(root, s, o)))  # type: ignore[misc]
        backup.take_back(path, earlier)
        failures = [text for text in undone if text]
        if failures:
            raise wire.Problem(f"{problem}; undoing it: {'; '.join(failures)}") from problem
        raise


def _read_back(root: int, saved: backup.Saved) -> None:
    for segments, _, value in saved.sysctl:
        now = _read(root, segments)
        if now is not None and not _equal(now, value):
            name = "/".join(segments)
            raise wire.Problem(f"{procfile.ROOT}/{name} is {now} after {value} was written")


def _restore(interface: str, saved: backup.Saved) -> list[str]:
    """Put sysctls and link back; what is gone is no failure, what somebody changed since is left alone."""
    root = _open_root()
    problems = []
    try:
        links.find(interface)
        if saved.link:
            problems.append(_attempt(lambda: _change_back(interface, saved.link)))
    except links.LinkNotFoundError:
        pass  # the interface went away with its settings; others' may still be there
    for segments, original, value in reversed(saved.sysctl):
        try:
            now = _read(root, segments)
        except wire.Problem:
            continue
        if original is not None and now is not None and _equal(now, value):
            problems.append(_attempt(lambda s=segments, o=original: _write(root, s, o)))  # type: ignore[misc]
    return [text for text in problems if text]


def _attributes(link: links.Link, conf: NetConf) -> dict[str, object]:
    """The link as it is, of what will be changed; the names are upstream's backup's."""
    out: dict[str, object] = {}
    if conf.mac and link.mac:
        out["mac"] = link.mac
    if conf.promisc:
        out["promisc"] = bool(link.promisc)
    if conf.mtu:
        out["mtu"] = link.mtu
    if conf.allmulti is not None:
        out["allmulti"] = link.allmulti
    if conf.tx_qlen is not None:
        out["txQLen"] = link.queue
    return out


def _change_link(link: links.Link, conf: NetConf, address: bytes) -> None:
    steps: list[tuple[str, Callable[[], None]]] = []
    if address:
        steps.append((f"mac {conf.mac}", lambda: links.set_mac(link, address)))
    if conf.promisc:
        steps.append(("promisc", lambda: links.set_flag(link, links.PROMISC, on=True)))
    if conf.mtu:
        steps.append((f"mtu {conf.mtu}", lambda: links.set_mtu(link, conf.mtu)))
    if conf.allmulti is not None:
        steps.append(("allmulti", lambda: links.set_flag(link, links.ALLMULTI, on=bool(conf.allmulti))))
    if conf.tx_qlen is not None:
        steps.append((f"txQLen {conf.tx_qlen}", lambda: links.set_queue(link, conf.tx_qlen or 0)))
    _carry_out(steps)


def _change_back(interface: str, attributes: dict[str, object]) -> None:
    link = upstream.find_link(interface)
    steps: list[tuple[str, Callable[[], None]]] = []
    for name, value in attributes.items():
        if name == "mac":
            steps.append((f"mac {value}", lambda v=value: links.set_mac(link, links.parse_mac(str(v)))))  # type: ignore[misc]
        elif name == "mtu":
            steps.append((f"mtu {value}", lambda v=value: links.set_mtu(link, int(str(v)))))  # type: ignore[misc]
        elif name == "txQLen":
            steps.append((f"txQLen {value}", lambda v=value: links.set_queue(link, int(str(v)))))  # type: ignore[misc]
        elif name in ("promisc", "allmulti"):
            flag = links.PROMISC if name == "promisc" else links.ALLMULTI
            steps.append((name, lambda f=flag, v=value: links.set_flag(link, f, on=bool(v))))  # type: ignore[misc]
    _carry_out(steps)


def _carry_out(steps: list[tuple[str, Callable[[], None]]]) -> None:
    for label, step in steps:
        try:
            step()
        except OSError as error:
            raise wire.Problem(f"{label}: {netns.words(error)}") from error
        except ValueError as error:  # of a record that somebody has changed
            raise wire.Problem(f"{label}: {error}") from error


def _attempt(step: Callable[[], None]) -> str:
    """Why a step of undoing failed, '' when it did not: the others must be tried as well."""
    try:
        step()
    except wire.Problem as problem:
        return str(problem)
    return ""


def _open_root() -> int:
    try:
        return procfile.open_root()
    except OSError as error:
        raise wire.Problem(f"{procfile.ROOT}: {error.strerror}") from error


def _read(root: int, segments: tuple[str, ...]) -> str | None:
    """The value, None for one that nobody may read, or not before it is set. Raises wire.Problem."""
    try:
        data = procfile.read(lambda flags: procfile.open_by_parts(root, segments, flags), 65536)
    except OSError as error:
        if isinstance(error, PermissionError) or error.errno == _EIO:
            return None
        raise wire.Problem(f"open {procfile.ROOT}/{'/'.join(segments)}: {netns.words(error)}") from error
    return data.decode("utf-8", "replace").removesuffix("\n")


def _write(root: int, segments: tuple[str, ...], value: str) -> None:
    data = wire.encode(value) or b"\n"
    try:
        count = procfile.write(lambda flags: procfile.open_by_parts(root, segments, flags), data)
    except OSError as error:
        raise wire.Problem(f"write {procfile.ROOT}/{'/'.join(segments)}: {netns.words(error)}") from error
    if count != len(data):
        raise wire.Problem(f"write {procfile.ROOT}/{'/'.join(segments)}: the kernel took {count} of {len(data)} bytes")


def _equal(one: str, other: str) -> bool:
    """The same value? Texts that differ are worth importing what understands them."""
    if one.split() == other.split():
        return True
    from podsysctl.sysctls.value import values_equal

    return values_equal(None, one, other)
