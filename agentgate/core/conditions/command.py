"""`command`: the argument is one simple shell command that a list of word patterns covers."""

from agentgate.core.conditions.shell_words import MAX_LENGTH, words_of
from agentgate.core.conditions.test import InvalidOperand, Operator, Test, Unjudgeable, World
from agentgate.core.conditions.text import string
from agentgate.core.events import Json
from agentgate.core.late import late
from agentgate.core.patterns import Pattern as TextPattern
from agentgate.core.patterns import glob_pattern
from agentgate.core.state import State

_SYNTAX = late(r"[|&;<>$`\"'\\(){}!#]|[^ -~]")
_TOKEN = late(r"[A-Za-z0-9_.-]+")
STARTERS = frozenset(
    """
    . ash at awk bash batch builtin busybox chroot chrt command coproc csh dash docker doas env eval exec fish flock gawk ionice
    ksh kubectl ld.so let lua mawk nice node nohup nsenter osascript parallel perl php pkexec podman powershell proot pwsh python
    python2 python3 rsh ruby runuser script setarch setpriv setsid sh source ssh stdbuf strace su sudo systemd-run taskset tclsh
    tcsh time timeout toybox trap unshare watch xargs zsh
    """.split()  # noqa: SIM905 - a row of words reads better
)
"""Programs whose arguments can name, or be, another program."""
_SHELLS = frozenset("ash bash busybox csh dash doas env eval fish ksh sh sudo tcsh xargs zsh".split())  # noqa: SIM905 - a row of words reads better
"""Those that are looked for among the arguments of any program too."""


class Pattern:
    """Words, `*` within a word for any run of its characters, and `**` at the end for any further words."""

    __slots__ = ("_literals", "_open", "_words")

    def __init__(self, text: str) -> None:
        """Reads a pattern.

        Raises:
            InvalidOperand: it is not one.
        """
        odd = _SYNTAX.search(text)
        if odd is not None:
            raise InvalidOperand(f"`{odd.group()}` in `{text}`: a pattern is plain words of one command, with `*` and a last `**`")
        words = text.split()
        if not words or "*" in words[0]:
            raise InvalidOperand(f"`{text}` does not begin with the name of a program")
        self._open = words[-1] == "**"
        if self._open:
            words.pop()
        if any("**" in word for word in words):
            raise InvalidOperand(f"`{text}` has `**` elsewhere than as its last word")
        self._words = tuple((word, _word_pattern(word)) for word in words)
        self._literals = [token for word in words if "*" not in word and word[0] != "-" for token in tokens_of(word)]

    def covers(self, words: tuple[str, ...]) -> bool:
        """Whether it covers a command."""
        if len(words) < len(self._words) or (len(words) > len(self._words) and not self._open):
            return False
        return all(
            word == written if pattern is None else word != "" and (word[0] != "-" or written[0] == "-") and pattern(word)
            for word, (written, pattern) in zip(words, self._words, strict=False)
        )

    def mentioned(self, tokens: list[str]) -> bool:
        """Whether all its plain words occur in this order, whatever stands between them."""
        rest = iter(tokens)
        return all(word in rest for word in self._literals)


def _word_pattern(word: str) -> TextPattern | None:
    """What a word with `*` takes; None for a word that stands for itself."""
    return TextPattern(glob_pattern(word), "full") if "*" in word else None


def tokens_of(word: str) -> list[str]:
    """What may be the name of a program in a word, whatever it is wrapped in."""
    return [token.casefold() for token in _TOKEN.findall(word)]


def starts_another(words: tuple[str, ...]) -> bool:
    """Whether a command can start a program that is not its first word."""
    names = [_program(word) for word in words]
    return names[0] in STARTERS or any(name in _SHELLS for name in names)


def _program(word: str) -> str:
    return word.rpartition("/")[2].casefold()


def _compile(operand: Json) -> Test:
    patterns = [Pattern(text) for text in operand]

    def holds(value: Json, world: World, state: State) -> bool:
        words = words_of(string(value, MAX_LENGTH))
        if any(pattern.covers(words) for pattern in patterns):
            return True
        if starts_another(words):
            raise Unjudgeable("can start another program")
        tokens = [token for word in words for token in tokens_of(word)]
        if any(pattern.mentioned(tokens) for pattern in patterns):
            raise Unjudgeable("mentions a listed command, in another form than listed")
        return False

    return Test(
        holds=holds, wanted="one of the commands " + (", ".join(f"`{text}`" for text in operand) or "in an empty list"), never=not patterns
    )


OPERATOR = Operator(
    key="command",
    summary="is one simple shell command that one of these word patterns covers: `*` within a word, `**` at the end for any further words",
    operand={
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "description": "Patterns of words. The first word is the program, without `*`; `**` stands last, for any further words.",
    },
    compile=_compile,
    example=["git status", "git log **", "ls *"],
    details="""A simple command is plain words, quoted or not. Pipes, lists, `&`, line breaks, substitutions, variables, `~`, `*`, `?`,
brackets and braces outside quotes, redirections, assignments, keywords, comments, `!`, backslashes outside quotes and
control characters make it unjudgeable; so do `$` and backquotes in double quotes. Words are compared after quotes are taken
away, letter by letter; `/bin/ls` is not `ls`.

* `*` takes at least one character, and does not take a word that begins with `-` unless the pattern's word does, so `ls *`
  covers no options. `**` does take options: `git log **` covers `--output=FILE` too. Neither looks at where a path leads:
  add `search` or `matches`.
* Programs that start others (`sudo`, `env`, `xargs`, `timeout`, `sh -c`, `python -c`, `ssh` …) are covered only by a pattern
  that names them, and are unjudgeable otherwise, because what they start is not known.
* So that a block rule is not got around, a command that no pattern covers is unjudgeable too where the plain words of a
  pattern occur in it in their order, with a path, options or other words between them and in any letter case: `rm **` in a
  block rule catches `/bin/rm x`, `find . -exec rm x`, `git -c alias.x='!rm y' x`. Options in a pattern do not narrow this,
  as they have many spellings. A list of what is forbidden is still weaker than a list of what is allowed: programs that
  nobody thought of are not on it.""",
)
