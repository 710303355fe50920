"""ADD, CHECK and DEL exactly as upstream's plugin does them, its defects included. `ours.py` is what runs by default.

Source: plugins meta/tuning/tuning.go v1.1.1 and v1.9.1. Where Go walks a map in random order, this walks it as written.
"""

from __future__ import annotations

import os

from podsysctl.cni import allowlist, links, netns, result, wire
from podsysctl.kernel import procfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from podsysctl.cni.call import Call
    from podsysctl.cni.netconf import NetConf

_RESTORED = ("mtu", "mac", "promisc", "allmulti", "txQLen")


def add(call: Call, conf: NetConf) -> str:
    """Write, change the link, and return the result to print. Raises wire.Problem."""
    if call.profile.has_allowlist:
        _check_allowed(conf)
    if call.profile.newest and "/" in call.interface:
        raise wire.Problem(f"Interface name ({call.interface}) contains an invalid character /")
    if conf.prev_result is None:
        raise wire.Problem("Required prevResult missing")
    previous = result.parse(conf.prev_result, conf.cni_version, call.profile)
    netns.enter(netns.open_netns(call.netns), call.netns)
    for key, value in conf.sysctl.items():
        _write(file_name(key, call.interface, newest=call.profile.newest), value)
    if conf.changes_link:
        _back_up(call, conf)
    if conf.mac:
        _change_mac(call.interface, conf.mac)
        previous = with_mac(previous, call, conf.mac)
    for name, wanted in (("promisc", conf.promisc), ("mtu", conf.mtu), ("allmulti", conf.allmulti)):
        if wanted or (name == "allmulti" and wanted is not None):
            _change(call.interface, name, wanted)
    if conf.tx_qlen is not None:
        _change(call.interface, "txQLen", conf.tx_qlen)
    return result.text(result.convert(previous, conf.cni_version, call.profile), call.profile)


def with_mac(previous: result.Result, call: Call, mac: str) -> result.Result:
    """The result at the newest version, with the interface's new hardware address. Raises wire.Problem."""
    out = result.convert(previous, result.current_version(call.profile), call.profile)
    for interface in out.interfaces:
        if interface.get("name") == call.interface:
            interface["mac"] = mac
    return out


def check(call: Call, conf: NetConf) -> None:
    """Compare texts with what is there. Raises wire.Problem."""
    if conf.prev_result is None:
        raise wire.Problem("Required prevResult missing")
    previous = result.parse(conf.prev_result, conf.cni_version, call.profile)
    result.convert(previous, result.current_version(call.profile), call.profile)
    netns.enter(netns.open_netns(call.netns), call.netns)
    for key, value in conf.sysctl.items():
        path = file_name(key, call.interface, newest=True) if call.profile.newest else _join(key.replace(".", "/"))
        content = _read(path)
        if content != value:
            raise wire.Problem(f"Error: Tuning configured value of {path} is {value}, current value is {content}")
    check_link(call, conf, conf.mac)


def check_link(call: Call, conf: NetConf, mac: str) -> None:
    """Compare the link's attributes; `mac` as the kernel would print it. Raises wire.Problem."""
    try:
        link = links.find(call.interface)
    except OSError as error:
        raise wire.Problem(f"Cannot find container link {call.interface}") from error
    name = call.interface
    if mac and mac != link.mac:
        raise wire.Problem(
            f"Error: Tuning configured Ethernet of {name} is {conf.mac}, current value is {link.mac}"
        )
    if conf.promisc != bool(link.promisc) and (conf.promisc or not call.profile.strict):
        wanted = "true" if conf.promisc else "false"
        raise wire.Problem(
            f"Error: Tuning link {name} configured promisc is {wanted}, current value is {link.promisc}"
        )
    if conf.mtu and conf.mtu != link.mtu:
        raise wire.Problem(f"Error: Tuning configured MTU of {name} is {conf.mtu}, current value is {link.mtu}")
    if conf.allmulti is not None and conf.allmulti != link.allmulti:
        wanted, now = str(conf.allmulti).lower(), str(link.allmulti).lower()
        raise wire.Problem(
            f"Error: Tuning configured all-multicast mode of {name} is {wanted}, current value is {now}"
        )
    if conf.tx_qlen is not None and conf.tx_qlen != link.queue:
        words = f"Transmit Queue Length of {name} is {conf.tx_qlen}, current value is {link.queue}"
        raise wire.Problem(f"Error: Tuning configured {words}")


def delete(call: Call, conf: NetConf) -> None:
    """Put the link's attributes back from the backup; whatever goes wrong is nobody's business."""
    try:
        netns.enter(netns.open_netns(call.netns), call.netns)
        path = call.backup(conf.data_dir)
        with open(path, "rb") as file:
            saved = wire.plain(wire.parse(file.read()))
        links.find(call.interface)
    except (OSError, wire.Problem):
        return
    failed = False
    for name in _RESTORED:
        wanted = saved.get(name)
        if wanted is None or (name in ("mtu", "mac") and not wanted):
            continue
        try:
            if name == "mac":
                _change_mac(call.interface, wanted)
            else:
                _change(call.interface, name, wanted)
        except wire.Problem:
            failed = True
    if not failed:
        try:
            os.unlink(path)
        except OSError:
            return


def file_name(key: str, interface: str, *, newest: bool) -> str:
    """The file of a key. Raises wire.Problem when it is not below net/.

    >>> file_name("net.ipv4.conf.IFNAME.rp_filter", "eth0.1", newest=False)
    '/proc/sys/net/ipv4/conf/eth0/1/rp_filter'
    """
    if newest:
        shown = key.replace(".", "/").replace("IFNAME", interface, 1)
        path = _join(shown)
    else:
        shown = key.replace("IFNAME", interface, 1)
        path = _join(shown.replace(".", "/"))
    if not path.startswith("/proc/sys/net/"):
        from podsysctl.objects.quote import quote

        raise wire.Problem(f"invalid net sysctl key: {quote(shown)}")
    return path


def _join(relative: str) -> str:
    """Go's filepath.Join("/proc/sys", relative)."""
    out: list[str] = ["proc", "sys"]
    for part in relative.split("/"):
        if part == "..":
            del out[-1:]
        elif part not in ("", "."):
            out.append(part)
    return "/" + "/".join(out)


def _check_allowed(conf: NetConf) -> None:
    from podsysctl.policy import tuning_allowlist

    entries = allowlist.read_file(allowlist.path())
    if entries is None:
        return
    for key in conf.sysctl:
        try:
            if tuning_allowlist.find(key, entries) is None:
                raise wire.Problem(tuning_allowlist.refusal(key, entries))
        except tuning_allowlist.BrokenEntryError as error:
            raise wire.Problem(str(error)) from error


def _write(path: str, value: str) -> None:
    data = value.encode("utf-8", "surrogateescape")
    opened = False

    def open_file(flags: int) -> int:
        nonlocal opened
        fd = os.open(path, flags | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        opened = True
        return fd

    try:
        count = procfile.write(open_file, data, until_taken=True)
    except OSError as error:
        raise wire.Problem(f"{'write' if opened else 'open'} {path}: {netns.words(error)}") from error
    except ValueError as error:  # a NUL in the name
        raise wire.Problem(f"open {path}: invalid argument") from error
    if count < len(data):
        raise wire.Problem(f"write {path}: unexpected EOF")


def _read(path: str) -> str:
    opened = False

    def open_file(flags: int) -> int:
        nonlocal opened
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        opened = True
        return fd

    try:
        data = procfile.read(open_file, 1 << 20)
    except OSError as error:
        raise wire.Problem(f"{'read' if opened else 'open'} {path}: {netns.words(error)}") from error
    except ValueError as error:
        raise wire.Problem(f"open {path}: invalid argument") from error
    return data.decode("utf-8", "replace").removesuffix("\n")


def find_link(interface: str) -> links.Link:
    """The interface. Raises wire.Problem."""
    try:
        return links.find(interface)
    except OSError as error:
        reason = error.strerror if isinstance(error, links.LinkNotFoundError) else netns.words(error)
        raise wire.Problem(f"failed to get {wire.quote(interface)}: {reason}") from error


def _change_mac(interface: str, mac: str) -> None:
    try:
        address = links.parse_mac(mac)
    except ValueError as error:
        raise wire.Problem(f"invalid args {mac} for MAC addr: {error}") from error
    link = find_link(interface)
    try:
        links.set_mac(link, address)
    except OSError as error:
        raise wire.Problem(netns.words(error)) from error


def _change(interface: str, name: str, wanted: int) -> None:
    link = find_link(interface)
    try:
        if name == "mtu":
            links.set_mtu(link, wanted)
        elif name == "txQLen":
            links.set_queue(link, wanted)
        else:
            links.set_flag(link, links.PROMISC if name == "promisc" else links.ALLMULTI, on=bool(wanted))
    except OSError as error:
        raise wire.Problem(netns.words(error)) from error


def _back_up(call: Call, conf: NetConf) -> None:
    link = find_link(call.interface)
    saved: dict[str, object] = {}
    if conf.mac and link.mac:
        saved["mac"] = link.mac
    if conf.promisc:
        saved["promisc"] = bool(link.promisc)
    if conf.mtu and link.mtu:
        saved["mtu"] = link.mtu
    if conf.allmulti is not None:
        saved["allmulti"] = link.allmulti
    if conf.tx_qlen is not None:
        saved["txQLen"] = link.queue
    path = call.backup(conf.data_dir)
    try:
        os.makedirs(conf.data_dir, mode=0o600, exist_ok=True)
    except OSError as error:
        raise wire.Problem(
            f"failed to create backup directory: mkdir {error.filename}: {netns.words(error)}"
        ) from error
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(fd, wire.encode(wire.indent(saved, " ")))
        os.close(fd)
    except OSError as error:
        reason = f"open {path}: {netns.words(error)}"
        raise wire.Problem(f"failed to save file {call.interface}.json: {reason}") from error
