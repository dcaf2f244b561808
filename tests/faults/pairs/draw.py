"""All kinds of faults, pairs of them drawn from a seed, and the table of what came of each."""

import random
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tests.faults.pairs import files, killed, surroundings
from tests.faults.pairs.fault import Fault, NothingHurt, Unnamed
from tests.faults.pairs.play import Play, Whole
from tests.faults.pairs.scene import JobName, Scene, small_disk

KINDS: list[Fault] = [*killed.FAULTS, *files.FAULTS, *surroundings.FAULTS]


@dataclass(frozen=True)
class Pair:
    """Faults of one job, in their order, and the name from which all moments of it are drawn."""

    name: str
    faults: tuple[Fault, ...]

    @property
    def job(self) -> JobName:
        """The job that all of them can hurt: the stacked one, unless one of them needs another."""
        return next((fault.job for fault in self.faults if fault.job != "cartpole"), "cartpole")

    def __str__(self) -> str:
        return " + ".join(fault.name for fault in self.faults)


@dataclass(frozen=True)
class Played:
    """What came of a pair; `wrong` where that is neither the same bits nor a name for what differs."""

    pair: Pair
    did: list[str]
    outcome: str
    wrong: bool
    seconds: float


def draw(seed: int, count: int) -> list[Pair]:
    """The pairs of a seed; more of them begin with the same ones."""
    moments = random.Random(seed)
    drawn: list[Pair] = []
    while len(drawn) < count:
        faults = moments.choice(KINDS), moments.choice(KINDS)
        if len({fault.job for fault in faults} - {"cartpole"}) < 2:
            drawn.append(Pair(f"{seed}/{len(drawn) + 1}", faults))
    return drawn


def undisturbed(folder: Path, job: JobName) -> Whole:
    """Run a job that nothing hurts."""
    scene = Scene(folder, job, random.Random(0))
    try:
        scene.run.finish()
        return Whole(scene.run.digest(), scene.run.recorded())
    finally:
        scene.run.stop()


def play(pair: Pair, whole: Whole, folder: Path) -> Played:
    """Inject all of its faults into one job, whatever comes of it."""
    started = time.monotonic()
    with small_disk(folder / "disk") as disk:
        scene = Scene(folder / "run", pair.job, random.Random(pair.name), disk)
        played = Play(scene, pair.faults, whole)
        try:
            outcome, wrong = played.outcome(), False
        except (NothingHurt, Unnamed) as error:
            outcome, wrong = f"{type(error).__name__}: {error}", True
        except Exception:
            outcome, wrong = traceback.format_exc()[-1500:], True
        finally:
            scene.run.stop()
    return Played(pair, played.did, outcome, wrong, time.monotonic() - started)


def main(count: int, seed: int, only: int | None, at_once: int) -> int:
    """Draw pairs, play them and print the table; 1 where one came to neither."""
    console = Console(width=160, highlight=False)
    pairs = draw(seed, count) if only is None else draw(seed, only)[-1:]
    console.print(f"{len(pairs)} pairs of {len(KINDS)} kinds of faults, seed {seed}")
    with tempfile.TemporaryDirectory(prefix="lth-pairs-") as name, ThreadPoolExecutor(at_once) as pool:
        folder = Path(name)
        jobs = sorted({pair.job for pair in pairs})
        whole = dict(zip(jobs, pool.map(lambda job: undisturbed(folder / job, job), jobs), strict=True))

        def one(pair: Pair) -> Played:
            done = play(pair, whole[pair.job], folder / pair.name.replace("/", "-"))
            mark = "WRONG" if done.wrong else "ok"
            console.print(f"{pair.name} {pair}: {mark}", markup=False)
            for line in (*done.did, f"-> {done.outcome} ({done.seconds:.0f} s)"):
                console.print(f"    {line}", markup=False)
            return done

        played = list(pool.map(one, pairs))
    _print(console, played)
    wrong = [done.pair.name for done in played if done.wrong]
    console.print(f"seed {seed}: {len(played) - len(wrong)} of {len(played)} the same bits or named; wrong: {wrong}")
    return int(bool(wrong))


def _print(console: Console, played: list[Played]) -> None:
    table = Table(box=box.SIMPLE_HEAD, title="pairs of faults and what came of them", title_justify="left")
    for heading in ("pair", "faults", "", "what came of it", "s"):
        table.add_column(heading, justify="right" if heading == "s" else "left", overflow="fold")
    for done in played:
        table.add_row(
            done.pair.name, str(done.pair), "WRONG" if done.wrong else "ok", done.outcome, f"{done.seconds:.0f}"
        )
    console.print(table, markup=False)
