"""The documentation site: `./dev site` gives the Markdown pages of this repository, as they are, to Sphinx."""

import re
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from lth_core import __version__  # noqa: E402

project = "Lottery-ticket workbench"
version = release = __version__
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/**/*.md", "benchmarks/README.md", "requirements/README.md"]
exclude_patterns = [".*", "build", "dist", "workspace", "oldest", "tests", "lth_*"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header", "toc.not_included"]  # skipped levels of headings; files that a page links to
html_theme = "furo"
html_title = f"{project} {version}"
html_static_path: list[str] = []
html_copy_source = False

CONTENTS = {
    "Start": ["docs/getting-started", "docs/workbench", "docs/headless", "docs/scripts", "docs/cluster",
              "docs/platforms"],
    "Tutorials": ["docs/tutorials/first-result", "docs/tutorials/your-*", "docs/tutorials/*"],
    "Experiments": ["docs/experiments", "docs/fields", "docs/atari", "docs/minatar", "docs/language", "docs/images",
                    "docs/imitation"],
    "Science": ["docs/science", "docs/claims", "docs/results*", "docs/report", "docs/bundle", "docs/paper"],
    "Inside": ["docs/architecture", "docs/decisions", "docs/faults", "docs/records", "docs/contents", "docs/*",
               "benchmarks/README", "requirements/README", "CONTRIBUTING", "SECURITY", "CHANGELOG"],
}  # fmt: skip
"""Pages by their place in the sidebar; `docs/*` takes every page that is not named."""


def contents() -> str:
    """The sidebar, as hidden lists of pages. A page that is not there (yet) is left out."""
    parts = []
    for caption, pages in CONTENTS.items():
        there = [page for page in pages if "*" in page or (ROOT / f"{page}.md").exists()]
        parts.append("\n".join(["```{toctree}", ":hidden:", ":glob:", f":caption: {caption}", "", *there, "```"]))
    return "\n\n" + "\n\n".join(parts) + "\n"


def references() -> dict[str, tuple[str, str]]:
    """Of the paper: for each key what is cited in the text, and the entry of the list."""
    found = {}
    for entry in re.split(r"^@", (ROOT / "docs" / "paper.bib").read_text(), flags=re.MULTILINE)[1:]:
        fields = {
            name: " ".join(text.split()) for name, text in re.findall(r"(\w+) = \{(.*?)\}(?:,?\n)", entry, re.DOTALL)
        }
        names = [author.split(",")[0] for author in fields["author"].split(" and ")]
        short = names[0] + (" et al." if len(names) > 2 else f" & {names[1]}" if len(names) == 2 else "")
        title = re.sub("[{}]", "", fields["title"])
        where = f"[{title}]({fields['url']})" if "url" in fields else title
        key = entry.partition("{")[2].partition(",")[0]
        found[key] = f"{short} {fields['year']}", f"{short} ({fields['year']}). {where}."
    return found


def paper(text: str) -> str:
    """The paper as one page: a title, citations by name and year, the list of references."""
    known = references()
    body = text.split("---\n", 2)[2]
    body = re.sub(r"^# ", "## ", body, flags=re.MULTILINE)
    named = partial(re.sub, r"@(\w+)", lambda key: known[key[1]][0])
    body = re.sub(r"\[(@[^\]]+)\]", lambda cited: f"({named(cited[1])})", body)
    return "# Paper\n" + body + "\n".join(f"- {line}" for _, line in sorted(known.values())) + "\n"


def prepare(_app: Any, name: str, source: list[str]) -> None:
    """Called by Sphinx with each page: the first one gets the sidebar, the paper its references."""
    if name == root_doc:
        source[0] += contents()
    elif name == "docs/paper":
        source[0] = paper(source[0])


def finish(app: Any, exception: Exception | None) -> None:
    """Called by Sphinx at the end: the first page is also the one that a server shows for the folder."""
    if exception is None and app.builder.format == "html":
        shutil.copy(Path(app.outdir) / f"{root_doc}.html", Path(app.outdir) / "index.html")


def setup(app: Any) -> None:
    """See Sphinx's documentation of extensions."""
    app.connect("source-read", prepare)
    app.connect("build-finished", finish)
