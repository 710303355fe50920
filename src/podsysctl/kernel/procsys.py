"""Reading and writing parameters by name: checked, read back, and undone when it fails half-way.

`read`, `list_names` and `write` act in the calling thread's namespaces, which is the host for a program on
the host; `read_many` and `read_each` look into other pods' namespaces without a fork. A write is read back;
with a journal the original is on disk before the kernel sees the new value. What a value means is
`sysctls.value`'s business, and the files are opened in `procfile`.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from podsysctl.base import limits
from podsysctl.base.errors import KernelError, NameSyntaxError
from podsysctl.kernel import files, procfile
from podsysctl.sysctls.name import SysctlName, parse_name

if TYPE_CHECKING:
    from podsysctl.kernel.journal import Journal, Record
    from podsysctl.kernel.namespaces import Namespaces
    from podsysctl.sysctls.value import ValueSpec

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")

Reading = str | KernelError
"""A value as the kernel prints it without the final newline, or why it could not be read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file below /proc/sys: its name, its permission bits and its inode, which differs per namespaced
    instance."""

    name: SysctlName
    mode: int
    inode: int

    @property
    def readable(self) -> bool:
        """Has anybody the right to read it?"""
        return bool(self.mode & 0o444)

    @property
    def writable(self) -> bool:
        """Has anybody the right to write it?"""
        return bool(self.mode & 0o222)


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: the value before, what was asked for, and what the kernel says now.

    `before` and `after` are None for a parameter that cannot be read. `matched` compares values, not text.
    """

    name: SysctlName
    before: str | None
    wanted: str
    after: str | None
    matched: bool


def read(name: SysctlName) -> str:
    """The value, as the kernel prints it without the final newline, in the calling thread's namespaces.

    Bytes that are no UTF-8 survive as surrogates. Raises KernelError with the errno.
    """
    root = files.open_root()
    try:
        return _read(root, name)
    finally:
        os.close(root)


def read_here(names: Iterable[SysctlName]) -> dict[SysctlName, Reading]:
    """Many values in the calling thread's namespaces; an unreadable one is the error, nothing is raised for
    it."""
    root = files.open_root()
    try:
        return _readings(root, names)
    finally:
        os.close(root)


def read_many(names: Sequence[SysctlName], namespaces: Namespaces) -> dict[SysctlName, Reading]:
    """Many values as a pod sees them, without entering it with a process.

    Every name is a key of the answer; a KernelError stands where the kernel refused. Only names below
    `user.` need a child process, when the pod has a user namespace of its own. Raises KernelError when a
    namespace cannot be entered.
    """
    return read_each(names, (namespaces,))[0]


def read_each(names: Sequence[SysctlName], targets: Sequence[Namespaces]) -> list[dict[SysctlName, Reading]]:
    """The same names in many pods' namespaces, one thread for all, answers in the order of the targets."""
    from podsysctl.kernel.namespaces import run_in_each

    root = files.open_root()
    try:
        # Entering costs more than reading: what only the network namespace answers needs no other.
        entered = [target.only("net") for target in targets] if all(n.segments[0] == "net" for n in names) else targets
        results = run_in_each(entered, lambda _: _readings(root, names))
    finally:
        os.close(root)
    of_users = [name for name in names if name.segments[0] == "user"]
    if of_users:
        for target, result in zip(targets, results, strict=True):
            if _has_other_user_namespace(target):
                result.update(_read_in_child(of_users, target))
    return results


def read_fresh(name: SysctlName) -> str | None:
    """What a new pod's namespaces start with, on `lo` for an interface's parameter; None when they have no such file
    or this user may make none.
    """
    from podsysctl.kernel.namespaces import THREAD_KINDS, run_in_fresh

    target = name if name.interface is None else name.with_interface("lo")
    try:
        return run_in_fresh(THREAD_KINDS, lambda: read(target))
    except KernelError:
        return None


def list_entries(prefix: SysctlName | None = None) -> list[Entry]:
    """Every file below /proc/sys, or below a name, in the calling thread's namespaces, sorted by path.

    A prefix that is a file gives that one. Raises KernelError when the prefix does not exist. Files whose
    path is no parsable name are left out (there are none in mainline kernels).
    """
    base = files.ROOT if prefix is None else prefix.proc_path
    out: list[Entry] = []
    try:
        status = os.lstat(base)
        if prefix is not None and stat.S_ISREG(status.st_mode):
            return [Entry(prefix, stat.S_IMODE(status.st_mode), status.st_ino)]
        _walk(base, () if prefix is None else prefix.segments, out)
    except OSError as error:
        label = "" if prefix is None else prefix.dotted
        raise _translate(error, label or files.ROOT, "read") from error
    return out


def read_tree(prefix: SysctlName | None = None, *, empty: bool = False) -> list[tuple[SysctlName, Reading]]:
    """Every readable parameter, or those below a name, with its value, sorted by path: one pass over the tree.

    Files that nobody may read are left out, and without `empty` those that hold nothing (vm.stat_refresh), as sysctl(8)
    does; one that this user may not read gives its KernelError. Raises KernelError when the prefix does not exist.
    """
    if prefix is not None and exists(prefix):
        return list(read_here((prefix,)).items())
    out: list[tuple[SysctlName, Reading]] = []
    try:
        base = os.open(files.ROOT if prefix is None else prefix.proc_path, _DIRECTORY_FLAGS)
        try:
            _walk_reading(base, prefix.segments if prefix else (), out, empty)
        finally:
            os.close(base)
    except OSError as error:
        raise _translate(error, prefix.dotted if prefix else files.ROOT, "read") from error
    return out


def list_names(prefix: SysctlName | None = None) -> list[SysctlName]:
    """Every parameter this thread's namespaces show, sorted."""
    return [entry.name for entry in list_entries(prefix)]


def exists(name: SysctlName) -> bool:
    """Is there such a file in the calling thread's namespaces?"""
    try:
        return stat.S_ISREG(os.lstat(name.proc_path).st_mode)
    except OSError:
        return False


def check_exist(names: Iterable[SysctlName]) -> None:
    """Raise KernelError, as a write would, for the first name that the calling thread's namespaces do not have."""
    for name in names:
        if not exists(name):
            raise _translate(OSError(errno.ENOENT, ""), name.dotted, "write")


class WriteRefusedError(KernelError):
    """The kernel refused one of several writes; `name` is the one."""

    def __init__(self, name: SysctlName, error: KernelError) -> None:
        super().__init__(error.message, errno=error.errno, hint=error.hint)
        self.name = name


def write(name: SysctlName, value: str, *, spec: ValueSpec | None = None, journal: Journal | None = None) -> Written:
    """Write one value in the calling thread's namespaces and read it back.

    With a journal the original is saved and on disk before the write. The value goes to the kernel in one
    write, verbatim; an empty one as a newline, since the kernel ignores a write of no bytes. Raises
    KernelError, with the errno, when the parameter does not exist, is read-only or refuses the value;
    nothing has changed then.
    """
    return write_all({name: value}, specs={} if spec is None else {name: spec}, journal=journal)[0]


def write_all(
    values: Mapping[SysctlName, str],
    *,
    specs: Mapping[SysctlName, ValueSpec] | None = None,
    journal: Journal | None = None,
    coupled: Iterable[SysctlName] = (),
    lazily: bool = False,
) -> list[Written]:
    """Write several values in the order given: all checked and saved first, then written, then read back.

    When the kernel refuses one, those already written are put back before WriteRefusedError is raised. `coupled` are
    parameters that the kernel changes along with these (`vm.dirty_ratio` becomes 0 with `vm.dirty_bytes`); they are
    put back, too. With `lazily` a parameter that shows its value when its turn comes is not written.
    """
    root = files.open_root()
    done: list[tuple[SysctlName, str | None]] = []
    try:
        along = [(name, value) for name in coupled if isinstance(value := _readings(root, (name,))[name], str)]
        before = {name: _original(root, name) for name in values}
        readable = {name: text for name, text in before.items() if text is not None}
        known = frozenset() if journal is None else frozenset(record.name for record in journal.pending())
        if journal is not None:
            journal.record({name: (text, values[name]) for name, text in readable.items()})
        results = []
        for name, value in values.items():
            if lazily and _readings(root, (name,))[name] == value:
                continue
            try:
                _write(root, name, value)
            except KernelError as error:
                _put_back(root, [*done, *along])
                if journal is not None:
                    journal.confirm({name: text for name, text in readable.items() if name in known})
                    journal.forget(name for name in values if name not in known)
                raise WriteRefusedError(name, error) from error
            done.append((name, before[name]))
        for name, value in values.items():
            after = _original(root, name)
            spec = (specs or {}).get(name)
            matched = after is None or _equal(spec, after, value)
            results.append(Written(name, before[name], value, after, matched))
        if journal is not None:
            journal.confirm({item.name: item.after for item in results if item.after is not None})
        return results
    finally:
        os.close(root)


def restore(journal: Journal) -> list[Written]:
    """Put back every original that the journal holds, newest first, and empty it.

    A value that somebody else has changed since is left alone and stays in the answer with `matched` False;
    one whose write was never confirmed (the crash came in between) is put back. A parameter that is gone, with its
    interface or module, needs nothing. Raises KernelError, once all others are back, when the kernel refuses an
    original; the journal then still holds it.
    """
    results = []
    refused: KernelError | None = None
    root = files.open_root()
    try:
        # A second time for those that a partner puts back: `vm.dirty_bytes` takes no 0, and is 0 with `vm.dirty_ratio`.
        for _ in range(2):
            refused = None
            for record in reversed(journal.pending()):
                try:
                    results.append(_restore_one(root, record))
                except KernelError as error:
                    refused = refused or error
                    continue
                journal.forget((record.name,))
    finally:
        os.close(root)
    if refused is not None:
        raise refused
    return results


def _restore_one(root: int, record: Record) -> Written:
    try:
        now = _original(root, record.name)
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
        return Written(record.name, None, record.original, None, True)
    if now is None or _equal(None, now, record.original):
        return Written(record.name, now, record.original, now, True)
    if record.confirmed is not None and not _equal(None, now, record.confirmed):
        return Written(record.name, now, record.original, now, False)
    _write(root, record.name, record.original)
    after = _original(root, record.name)
    matched = after is not None and _equal(None, after, record.original)
    return Written(record.name, now, record.original, after, matched)


def _read(root: int, name: SysctlName) -> str:
    try:
        data = procfile.read(lambda flags: files.open_below(root, name, flags), limits.SYSCTL_VALUE_BYTES)
    except OSError as error:
        raise _translate(error, name.dotted, "read") from error
    return _text(data)


def _readings(root: int, names: Iterable[SysctlName]) -> dict[SysctlName, Reading]:
    """Many values below the handle. Directories are looked up once each: most of a reading's time goes there."""
    directories: dict[tuple[str, ...], int] = {(): root}
    out: dict[SysctlName, Reading] = {}
    try:
        for name in names:
            parent, leaf = name.segments[:-1], name.segments[-1:]
            try:
                if parent not in directories:
                    directories[parent] = files.open_parts(root, parent, os.O_PATH | os.O_DIRECTORY)
                open_file = functools.partial(files.open_parts, directories[parent], leaf)
                out[name] = _text(procfile.read(open_file, limits.SYSCTL_VALUE_BYTES))
            except OSError as error:
                out[name] = _translate(error, name.dotted, "read")
    finally:
        del directories[()]
        for fd in directories.values():
            os.close(fd)
    return out


def _original(root: int, name: SysctlName) -> str | None:
    """The value before a write; None for a parameter that exists and cannot be read. Raises KernelError if
    absent."""
    try:
        return _read(root, name)
    except KernelError as error:
        # EIO: an IPv6 stable_secret that nobody has set yet (addrconf_sysctl_stable_secret in net/ipv6/addrconf.c).
        if error.errno in (errno.EACCES, errno.EPERM, errno.EIO) and exists(name):
            return None
        raise


def _write(root: int, name: SysctlName, value: str) -> None:
    data = value.encode("utf-8", "surrogateescape") or b"\n"
    if len(data) > limits.SYSCTL_VALUE_BYTES:
        raise KernelError(f"{name.dotted}: value is longer than {limits.SYSCTL_VALUE_BYTES} bytes", errno=errno.E2BIG)
    try:
        count = procfile.write(lambda flags: files.open_below(root, name, flags), data)
    except OSError as error:
        raise _translate(error, name.dotted, "write", value) from error
    if count != len(data):
        raise KernelError(f"{name.dotted}: the kernel took {count} of {len(data)} bytes", errno=errno.EIO)


def _put_back(root: int, done: Sequence[tuple[SysctlName, str | None]]) -> None:
    """Everything that can be, in reverse; raises the first refusal afterwards.

    What already shows its value is left: a parameter that its partner has reset (`vm.dirty_bytes` to 0) takes no such
    write.
    """
    refused: KernelError | None = None
    for name, original in reversed(done):
        if original is None or _readings(root, (name,))[name] == original:
            continue
        try:
            _write(root, name, original)
        except KernelError as error:
            refused = refused or error
    if refused is not None:
        raise refused


def _walk(directory: str, segments: tuple[str, ...], out: list[Entry]) -> None:
    with os.scandir(directory) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    for entry in entries:
        parts = (*segments, entry.name)
        try:
            if entry.is_dir(follow_symlinks=False):
                _walk(entry.path, parts, out)
            elif entry.is_file(follow_symlinks=False) and (_PLAIN.fullmatch(entry.name) or _is_nameable(parts)):
                status = entry.stat(follow_symlinks=False)
                out.append(Entry(SysctlName(parts), stat.S_IMODE(status.st_mode), status.st_ino))
        except (FileNotFoundError, PermissionError):
            continue  # an interface went away while we walked, or a mount point of another owner is in the tree


def _walk_reading(
    directory: int, segments: tuple[str, ...], out: list[tuple[SysctlName, Reading]], empty: bool
) -> None:
    """Read everything below an open directory, which is left open; names are relative to it, which is quicker."""
    with os.scandir(directory) as scan:
        entries = sorted([(entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan])
    for entry, is_directory in entries:
        parts = (*segments, entry)
        try:
            if is_directory:
                fd = os.open(entry, _DIRECTORY_FLAGS, dir_fd=directory)
                try:
                    _walk_reading(fd, parts, out, empty)
                finally:
                    os.close(fd)
            elif _PLAIN.fullmatch(entry) or _is_nameable(parts):
                data = procfile.read(functools.partial(_open_at, directory, entry), limits.SYSCTL_VALUE_BYTES)
                if data or empty:
                    out.append((SysctlName(parts), _text(data)))
        except OSError as error:
            # Gone meanwhile, write-only, or of another owner: listed as an error where the mode says it is readable.
            if error.errno != errno.ENOENT and not is_directory and _is_readable(directory, entry):
                out.append((SysctlName(parts), _translate(error, SysctlName(parts).dotted, "read")))


def _open_at(directory: int, entry: str, flags: int) -> int:
    return os.open(entry, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)


def _is_readable(directory: int, entry: str) -> bool:
    return bool(os.stat(entry, dir_fd=directory, follow_symlinks=False).st_mode & 0o444)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape").removesuffix("\n")


def _is_nameable(parts: tuple[str, ...]) -> bool:
    """Can a sysctl name mean this file? False only for what no mainline kernel has."""
    try:
        return parse_name("/".join(parts)).segments == parts
    except NameSyntaxError:
        return False


def _has_other_user_namespace(target: Namespaces) -> bool:
    path = target.path("user")
    if path is None:
        return False
    from podsysctl.kernel.namespaces import Namespaces

    return Namespaces((("user", path),)).identity() != Namespaces((("user", "/proc/self/ns/user"),)).identity()


def _read_in_child(names: Sequence[SysctlName], target: Namespaces) -> dict[SysctlName, Reading]:
    from podsysctl.kernel import child

    return child.read_in_user_namespace(names, target)


def _equal(spec: ValueSpec | None, one: str, other: str) -> bool:
    from podsysctl.sysctls.value import values_equal  # only writes need it, and listing must start quickly

    return values_equal(spec, one, other)


_REASONS = {
    errno.ENOENT: "there is no such parameter in this namespace of this kernel",
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.EINVAL: "the kernel does not accept this value",
    errno.ERANGE: "the value is out of the kernel's range",
    errno.EROFS: "/proc/sys is mounted read-only here",
    errno.EISDIR: "is a group of parameters, not one",
    errno.ENOTDIR: "there is no such parameter in this namespace of this kernel",
    errno.ELOOP: "a symbolic link is in the way",
    errno.EXDEV: "another file system is mounted in the way",
    errno.EBUSY: "the kernel is busy with it",
    errno.ENOMEM: "the kernel has no memory for it",
    errno.ENODEV: "the kernel has no device for it",
    errno.EOPNOTSUPP: "the hardware or the configuration of this kernel does not support it",
    errno.EAGAIN: "the kernel asks to try again",
    errno.EIO: "the kernel reports an input or output error",
}


def _translate(error: OSError, label: str, verb: str, value: str = "") -> KernelError:
    number = error.errno or 0
    text = _REASONS.get(number, os.strerror(number))
    if number == errno.EACCES and os.geteuid() == 0:  # nothing but the file's mode keeps root out
        text = "is read-only" if verb == "write" else "can only be written"
    elif number == errno.EACCES and verb == "write":
        text = "is read-only for this user"
    subject = f"{label} = {value!r}" if value else label
    code = errno.errorcode.get(number, str(number))
    hint = "run as root" if number in (errno.EACCES, errno.EPERM) and os.geteuid() != 0 else ""
    return KernelError(f"{subject}: {text} ({code})", errno=number, hint=hint)
