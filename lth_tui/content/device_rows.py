"""The devices as rows: what runs on each slot, then GPUs, processors, memory and disk of this machine."""

import os
import socket
import time
from collections.abc import Sequence

from rich.style import Style

from lth_core.experiment.plan import TrialKey
from lth_core.store.views import SlotView
from lth_core.text import one_line, plural
from lth_tui.palette import BOLD, DIM, GREEN, PLAIN, VERMILLION, YELLOW, ink
from lth_tui.reading.machine import Gpu, Histories, Machine
from lth_tui.reading.snapshot import Snapshot
from lth_tui.strips import Row, Span
from lth_tui.words import bar, calm, compact, duration, sparkline

_BAR = 10


def device_rows(snapshot: Snapshot, width: int) -> list[Row]:
    """Everything known of slots and machine, for a pane of `width` cells."""
    machine = snapshot.machine
    rows: list[Row] = _slot_rows(snapshot)
    if machine is None:
        return [*rows, "", [("measuring the machine ...", DIM)]]
    rows.append("")
    engine = snapshot.engine
    if engine is not None and engine.state != "stopped" and engine.host != socket.gethostname():
        rows.append([(f"the engine runs on {one_line(engine.host, 40)}; below is the machine of this terminal", DIM)])
    for number, gpu in enumerate(machine.gpus):
        rows += _gpu_rows(number, gpu, width)
    rows += _measured("CPU", machine.busy, f"of {plural(machine.cores, 'core')}", machine.past, width)
    share = machine.used / machine.total if machine.total else 0.0
    words = f"{_gib(machine.used)} of {_gib(machine.total)} GiB"
    rows += _measured("memory", share, words, machine.memory_past, width)
    if machine.disk_free is not None:
        rows.append([("disk    ", BOLD), (f"{_gib(machine.disk_free)} GiB free where the workspace is", PLAIN)])
    return [*rows, *_process_rows(snapshot, machine)]


def _process_rows(snapshot: Snapshot, machine: Machine) -> list[Row]:
    """A row for each process: the workbench, the engine, the worker of each slot."""
    names = {slot.pid: f"worker of {one_line(slot.name, 20)}" for slot in snapshot.slots if slot.pid is not None}
    if snapshot.engine is not None:
        names.setdefault(snapshot.engine.pid, "engine")
    names[os.getpid()] = "this workbench"
    head = f"{'process':<16} {'pid':>7} {'cores':>5} {'memory':>8} {'threads':>7} {'runs for':>8}"
    rows: list[Row] = ["", [(head, DIM)]]
    for pid, process in sorted(machine.processes.items(), key=lambda one: names.get(one[0], "")):
        since = duration(calm(max(0.0, time.time() - process.started)))
        words = f"{pid:>7} {process.cores:>5.2f} {process.memory / 1e9:>5.2f} GB {process.threads:>7} {since:>8}"
        rows.append([(f"{names.get(pid, ''):<16} ", BOLD), (words, PLAIN)])
    return rows if machine.processes else []


def _slot_rows(snapshot: Snapshot) -> list[Row]:
    if not snapshot.slots:
        return [[("no engine is running: all devices are idle", DIM)]]
    machine = snapshot.machine
    on_gpu = machine is not None and any(slot.device.startswith("cuda") for slot in snapshot.slots)
    names = {job.id: one_line(job.name, 40) for job in snapshot.jobs}
    head = f"{'slot':<9} {'trials':>6} {'done':>5} {'steps/s':>7} {'memory':>8}" + f" {'GPU mem':>8}" * on_gpu
    rows: list[Row] = [[(f"{head}  what", DIM)]]
    for slot in snapshot.slots:
        memory = _held(slot, machine, on_gpu)
        if slot.batch is None:
            rows.append([(f"{one_line(slot.name, 9):<9} ", PLAIN), (f"{'idle':>6} {'':>13} {memory}", DIM)])
            continue
        rate = compact(slot.rate, 2) if slot.rate else "-"
        words = f"{one_line(slot.name, 9):<9} {slot.trials:>6} {slot.fraction:>5.0%} {rate:>7} {memory}  "
        job = "" if slot.job is None else f"{slot.job} {names.get(slot.job, '')}: "
        rows.append([(words, PLAIN), (job, BOLD), (trials_in_words(snapshot.running.get(slot.name, ())), PLAIN)])
    return rows


def _held(slot: SlotView, machine: Machine | None, on_gpu: bool) -> str:
    """Memory of a slot's worker, and its GPU memory if there are GPUs."""
    process = None if machine is None or slot.pid is None else machine.processes.get(slot.pid)
    words = f"{'-' if process is None else f'{process.memory / 1e9:.2f} GB':>8}"
    if not on_gpu or machine is None:
        return words
    pid = slot.pid or 0
    held = [gpu.by_process[pid] for gpu in machine.gpus if pid in gpu.by_process]
    return f"{words} {f'{sum(held) / 1e9:.2f} GB' if held else '-':>8}"


def trials_in_words(trials: Sequence[TrialKey]) -> str:
    """The trials that train together on a slot: `winning random, round 3, seeds 0-3`."""
    if not trials:
        return ""
    arms = " ".join(dict.fromkeys(one_line(trial.arm, 20) for trial in trials))
    rounds, seeds = {trial.round for trial in trials}, {trial.seed for trial in trials}
    return f"{arms}, {_numbers('round', rounds)}, {_numbers('seed', seeds)}"


def _numbers(word: str, values: set[int]) -> str:
    ordered = sorted(values)
    runs: list[list[int]] = []
    for value in ordered:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"{word}{'s' * (len(ordered) > 1)} {','.join(parts)}"


def _gpu_rows(number: int, gpu: Gpu, width: int) -> list[Row]:
    facts = []
    if gpu.temperature is not None:
        facts.append((f"{gpu.temperature} °C", _heat(gpu.temperature)))
    if gpu.watts is not None:
        facts.append((f"{gpu.watts:.0f}{'' if gpu.limit is None else f' of {gpu.limit:.0f}'} W", PLAIN))
    head: list[Span] = [(f"GPU {number}   ", BOLD), (gpu.name, PLAIN)]
    for words, style in facts:
        head += [("  ", PLAIN), (words, style)]
    rows: list[Row] = [head]
    if gpu.busy is None:
        rows.append([("  busy  ", BOLD), ("not reported by the driver (a share of a GPU)", DIM)])
    else:
        rows += _measured("  busy", gpu.busy, "", gpu.past, width)
    if gpu.used is not None and gpu.total:
        words = f"{_gib(gpu.used)} of {_gib(gpu.total)} GiB"
        rows += _measured("  memory", gpu.used / gpu.total, words, ((), ()), width)
    return rows


def _measured(name: str, share: float, words: str, past: Histories, width: int) -> list[Row]:
    """The use now, and below it what it was in the last minute and the last hour, each with its mean."""
    rows: list[Row] = [[(f"{name:<8}", BOLD), (f"{bar(share, _BAR)} {share:>4.0%}  {words}", PLAIN)]]
    for label, values in zip(("last minute", "last hour"), past, strict=True):
        if values:
            shown = values[-max(1, width - 32) :]
            rows.append([(f"        {label:<11} ", DIM), (sparkline(shown), ink(GREEN)),
                         (f" mean {sum(values) / len(values):.0%}", DIM)])  # fmt: skip
    return rows


def _heat(degrees: int) -> Style:
    return ink(VERMILLION) if degrees >= 85 else ink(YELLOW) if degrees >= 75 else PLAIN


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f}"
