"""Faults one after the other into one job, the same command after each, and what came of it."""

import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lth_core.store.workspace import Workspace
from lth_core.text import one_line
from lth_core.upkeep import health
from tests.faults.pairs.fault import Fault, Unnamed
from tests.faults.pairs.scene import Scene

MOST = 8
"""Ends of the command that are followed by the same command again, before it is given up."""


@dataclass
class Whole:
    """A run that nothing disturbed: its digest, and the bytes of its records."""

    digest: dict[str, Any]
    size: int


@dataclass
class Play:
    """Faults injected into a scene. `did` are the injections, `named` what the program said of what they broke."""

    scene: Scene
    faults: Sequence[Fault]
    whole: Whole
    did: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    ends: int = 0

    def outcome(self) -> str:
        """Play it all; what came of it in words. Raises NothingHurt or Unnamed: then something is wrong."""
        self.scene.start()
        for fault in self.faults:
            self._reach(fault)
            self._hurt(fault)
        self._finish()
        return "; ".join([*dict.fromkeys(self.named), "same bits"])

    def _hurt(self, fault: Fault) -> None:
        run, moments = self.scene.run, self.scene.moments
        if fault.when == "killed" and self.scene.alive():
            if moments.random() < 0.5 and run.process is not None and not run.ended():
                run.process.send_signal(signal.SIGSTOP)  # workers record what the engine does not read any more
                time.sleep(moments.random())
            run.kill()
        if fault.when == "killed":
            run.process = None
        self.did.append(fault.hurt(self.scene))
        if fault.lasts:
            time.sleep(moments.uniform(0.5, fault.lasts))
            fault.mend(self.scene)

    def _reach(self, fault: Fault) -> None:
        """Let the job go on to a random moment, if it does not end before that."""
        run, moments = self.scene.run, self.scene.moments
        wanted = run.recorded() + moments.uniform(0.02, 0.25) * self.whole.size

        def there() -> bool:
            if run.recorded() < wanted or (fault.needs and not self.scene.files(fault.needs)):
                return False
            return fault.when == "killed" or bool(run.workers())

        while not there():
            if self._over():
                return
            run.until(lambda: there() or run.ended())
        time.sleep(moments.random() * 0.2)

    def _over(self) -> bool:
        """Start the command where it does not run; True where it has ended well."""
        process = self.scene.run.process
        if process is not None and process.poll() is None:
            return False
        if process is not None and process.returncode == 0:
            return True
        if process is not None:
            self._listen(process.returncode)
        self.scene.start()
        return False

    def _listen(self, code: int) -> None:
        """What an end with another code than 0 is for, in the program's words; do what they advise."""
        self.ends += 1
        said = self.scene.news().strip()
        if "Traceback" in said or code not in (1, 2) or self.ends > MOST:
            raise Unnamed(f"ended with {code} (end {self.ends}): {said[-600:]}")
        sentences = said.splitlines()[-1:] if code == 2 else self._failures()
        if not sentences:
            raise Unnamed(f"ended with {code} and no reason: {said[-600:]}")
        self._name(sentences)
        for fault in self.faults:
            fault.mend(self.scene)
        if code == 2 and "lth doctor" in sentences[-1]:
            self._repair()

    def _name(self, sentences: list[str]) -> None:
        """Take what was said as the name of what differs; it must be what one of these faults may come to."""
        patterns = [fault.says for fault in self.faults if fault.says]
        for sentence in sentences:
            if not any(re.search(pattern, sentence) for pattern in patterns):
                raise Unnamed(f"none of these faults comes to: {sentence}")
            self.named.append(one_line(sentence, 160))

    def _failures(self) -> list[str]:
        with self.scene.run.database() as database:
            trials = database.rows("SELECT DISTINCT error FROM trials WHERE state = 'failed'")
            jobs = database.rows("SELECT error FROM jobs WHERE state = 'failed'")
        return [row["error"] or "no reason" for row in trials or jobs]

    def _repair(self) -> None:
        done = self.scene.run.tool("doctor", "--repair")
        if "Traceback" in done.stdout + done.stderr:
            raise Unnamed(f"doctor --repair: {done.stderr[-600:]}")
        left_out = [line for line in done.stdout.splitlines() if "left out" in line]
        self.named += [one_line(line, 160) for line in ["lth doctor --repair", *left_out]]

    def _finish(self) -> None:
        run = self.scene.run
        while True:
            while not self._over():
                run.until(run.ended)
            for fault in self.faults:
                fault.mend(self.scene)
            differs, found = self._differs(), self._findings()
            if not differs and not found:
                return
            if not found and self._complete():
                raise Unnamed(f"exit code 0 and the doctor content: {differs}")
            self.ends += 1
            if self.ends > MOST:
                raise Unnamed(f"it never came to an end: {differs} {found}")
            if found:
                self._name(found)
                self._repair()
            self.scene.start()

    def _complete(self) -> bool:
        """Whether the first job is done: after a change of its data the same command asks for another one."""
        with self.scene.run.database() as database:
            row = database.row("SELECT state FROM jobs WHERE id = 1")
        return row is not None and row["state"] == "done"

    def _findings(self) -> list[str]:
        found = health.database(Workspace(self.scene.run.workspace))
        return [finding.sentence for finding in found if finding.state == "bad"]

    def _differs(self) -> str:
        """Where the results are not those of the run that nothing disturbed; empty where they are."""
        try:
            found = self.scene.run.digest()
        except Exception as error:  # whatever it is, it has to be named by the program, too
            return f"{type(error).__name__}: {error}"
        for key, trial in self.whole.digest.items():
            own = found.get(key)
            if own != trial:
                parts = [name for name in trial if own is None or own[name] != trial[name]]
                return f"{key}: {', '.join(parts)} differ: {_first(trial, own, parts)}"
        return "" if found.keys() == self.whole.digest.keys() else "there are other trials"


def _first(trial: dict[str, Any], own: dict[str, Any] | None, parts: list[str]) -> str:
    if own is None:
        return "it is not there"
    return f"{own[parts[0]]!r:.200} instead of {trial[parts[0]]!r:.200}"
