"""Scripts by which shells complete ocsnap's commands and options.

They hold all names, so that the Tab key starts no program.
"""

from __future__ import annotations

import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocsnap.cli.command_tree import CommandPage, Parameter


class Shell(StrEnum):
    """The shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


_BASH: Final = """\
# Completes ocsnap's commands and options; made by `ocsnap completion bash`.
_ocsnap() {{
    local word called="" waits="" current="${{COMP_WORDS[COMP_CWORD]}}" offered="" values=""
    local -a before
    before=("${{COMP_WORDS[@]:1:$((COMP_CWORD - 1))}}")
    for word in "${{before[@]}}"; do
        if [ -n "$waits" ]; then
            waits=""
            continue
        fi
        case "$called $word" in
{waits}
        esac
        case "$called $word" in
{steps}
        esac
    done
    if [ -n "$waits" ]; then
        case "$called $word" in
{values}
        esac
        if [ -n "$values" ]; then
            COMPREPLY=($(compgen -W "$values" -- "$current"))
        else
            COMPREPLY=($(compgen -f -- "$current"))
        fi
        return
    fi
    case "$called" in
{words}
    esac
    case "$current" in
        -*) ;;
        *) offered="${{offered#*--- }}" ;;
    esac
    COMPREPLY=($(compgen -W "$offered" -- "$current"))
    if [ -z "${{COMPREPLY[*]-}}" ]; then
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
"""
_BASH_LAST: Final = "complete -o filenames -F _ocsnap ocsnap\n"
_ZSH: Final = """\
#compdef ocsnap
# Made by `ocsnap completion zsh`; zsh runs this file each time, and takes over what bash completes.
autoload -U +X bashcompinit && bashcompinit
"""
_ZSH_LAST: Final = "_bash_complete -o filenames -F _ocsnap_words\n"


def completion_script(shell: Shell, pages: Sequence[CommandPage]) -> str:
    """Return the script.

    Args:
        shell: for which shell.
        pages: the program and all of its commands.
    """
    match shell:
        case Shell.BASH:
            return _bash(pages)
        case Shell.ZSH:
            function = _bash(pages).removesuffix(_BASH_LAST).replace("_ocsnap()", "_ocsnap_words()")
            return _ZSH + function + _ZSH_LAST
        case Shell.FISH:
            head = "# Completes ocsnap's commands and options; made by `ocsnap completion fish`."
            return "\n".join([head, "complete -c ocsnap -f", *_fish(pages)]) + "\n"


def _bash(pages: Sequence[CommandPage]) -> str:
    top = pages[0]
    waits, steps, values, words = [], [], [], []
    for page in pages:
        path = " ".join(page.words)
        options = _options(page, top)
        names = [name for option in options for name in option.names]
        # What stands behind the three dashes is offered where no dash is typed.
        arguments = [word for each in page.parameters if each.is_argument for word in each.choices]
        offered = " ".join([*names, "--- ", *page.commands, *arguments])
        words.append(f'        "{path}") offered="{offered}" ;;')
        for option in options:
            patterns = "|".join(f'"{path} {name}"' for name in option.names)
            if option.value:
                waits.append(f"            {patterns}) waits=1 ;;")
            if option.choices:
                values.append(f'            {patterns}) values="{" ".join(option.choices)}" ;;')
        for name in page.commands:
            step = " ".join([*page.words, name])
            steps.append(f'            "{path} {name}") called="{step}" ;;')
    script = _BASH.format(
        waits="\n".join(waits),
        steps="\n".join(steps),
        values="\n".join(values) or '            "") ;;',
        words="\n".join(words),
    )
    return script + _BASH_LAST


def _options(page: CommandPage, top: CommandPage) -> list[Parameter]:
    """Return a command's options, and those that may stand behind any command."""
    shared = [each for each in top.parameters if each not in page.parameters]
    return [each for each in (*page.parameters, *shared) if not each.is_argument]


def _fish(pages: Sequence[CommandPage]) -> Iterator[str]:
    for page in pages:
        seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in page.words)
        if page.commands:
            others = f"not __fish_seen_subcommand_from {' '.join(page.commands)}"
            condition = "; and ".join(filter(None, [seen, others]))
            for name in page.commands:
                summary = next(one for one in pages if one.words == (*page.words, name)).summary
                yield _fish_line(condition, ["-a", name, "-d", summary])
        for option in page.parameters:
            if option.is_argument:
                if option.choices:
                    yield _fish_line(seen, ["-a", " ".join(option.choices)])
                continue
            words = [word for name in option.names for word in _fish_name(name)]
            if option.value:
                words += ["-x", "-a", " ".join(option.choices)] if option.choices else ["-r", "-F"]
            yield _fish_line(seen, [*words, "-d", option.help])


def _fish_name(name: str) -> list[str]:
    return ["-l", name[2:]] if name.startswith("--") else ["-s", name[1:]]


def _fish_line(condition: str, words: list[str]) -> str:
    where = ["-n", condition] if condition else []
    return " ".join(["complete -c ocsnap", *map(_fish_quoted, [*where, *words])])


def _fish_quoted(word: str) -> str:
    if word == shlex.quote(word):
        return word
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
