"""What a container's command sets in /proc/sys and /sys, and whether it does anything else.

A small shell that runs nothing: it follows variables, `sysctl -n` and comparisons of present values, `sh -c`, nsenter
and chroot, and says `unclear` for everything it does not know. A value that depends on the node is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from podsysctl.policy.migration import shell_commands as commands
from podsysctl.policy.migration import shell_syntax as syntax
from podsysctl.policy.migration.effects import Effects, Exit, Write
from podsysctl.policy.migration.shell_commands import Present, Unknown, Value
from podsysctl.policy.migration.shell_conditions import PROC_SYS, Condition, dotted, guarded, negated, read_test
from podsysctl.policy.migration.shell_syntax import ShellSyntaxError

_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_TESTS = frozenset({"[", "test", "[["})
_ENDINGS = frozenset({"exit", "return", "exec"})
_PREFIXES = frozenset({"sudo", "exec", "command", "busybox", "time"})
_SYSCTL_FLAGS = re.compile(r"-[weqN]+|--(write|ignore|quiet)")
_READ_FLAGS = re.compile(r"-[neqb]*n[neqb]*|--values|-b|-nb")
_SETS = re.compile(r"\bsysctl\b[^|;&\n]*(=|\s(-\w*p|--system|--load)\b)|(>|\btee\b[^|;&\n>]*)\s*[\"']?/proc/sys/")
"""What a script that is not understood must say to be one that sets parameters."""
_K8S_VARIABLE = re.compile(r"\$\$|\$\(([^)]*)\)")
_SILENT = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/proc/self/fd/1", "/proc/self/fd/2", "/proc/1/fd/1"})
_SETTINGS = ("/etc/sysctl.conf", "/etc/sysctl.d/", "/etc/security/limits")
"""Files that a person writes on a machine, and copies into containers, where they mean nothing."""


@dataclass(frozen=True, slots=True)
class Files:
    """What a container finds where: the node's directories by where they are mounted, the texts of ConfigMaps by path.

    `mounted` are all mount points: what lies elsewhere ends with the container.
    """

    host: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    mounted: tuple[str, ...] = ()


def effects_of(container: Mapping[str, Any], files: Files | None = None) -> Effects:
    """What a container's command and args do."""
    variables = _variables(container)
    words = [
        _K8S_VARIABLE.sub(lambda m: _expanded(m, variables), word)
        for word in (*_strings(container.get("command")), *_strings(container.get("args")))
    ]
    if not words:
        return Effects(unclear=["it runs its image's own command"])
    known: dict[str, Value] = {n: Unknown() if text is None else text for n, text in variables.items()}
    shell = _Shell(known, files or Files(), sealed=not container.get("envFrom"))
    found = shell.run(list(words), ())
    seen: set[str] = set()
    for write in found.writes:
        if write.compared and dotted(write.name) in seen:
            found.unclear.append(f"{write.name} is compared after the script itself has written it")
        seen.add(dotted(write.name))
    return found


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _expanded(found: re.Match[str], variables: Mapping[str, str | None]) -> str:
    """`$$` and `$(NAME)` as Kubernetes writes them before the container starts; what is not known stays."""
    if found[0] == "$$":
        return "$"
    value = variables.get(found[1])
    return found[0] if value is None else value


def _variables(container: Mapping[str, Any]) -> dict[str, str | None]:
    """The container's environment; None for what only the cluster knows."""
    out: dict[str, str | None] = {}
    entries = container.get("env")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            value = entry.get("value", "" if "valueFrom" not in entry else None)
            out[entry["name"]] = value if isinstance(value, str) and "$(" not in value else None
    return out


@dataclass(slots=True)
class _Shell:
    variables: dict[str, Value]
    files: Files
    host_net: bool = False
    host_ipc: bool = False
    depth: int = 0
    errexit: bool = False
    """Whether a test that fails by itself ends the script: `set -e`."""
    sealed: bool = True
    """Whether variables that are not known are not set: else their defaults say nothing."""
    out: str | None = field(default=None)
    """What the command before printed, for `tee`."""

    # --- scripts

    def script(self, text: str) -> Effects:
        """A whole script."""
        if self.depth > syntax.MAX_DEPTH:
            return Effects(unclear=["scripts in scripts"])
        try:
            tree = syntax.parse(text)
        except ShellSyntaxError as error:
            unclear = [f"a script that is not understood: {error}"]
            return Effects(unclear=unclear, unnamed=_SETS.search(text) is not None)
        return self.sequence(tree)

    def sequence(self, tree: syntax.Sequence) -> Effects:
        """Commands one after the other, some of them only when those before succeed or fail."""
        total = Effects()
        asked, condition, looked = False, None, False
        for index, (operator, pipeline) in enumerate(tree.items):
            before = dict(self.variables)
            found = self.pipeline(pipeline)
            depends = operator != ";" and (asked or looked or operator == "||")
            if operator != ";" and asked:
                found = guarded(found, condition if operator == "&&" else negated(condition))
            elif operator == "&&" and looked:
                found = guarded(found, None)
            elif operator == "||":
                why = [] if found.changes_nothing else [*found.unclear, "something done only when a command fails"]
                found = replace(found, unclear=why, exits=Exit.NO)
            if depends:
                self.forget_changes(before)
            if total.exits is Exit.MAYBE and not found.changes_nothing:
                found = replace(found, unclear=[*found.unclear, "something done unless the script has ended before"])
            total.add(found)
            if total.exits is Exit.YES:
                break
            asks = _asks(pipeline)
            looked = (looked and operator == "&&") or _ends_with(pipeline, commands.LOOKS)
            if operator == ";" or (operator == "&&" and not asked):
                asked, condition = asks, self.condition_of(pipeline) if asks else None
            elif asks or operator == "||":
                asked, condition = asked or asks, None  # it depends on several questions now
            alone = asks and operator == ";" and tree.items[index + 1 : index + 2] and tree.items[index + 1][0] == ";"
            if alone and self.errexit:
                total.exits = Exit.MAYBE
        return total

    def forget_changes(self, before: Mapping[str, Value]) -> None:
        """Variables that were changed by what may not have run are not known any more."""
        for name, value in self.variables.items():
            if before.get(name) != value:
                self.variables[name] = Unknown()

    def pipeline(self, pipeline: syntax.Pipeline) -> Effects:
        total = Effects()
        self.out = None
        before = dict(self.variables)
        for command in pipeline.commands:
            total.add(self.command(command))
            if not isinstance(command, syntax.Simple):
                self.out = None  # it may have printed more than its last command did
        if len(pipeline.commands) > 1:  # each in a shell of its own
            self.variables = before
            total.exits = Exit.NO
        return total

    def command(self, command: syntax.Command) -> Effects:
        if isinstance(command, syntax.Sequence):
            return self.sequence(command)
        if isinstance(command, syntax.Subshell):
            return replace(self.child().sequence(command.body), exits=Exit.NO)
        if isinstance(command, syntax.If):
            return self.conditional(command)
        if isinstance(command, syntax.Loop):
            return self.loop(command)
        return self.simple(command)

    def conditional(self, command: syntax.If) -> Effects:
        """An `if`: what its question does, and each branch under its condition."""
        total = self.sequence(command.condition)
        condition = self.condition_of_sequence(command.condition)
        before = dict(self.variables)
        then = self.sequence(command.then)
        after = self.variables
        self.variables = dict(before)
        otherwise = self.sequence(command.otherwise)
        self.forget_changes(before)
        self.variables |= {name: Unknown() for name, value in after.items() if before.get(name) != value}
        always = then.exits is otherwise.exits is Exit.YES
        total.add(guarded(then, condition))
        total.add(guarded(otherwise, negated(condition)))
        total.exits = Exit.YES if always else total.exits
        return total

    def loop(self, loop: syntax.Loop) -> Effects:
        """An endless loop that writes now and then; any other is unclear once it writes."""
        first = loop.condition.items[0][1].commands[0] if len(loop.condition.items) == 1 else None
        endless = isinstance(first, syntax.Simple) and [w.literal for w in first.words] in (
            [":"], ["true"], ["1"], ["[", "1", "]"],
        )  # fmt: skip
        before = dict(self.variables)
        body = self.sequence(loop.condition)
        body.add(self.sequence(loop.body))
        self.forget_changes(before)
        if not endless or loop.until or body.exits is not Exit.NO:
            why = [] if body.changes_nothing else [*body.unclear, "a loop whose end is known only when it runs"]
            return replace(body, unclear=why, exits=max(body.exits, Exit.MAYBE))
        body.idles = True
        body.repeats = bool(body.writes or body.sysfs)
        body.exits = Exit.YES  # what comes after it never runs
        return body

    # --- words

    def value(self, word: syntax.Word) -> Value:
        """What a word stands for."""
        values = [self.part(part) for part in word.parts]
        if len(values) == 1:
            return values[0]
        filled = [v for v in values if v != ""]
        if len(filled) == 1 and isinstance(filled[0], Present):
            return filled[0]
        start = ""
        for value in values:
            if not isinstance(value, str):
                return Unknown(start)
            start += value
        return start

    def fields(self, word: syntax.Word) -> list[Value]:
        """The words that a shell makes of one: what an expansion brings is split at white space unless quoted."""
        value = self.value(word)
        if not word.bare or not isinstance(value, str) or all(part.kind == "text" for part in word.parts):
            text = word.literal if word.bare else None
            if text is not None and ("*" in text or "?" in text or re.search(r"\{.*(,|\.\.).*\}", text)):
                return [Unknown(re.split(r"[*?{]", text)[0])]  # names of files, or several words in some shells
            return [value]
        return list(value.split())

    def part(self, part: syntax.Part) -> Value:
        if part.kind == "text":
            return part.text
        if part.kind == "variable":
            default: Value = Unknown() if part.default is None or not self.sealed else part.default
            value = self.variables.get(part.text, default)
            return part.default if part.or_empty and value == "" and part.default is not None else value
        return self.printed(part.text)

    def printed(self, text: str) -> Value:
        """What a command substitution prints."""
        try:
            tree = syntax.parse(text)
        except ShellSyntaxError:
            return Unknown()
        if len(tree.items) != 1:
            return Unknown()
        first, *filters = tree.items[0][1].commands
        if not isinstance(first, syntax.Simple) or not all(commands.takes_the_value(f) for f in filters):
            return Unknown()
        words = [self.value(w) for w in first.words]
        if not words or any(not isinstance(w, str) for w in words):
            return Unknown()  # without words it is `<file`, which prints the file
        texts = [w for w in words if isinstance(w, str)]
        program, rest = texts[0].rsplit("/", 1)[-1], texts[1:]
        if program == "sysctl":
            names = [w for w in rest if not w.startswith("-")]
            bare = any(_READ_FLAGS.fullmatch(w) for w in rest) or bool(filters)
            return Present(dotted(names[0])) if bare and len(names) == 1 and "=" not in names[0] else Unknown()
        if program == "cat" and len(rest) == 1:
            path = self.path(rest[0])
            return Present(dotted(path.removeprefix(PROC_SYS))) if path.startswith(PROC_SYS) else Unknown()
        return " ".join(rest) if program == "echo" and not filters else Unknown()

    def path(self, text: str) -> str:
        """A path as the node has it."""
        for mounted, source in sorted(self.files.host.items(), key=lambda item: -len(item[0])):
            if _is_below(text, mounted):
                return (source.rstrip("/") + text[len(mounted.rstrip("/")) :]) or "/"
        return text

    # --- conditions

    def condition_of_sequence(self, tree: syntax.Sequence) -> Condition | None:
        return self.condition_of(tree.items[0][1]) if len(tree.items) == 1 else None

    def condition_of(self, pipeline: syntax.Pipeline) -> Condition | None:
        """What a test asks; None when it is no test, or asks something else."""
        command = pipeline.commands[0]
        if len(pipeline.commands) != 1 or not isinstance(command, syntax.Simple) or not command.words:
            return None
        values = [self.value(w) for w in command.words]
        if values[0] not in _TESTS:
            return None
        values = [v for v in values[1:] if v not in ("]", "]]")]
        found = read_test(values, self.path)
        return negated(found) if pipeline.negated else found

    # --- commands

    def simple(self, command: syntax.Simple) -> Effects:
        words = list(command.words)
        exports = bool(words) and words[0].literal == "export"
        words = words[1:] if exports else words
        before = dict(self.variables)
        values = [self.fields(w) for w in words]  # before the assignments in front of them, as shells do
        while words and (assigned := _assignment(words[0])) is not None:
            self.variables[assigned[0]] = self.value(assigned[1])
            words, values = words[1:], values[1:]
        if not words or (exports and all(w.reserved and not w.reserved.startswith("-") for w in words)):
            return Effects()
        found = self.run([value for values_of_one in values for value in values_of_one], command.redirections)
        if len(words) < len(command.words):  # they were the command's own
            self.variables = before
        return found

    def run(self, values: Sequence[Value], redirections: Sequence[syntax.Redirection]) -> Effects:
        """One command, its words looked up."""
        values = list(values)
        ends = bool(values) and values[0] in _ENDINGS
        if values == ["exec"]:  # it sends the output of all that follows elsewhere
            target = self.redirected(redirections)
            return Effects() if target is None else Effects(unclear=[f"it writes {target}"])
        if values[:1] == ["command"] and values[1:2] and values[1] in ("-v", "-V"):
            return Effects()
        while values and values[0] in _PREFIXES:
            values = values[1:]
        if ends:
            found = self.run(values, redirections) if values and values[0] not in _ENDINGS else Effects()
            return replace(found, exits=Exit.YES)
        if values and values[0] == "set" and any(isinstance(v, str) and _is_errexit(v) for v in values[1:]):
            self.errexit = True
        if not values or not isinstance(values[0], str):
            return Effects(unclear=["a command whose name is known only when it runs"])
        if values[0] in self.files.texts and len(values) == 1:
            return self.inner(self.files.texts[values[0]])
        program = values[0].rsplit("/", 1)[-1]
        special: dict[str, Callable[[list[Value]], Effects]] = {
            "sysctl": self.sysctl, "nsenter": self.nsenter, "chroot": self.chroot, "tee": self.tee,
            "sleep": commands.sleep, "trap": self.trap,
        }  # fmt: skip
        printed = commands.printed(program, values[1:])
        target = self.redirected(redirections)
        if target is not None:
            if printed is None:
                return Effects(unknown=self.unknown_in(target), unclear=[f"what {program} writes to {target}"])
            return self.written(target, printed)
        if program != "tee":
            self.out = printed
        if program in _SHELLS:
            return self.inner_shell(values[1:])
        if program in special:
            return special[program](values[1:])
        return commands.plain(program, values[1:])

    def redirected(self, redirections: Sequence[syntax.Redirection]) -> str | None:
        """The file that output goes to, unless that is a terminal or nothing."""
        for redirection in redirections:
            found = self.fields(redirection.target)
            target = found[0] if len(found) == 1 else Unknown()
            if redirection.operator in ("<", "<&", ">&") and target in ("1", "2", "&1", "&2", "/dev/null"):
                continue
            if redirection.operator in ("<", "<&") or target in _SILENT:
                continue
            return target if isinstance(target, str) else "a file known only when it runs"
        return None

    def written(self, target: str, text: str | None) -> Effects:
        """Text written to a file."""
        path = self.path(target)
        if text is None:
            unclear = [f"a value for {path} that is known only when it runs"]
            return Effects(unknown=self.unknown_in(target), unclear=unclear)
        if path.startswith(PROC_SYS):
            return Effects([self.write(dotted(path.removeprefix(PROC_SYS)), text)])
        if path.startswith("/sys/"):
            return Effects(sysfs=[(path, text)])
        if path.startswith(_SETTINGS) and not any(_is_below(target, mount) for mount in self.files.mounted):
            return Effects(notes=[f"{path} is written in the container's own file system, where nobody reads it"])
        return Effects(unclear=[f"it writes {path}"])

    def unknown_in(self, target: str) -> list[str]:
        """The parameter behind a file, if it is one."""
        path = self.path(target)
        return [dotted(path.removeprefix(PROC_SYS))] if path.startswith(PROC_SYS) else []

    def write(self, name: str, value: str) -> Write:
        return Write(name, value, host_net=self.host_net, host_ipc=self.host_ipc)

    def inner_shell(self, values: list[Value]) -> Effects:
        """`sh -c SCRIPT`, with flags such as -ex before the c or in one word with it; or a script of a ConfigMap."""
        for index, word in enumerate(values):
            if isinstance(word, str) and word in self.files.texts and index == len(values) - 1:
                return self.inner(self.files.texts[word])
            if not isinstance(word, str) or not word.startswith(("-", "+")):
                break
            if word.startswith("-") and word.endswith("c"):
                text = values[index + 1] if index + 1 < len(values) else Unknown()
                if not isinstance(text, str):
                    break
                inner = self.child()
                inner.errexit = any(isinstance(w, str) and _is_errexit(w) for w in values[: index + 1])
                return replace(inner.script(text), exits=Exit.NO)
        return Effects(unclear=["a script that is not in the manifest"])

    def inner(self, text: str) -> Effects:
        """A script in a shell of its own."""
        return replace(self.child().script(text), exits=Exit.NO)

    def child(self) -> _Shell:
        """A shell in this one: what it changes in its variables is its own."""
        return replace(self, depth=self.depth + 1, out=None, variables=dict(self.variables), errexit=False)

    def sysctl(self, values: list[Value]) -> Effects:
        """`sysctl -w a=b …`; reading is harmless, files are unclear."""
        out = Effects()
        writes = any(isinstance(v, str) and re.fullmatch(r"-\w*w\w*|--write", v) for v in values)
        words = [v for v in values if not (isinstance(v, str) and _SYSCTL_FLAGS.fullmatch(v))]
        for word in words:
            if not isinstance(word, str):
                out.unclear.append("a sysctl whose value is known only when it runs")
                name, equals, _ = word.start.partition("=") if isinstance(word, Unknown) else ("", "", "")
                out.unknown += [name] if equals and name else []
                out.unnamed = out.unnamed or (not equals and writes)
                continue
            if word in ("-a", "-A", "--all", "-n", "--values", "-nq", "-qn", "-b"):
                continue
            name, equals, value = word.partition("=")
            if word.startswith("-"):
                out.unclear.append(f"sysctl {word} reads files that are not in the manifest")
                out.unnamed = True
            elif equals and "$(" in value:
                out.unclear.append("a sysctl whose value is known only when it runs")
                out.unknown.append(name.strip())
            elif equals and name.strip():
                out.writes.append(self.write(name.strip(), value.strip()))
            elif equals:
                out.unclear.append(f"sysctl {word}")
        if not values:
            out.unclear.append("sysctl without a name")
        return out

    def nsenter(self, values: list[Value]) -> Effects:
        """A command in namespaces of the node's first process."""
        inner = replace(self, depth=self.depth + 1)
        index, of_host = 0, False
        while index < len(values):
            word = values[index]
            if not isinstance(word, str):
                return Effects(unclear=["nsenter with words known only when it runs"])
            index += 1
            if word == "--":
                break
            if not word.startswith("-"):
                index -= 1
                break
            if word in ("-t", "--target"):
                of_host = of_host or values[index : index + 1] == ["1"]
                index += 1
                continue
            of_host = of_host or word in ("-t1", "--target=1") or "/proc/1/ns/" in word
            short = "" if word.startswith("--") else re.split("[=/]", word)[0][1:]
            inner.host_net = inner.host_net or word.startswith(("--net", "--all")) or bool(set(short) & set("na"))
            inner.host_ipc = inner.host_ipc or word.startswith(("--ipc", "--all")) or bool(set(short) & set("ia"))
            if short.endswith("t"):
                of_host = of_host or values[index : index + 1] == ["1"]
                index += 1
        if not of_host or index >= len(values):
            return Effects(unclear=["nsenter into something else than the node's first process"])
        return inner.run(values[index:], ())

    def chroot(self, values: list[Value]) -> Effects:
        """A command with another root; /proc/sys is the same in each."""
        return self.run(values[1:], ()) if len(values) > 1 else Effects(unclear=["a shell in another root"])

    def trap(self, values: list[Value]) -> Effects:
        """What is done when the script ends or is told to."""
        text = values[0] if len(values) > 1 else ""
        found = self.inner(text) if isinstance(text, str) and text != "-" else Effects()
        if found.changes_nothing and isinstance(text, str):
            return Effects()
        return Effects(unclear=["a trap that does something"], unnamed=found.unnamed or bool(found.writes))

    def tee(self, values: list[Value]) -> Effects:
        """What the command before printed, written to files."""
        out = Effects()
        for target in values:
            if target == "-a":
                continue
            if not isinstance(target, str):
                out.unclear.append("tee to a file known only when it runs")
            elif self.path(target) not in _SILENT:
                out.add(self.written(target, self.out))
        return out


def _asks(pipeline: syntax.Pipeline) -> bool:
    """Whether what comes after depends on a question: a test, the failure of a command, or a group with one."""
    return pipeline.negated or _ends_with(pipeline, _TESTS)


def _ends_with(pipeline: syntax.Pipeline, programs: frozenset[str]) -> bool:
    """Whether one of these commands may say how a pipeline ends, by itself or in a group or branch."""
    last = pipeline.commands[-1]
    if isinstance(last, syntax.Simple):
        return bool(last.words) and last.words[0].literal in programs
    if isinstance(last, syntax.If):
        trees = [last.then, last.otherwise]
    else:
        trees = [last if isinstance(last, syntax.Sequence) else last.body]
    inside = [pipeline for tree in trees for _, pipeline in tree.items]
    return any((one.negated and programs is _TESTS) or _ends_with(one, programs) for one in inside)


def _is_errexit(word: str) -> bool:
    return word == "errexit" or (word.startswith("-") and not word.startswith("--") and "e" in word)


def _assignment(word: syntax.Word) -> tuple[str, syntax.Word] | None:
    """The name and the value's word of `NAME=value`."""
    name = ""
    for index, part in enumerate(word.parts):
        if part.kind != "text":
            return None
        head, equals, tail = part.text.partition("=")
        name += head
        if equals:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                return None
            rest = (syntax.Part("text", tail), *word.parts[index + 1 :])
            return name, syntax.Word(tuple(p for p in rest if p.kind != "text" or p.text) or rest[:1])
    return None


def _is_below(path: str, mount: str) -> bool:
    return path == mount or path.startswith(mount.rstrip("/") + "/")
