"""What the documents say can be done: links lead somewhere, commands have these options, files they name are there."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from lth_core.cli import app
from lth_core.cli.field_page import page
from lth_core.experiment import presets
from lth_core.settings.texts import LanguageModelTask, TextTask, TranslationTask

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("[A-Z]*.md")), *sorted((ROOT / "docs").rglob("*.md")),
         ROOT / "requirements" / "README.md", ROOT / "benchmarks" / "README.md"]  # fmt: skip
PAGES = list(dict.fromkeys(PAGES))
LTH = typer.main.get_command(app)
ids = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def anchors(path: Path) -> set[str]:
    """Of headings, as they are linked to."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def links(text: str) -> list[str]:
    without_code = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", without_code)


def commands(text: str) -> Iterator[list[str]]:
    """Lines of shell blocks and inline code, word by word, from the program on."""
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))]:
        for part in re.split(r"&&|\|", line.split("  #")[0]):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:
                continue
            words = [word for word in words if not re.fullmatch(r"[A-Z_]+=\S*", word)]
            if words and re.fullmatch(r"(?:\S*/)?(lth|lth-tui|python3?|pytest|\./dev)", words[0]):
                yield [words[0].rsplit("/", 1)[-1], *words[1:]]


@ids
def test_links_lead_somewhere(path: Path) -> None:
    for link in links(path.read_text()):
        if not link.startswith(("http://", "https://")):
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.exists(), f"{link}: no such file"
            assert not anchor or anchor in anchors(target), f"{link}: no such heading"


def problem(words: list[str]) -> str | None:
    """What is wrong with a command."""
    program, arguments = words[0], words[1:]
    if program == "lth" and arguments and not arguments[0].startswith("-"):
        return problem_of_ours(arguments)
    if program.startswith("python") and arguments[:1] == ["-m"] and len(arguments) > 1:
        ours = arguments[1].split(".")[0] in ("lth_core", "tests", "benchmarks")
        if ours and importlib.util.find_spec(arguments[1]) is None:
            return f"no module {arguments[1]}"
        program, arguments = arguments[1], arguments[2:]
    if program == "pytest":
        files = [word for word in arguments if word.startswith("tests/")]
        return next((f"{word}: no such file" for word in files if not (ROOT / word.split("::")[0]).exists()), None)
    return None


def problem_of_ours(arguments: list[str]) -> str | None:
    """What is wrong with the arguments of `lth`."""
    command, place = LTH, 0
    while place < len(arguments) and hasattr(command, "commands"):
        if arguments[place] not in command.commands:
            return f"lth has no {arguments[place]}"
        command, place = command.commands[arguments[place]], place + 1
    known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"-h", "--help"}
    for word in arguments[place:]:
        word = word.strip("[]")
        if word.startswith("-") and word.split("=")[0] not in known:
            return f"lth {arguments[0]} has no option {word}"
        if word.startswith("configs/") and word.endswith(".toml") and not (ROOT / word).is_file():
            return f"{word}: no such file"
        if re.match(r"(quick|learn|paper|suites)/", word) and word.removesuffix(".toml") not in presets.names():
            return f"{word}: no such preset"
    return None


@ids
def test_commands_can_be_given_as_they_stand(path: Path) -> None:
    wrong = [(words, said) for words in commands(path.read_text()) if (said := problem(words))]
    assert not wrong


def missing_files(text: str) -> list[str]:
    """Python files that a text names in backticks and that are nowhere: by a path in the project or in a package."""
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    places = [ROOT, ROOT / "lth_core", ROOT / "lth_tui"]
    whole = {name for name in named if "/" in name and not any((place / name).is_file() for place in places)}
    files = {path.name for place in ("lth_core", "lth_tui", "tests") for path in (ROOT / place).rglob("*.py")}
    files |= {path.name for path in ROOT.glob("*.py")}
    return sorted(whole | {name for name in named if "/" not in name and name not in files})


@ids
def test_files_that_are_named_are_there(path: Path) -> None:
    assert path.name == "CHANGELOG.md" or missing_files(path.read_text()) == []


def test_a_file_that_is_not_there_is_seen() -> None:
    assert missing_files("`engine/engine.py`, `tests/once.py`, `engine.py`, `engine/no.py`, `no.py`") == [
        "engine/no.py",
        "no.py",
    ]


def test_wrong_commands_and_links_are_seen() -> None:
    text = "`lth headles x`, `lth show 1 --sweet`, `lth check quick/no`, `python -m benchmarks.no`, `pytest tests/no`"
    assert len([words for words in commands(text) if problem(words)]) == 5
    assert [words for words in commands("```sh\n.venv/bin/lth check configs/no.toml   # why\n```") if problem(words)]
    assert links("[a](b.md) `[c](d.md)`") == ["b.md"]


def test_the_page_of_fields_is_the_models() -> None:
    assert (ROOT / "docs" / "fields.md").read_text() == page(), "make it again: lth fields > docs/fields.md"


@pytest.mark.parametrize("task", [LanguageModelTask, TranslationTask])
def test_the_page_on_language_names_every_source(task: type[TextTask]) -> None:
    lines = (ROOT / "docs" / "language.md").read_text().splitlines()
    named = [set(re.findall(r'"([^"]+)"', line)) for line in lines if line.startswith("source = ")]
    assert set(task.sources) in named


def test_the_readme_links_to_every_page() -> None:
    linked = {
        (ROOT / link).resolve() for link in links((ROOT / "README.md").read_text()) if not link.startswith("http")
    }
    assert set((ROOT / "docs").glob("*.md")) <= linked
