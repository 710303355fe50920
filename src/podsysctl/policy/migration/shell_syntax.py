"""The part of the shell's grammar that scripts which set sysctls are written in.

Words with their quotes, variables and command substitutions; lists, pipelines, redirections; `if`, `while`, groups.
Anything else is a ShellSyntaxError: such a script is not understood, and nobody guesses what it does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeGuard

_OPERATORS = ("&&", "||", ";;", ">>", ">&", "<&", "<<", "&>", ">|", ";", "&", "|", "(", ")", "<", ">", "\n")
_REDIRECTIONS = frozenset({">", ">>", ">|", "<", ">&", "<&", "&>"})
_CLOSING = frozenset({"then", "else", "elif", "fi", "do", "done", "}"})
_NOT_READ = frozenset({"for", "case", "select", "function", "coproc"})
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
MAX_DEPTH = 20
"""Deepest nesting that is read: scripts that set sysctls have two levels."""


class ShellSyntaxError(Exception):
    """The script uses what is not read here."""


class Part(NamedTuple):
    """A piece of a word: `text` as it is, the name of a `variable`, or a `command` to run.

    `default` stands for a variable that is not set, and with `or_empty` for one that is set to nothing, too.
    """

    kind: str
    text: str
    default: str | None = None
    or_empty: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """One word; `bare` when no part of it was quoted, so that it may be a reserved word."""

    parts: tuple[Part, ...]
    bare: bool = True

    @property
    def literal(self) -> str | None:
        """Its text when nothing in it has to be looked up."""
        return "".join(p.text for p in self.parts) if all(p.kind == "text" for p in self.parts) else None

    @property
    def reserved(self) -> str:
        """Its text as a reserved word would be written, else nothing."""
        return (self.literal or "") if self.bare else ""


@dataclass(frozen=True, slots=True)
class Redirection:
    """`fd` as written, empty for the operator's own."""

    operator: str
    target: Word
    fd: str = ""


@dataclass(frozen=True, slots=True)
class Simple:
    """A command with its words."""

    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands whose output is the next one's input; `negated` by `!`."""

    commands: tuple[Command, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """Pipelines, each with the operator before it: `;` (also newlines and `&`), `&&` or `||`."""

    items: tuple[tuple[str, Pipeline], ...] = ()


@dataclass(frozen=True, slots=True)
class If:
    """`if` with its `elif`s taken apart into the `else`."""

    condition: Sequence
    then: Sequence
    otherwise: Sequence


@dataclass(frozen=True, slots=True)
class Loop:
    """`while`, or `until` when negated."""

    condition: Sequence
    body: Sequence
    until: bool = False


@dataclass(frozen=True, slots=True)
class Subshell:
    """A group in parentheses: its variables and its end are its own."""

    body: Sequence


Command = Simple | If | Loop | Sequence | Subshell
Token = Word | str


def parse(script: str) -> Sequence:
    """The script as a tree. Raises ShellSyntaxError."""
    parser = _Parser(_Lexer(script).tokens())
    tree = parser.sequence()
    if not parser.ended:
        raise ShellSyntaxError(f"unexpected {parser.peek()!r}")
    return tree


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text.replace("\\\n", "")
        self._at = 0

    def tokens(self) -> list[Token]:
        out: list[Token] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in " \t\r":
                self._at += 1
            elif char == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif operator := self._operator():
                out.append(operator)
            else:
                out.append(self._word())
        return out

    def _operator(self) -> str:
        """The operator here, a redirection with the digit that stands right before it."""
        start = self._at
        if self._text[start] in "0123456789" and self._text[start + 1 : start + 2] in ("<", ">"):
            start += 1
        for operator in _OPERATORS:
            if self._text.startswith(operator, start):
                if operator == "<<":
                    raise ShellSyntaxError("here documents are not read")
                self._at, begin = start + len(operator), self._at
                return self._text[begin : self._at]
        return ""

    def _word(self) -> Word:
        parts: list[Part] = []
        bare = True
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in " \t\r\n;&|()<>":
                break
            if char == "'":
                bare = False
                end = self._find("'", self._at + 1)
                parts.append(Part("text", self._text[self._at + 1 : end]))
                self._at = end + 1
            elif char == '"':
                bare = False
                self._at += 1
                self._double(parts)
            elif char == "\\":
                bare = False
                parts.append(Part("text", self._text[self._at + 1 : self._at + 2]))
                self._at += 2
            elif char in "$`":
                parts.append(self._expansion())
            else:
                parts.append(Part("text", char))
                self._at += 1
        return Word(tuple(parts), bare)

    def _double(self, parts: list[Part]) -> None:
        parts.append(Part("text", ""))
        while True:
            if self._at >= len(self._text):
                raise ShellSyntaxError("a quote is not closed")
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return
            if char == "\\" and self._text[self._at + 1 : self._at + 2] in ("$", "`", '"', "\\"):
                parts.append(Part("text", self._text[self._at + 1]))
                self._at += 2
            elif char in "$`":
                parts.append(self._expansion(quoted=True))
            else:
                parts.append(Part("text", char))
                self._at += 1

    def _expansion(self, *, quoted: bool = False) -> Part:
        text, at = self._text, self._at
        if text[at] == "`":
            end = self._find("`", at + 1)
            self._at = end + 1
            return Part("command", text[at + 1 : end])
        if text.startswith("$((", at):
            raise ShellSyntaxError("arithmetic is not read")
        if text.startswith("$(", at):
            end = self._closing(at + 2)
            self._at = end + 1
            return Part("command", text[at + 2 : end])
        if text.startswith("${", at):
            end = self._find("}", at)
            self._at = end + 1
            return _braced(text[at + 2 : end])
        end = at + 1
        while end < len(text) and text[end] in _NAME:
            end += 1
        if end == at + 1:
            if end < len(text) and text[end] in "'\"" and not quoted:
                raise ShellSyntaxError(f"${text[end]} is not read")
            if end < len(text) and text[end] in "?!$@*#-":
                self._at = end + 1
                return Part("variable", text[end])
            self._at = end
            return Part("text", "$")
        self._at = end
        return Part("variable", text[at + 1 : end])

    def _find(self, char: str, start: int) -> int:
        found = self._text.find(char, start)
        if found < 0:
            raise ShellSyntaxError(f"{char} is missing")
        return found

    def _closing(self, at: int) -> int:
        """The index of the parenthesis that closes a `$(`."""
        depth, quote = 1, ""
        for index in range(at, len(self._text)):
            char = self._text[index]
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            elif char == "(":
                depth += 1
            elif char == ")":
                depth -= 1
                if not depth:
                    return index
        raise ShellSyntaxError(") is missing")


def _braced(text: str) -> Part:
    name, separator, default = text.partition("-")
    or_empty = name.endswith(":")
    name = name.removesuffix(":") if separator else name
    # What a positional parameter is has been said by whoever calls the script.
    if not name or not set(name) <= _NAME or "$" in default or (separator and name.isdigit()):
        raise ShellSyntaxError(f"${{{text}}} is not read")
    return Part("variable", name, default if separator else None, or_empty)


@dataclass(slots=True)
class _Parser:
    tokens: list[Token]
    at: int = 0
    depth: int = field(default=0)

    @property
    def ended(self) -> bool:
        return self.at >= len(self.tokens)

    def peek(self) -> Token:
        return "" if self.ended else self.tokens[self.at]

    def reserved(self) -> str:
        token = self.peek()
        return token.reserved if isinstance(token, Word) else ""

    def sequence(self) -> Sequence:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ShellSyntaxError("nested too deeply")
        items: list[tuple[str, Pipeline]] = []
        operator = ";"
        while True:
            while self.peek() in ("\n", ";", "&"):
                self.at += 1
            if self.ended or self.peek() == ")" or self.reserved() in _CLOSING:
                if operator != ";":
                    raise ShellSyntaxError(f"nothing after {operator}")
                self.depth -= 1
                return Sequence(tuple(items))
            items.append((operator, self.pipeline()))
            token = self.peek()
            if token in ("&&", "||"):
                operator = str(token)
                self.at += 1
                while self.peek() == "\n":
                    self.at += 1
            elif token in (";", "\n", "&", "", ")") or self.reserved() in _CLOSING:
                operator = ";"
            else:
                raise ShellSyntaxError(f"unexpected {token!r}")

    def pipeline(self) -> Pipeline:
        negated = self.reserved() == "!"
        if negated:
            self.at += 1
        commands = [self.command()]
        while self.peek() == "|":
            self.at += 1
            commands.append(self.command())
        return Pipeline(tuple(commands), negated)

    def command(self) -> Command:
        word = self.reserved()
        if word in _NOT_READ:
            raise ShellSyntaxError(f"`{word}` is not read")
        if word == "if":
            self.at += 1
            return self.conditional()
        if word in ("while", "until"):
            self.at += 1
            condition = self.sequence()
            self.expect("do")
            body = self.sequence()
            self.expect("done")
            self.only_null_redirections()
            return Loop(condition, body, word == "until")
        if word == "{" or self.peek() == "(":
            closing = "}" if word == "{" else ")"
            self.at += 1
            inner = self.sequence()
            self.expect(closing)
            self.only_null_redirections()
            return inner if word == "{" else Subshell(inner)
        return self.simple()

    def conditional(self) -> If:
        condition = self.sequence()
        self.expect("then")
        then = self.sequence()
        if self.reserved() == "elif":
            self.at += 1
            return If(condition, then, Sequence(((";", Pipeline((self.conditional(),))),)))
        otherwise = Sequence()
        if self.reserved() == "else":
            self.at += 1
            otherwise = self.sequence()
        self.expect("fi")
        self.only_null_redirections()
        return If(condition, then, otherwise)

    def only_null_redirections(self) -> None:
        if _is_redirection(self.peek()):
            raise ShellSyntaxError("redirections of groups are not read")

    def expect(self, what: str) -> None:
        if self.reserved() != what and self.peek() != what:
            raise ShellSyntaxError(f"`{what}` is missing")
        self.at += 1

    def simple(self) -> Simple:
        words: list[Word] = []
        redirections: list[Redirection] = []
        while not self.ended:
            token = self.peek()
            if isinstance(token, Word):
                words.append(token)
                self.at += 1
            elif _is_redirection(token):
                self.at += 1
                target = self.peek()
                if not isinstance(target, Word):
                    raise ShellSyntaxError(f"nothing after {token}")
                self.at += 1
                operator = token.lstrip("0123456789")
                redirections.append(Redirection(operator, target, token.removesuffix(operator)))
            elif token == "(":
                raise ShellSyntaxError("functions are not read")
            else:
                break
        if not words and not redirections:
            raise ShellSyntaxError(f"unexpected {self.peek()!r}")
        return Simple(tuple(words), tuple(redirections))


def _is_redirection(token: Token) -> TypeGuard[str]:
    return isinstance(token, str) and token.lstrip("0123456789") in _REDIRECTIONS
