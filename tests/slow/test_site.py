"""The documentation site: built strictly, and opened in a browser without a screen."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WINDOW = ("--window-size=1400,1000", "--hide-scrollbars")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="needs the extra `site`"),
]
browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium")


def build(source: Path, out: Path) -> "subprocess.CompletedProcess[str]":
    command = [
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        "-c",
        str(source / "docs" / "site"),
        str(source),
        str(out),
    ]
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = build(ROOT, out)
    assert done.returncode == 0, done.stderr
    return out


def opened(folder: Path, page: str, *options: str) -> "subprocess.CompletedProcess[str]":
    assert BROWSER is not None
    still = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command = [BROWSER, *still, f"--user-data-dir={folder / 'profile'}", *options, page]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)


@browser
def test_the_first_page_is_shown_with_its_pictures_and_without_errors(site: Path, tmp_path: Path) -> None:
    done = opened(tmp_path, f"{(site / 'index.html').as_uri()}", "--virtual-time-budget=5000", "--dump-dom")
    assert "Lottery-ticket workbench" in done.stdout and 'href="docs/fields.html"' in done.stdout
    assert "CONSOLE" not in done.stderr and "Failed to load" not in done.stderr
    images = {Path(part.split('"')[0]).name for part in done.stdout.split('src="_images/')[1:]}
    assert images and images <= {path.name for path in (site / "_images").iterdir()}


@browser
def test_the_search_finds_a_field_on_the_page_of_fields(site: Path, tmp_path: Path) -> None:
    page = f"{(site / 'search.html').as_uri()}?q=rewinding"
    done = opened(tmp_path, page, "--virtual-time-budget=20000", "--dump-dom")
    assert 'class="search"' in done.stdout and "docs/fields.html#rewinding" in done.stdout


@browser
def test_light_and_dark_follow_the_reader(site: Path, tmp_path: Path) -> None:
    from PIL import Image

    for scheme, expected in (("1", range(240, 256)), ("0", range(40))):
        shot = tmp_path / f"{scheme}.png"
        page = (site / "docs" / "workbench.html").as_uri()
        opened(tmp_path, page, *WINDOW, f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={shot}")
        with Image.open(shot) as picture:
            pixel = picture.convert("L").getpixel((1390, 990))
        assert pixel in expected


def test_a_broken_link_and_a_broken_anchor_stop_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs" / "site").mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "site" / "conf.py", tmp_path / "docs" / "site")
    shutil.copytree(
        ROOT / "lth_core", tmp_path / "lth_core", ignore=lambda _, names: [n for n in names if n != "__init__.py"]
    )
    (tmp_path / "docs" / "a.md").write_text("# A\n")
    (tmp_path / "README.md").write_text("# R\n[a](docs/a.md)\n")
    done = build(tmp_path, tmp_path / "good")
    assert "nothing" not in done.stderr
    (tmp_path / "README.md").write_text("# R\n[a](docs/nothing.md) [b](docs/a.md#nothing)\n")
    done = build(tmp_path, tmp_path / "bad")
    assert done.returncode != 0
    assert "docs/nothing" in done.stderr and "'nothing'" in done.stderr
