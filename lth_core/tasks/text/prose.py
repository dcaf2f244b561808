"""The built-in corpus: English prose from Python's own files, read with `ast`; nothing is imported.

The topics of Python's help and the docstrings of its standard library, without code and tables, every paragraph once.
The text depends on Python's version, so an experiment's records contain its hash.
"""

import ast
import hashlib
import inspect
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from lth_core.settings.texts import PARTS

_LEFT_OUT = {
    "__pycache__", "distutils", "dist-packages", "ensurepip", "idlelib", "lib-dynload", "lib2to3", "site-packages",
    "test", "tests", "tkinter", "turtledemo",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|\d+|[^\w\s]")
_CODE = re.compile(r">>>|::\s|\||\+-|---|===|\.\. |[{}]|^\s*[-*] | = |^ {4}\s*\S", re.MULTILINE)
_SHORTEST = 8
"""Accepted numbers of words in a paragraph."""


def lines(library: Path | None = None) -> dict[str, list[str]]:
    """By part (of PARTS): paragraphs, one line each, in lower case, words and punctuation separated. Takes seconds.

    A document's name decides its part: one in twenty each for valid and test. library: the folder of the standard
    library; this Python's own by default.
    """
    seen: set[str] = set()
    found: dict[str, list[str]] = {part: [] for part in PARTS}
    for name, text in _documents(library or Path(sysconfig.get_path("stdlib"))):
        share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 20
        own = {18: "valid", 19: "test"}.get(share, "train")
        for paragraph in _paragraphs(text):
            if paragraph not in seen:
                seen.add(paragraph)
                found[own].append(paragraph)
    return found


def _documents(library: Path) -> Iterator[tuple[str, str]]:
    """Names and texts of each help topic and each docstring of each module, sorted by name."""
    for path in sorted(library.rglob("*.py")):
        place = path.relative_to(library)
        if _LEFT_OUT & set(place.parts):
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        if place.parts[0] == "pydoc_data":
            yield from _topics(tree)
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield place.as_posix(), text


def _topics(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                try:
                    yield f"topic {ast.literal_eval(key) if key else ''}", str(ast.literal_eval(value))
                except ValueError:
                    continue


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs that are prose, normalised."""
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if _CODE.search(block):
            continue
        plain = block.replace("`", "").replace("*", "")
        words = _WORD.findall(plain.lower())
        letters = sum(word[0].isalpha() for word in words)
        if len(words) >= _SHORTEST and letters >= 0.7 * len(words) and plain.rstrip()[-1:] in ".?!:":
            yield " ".join(words)
