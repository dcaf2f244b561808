"""The protocol card: what was pruned, reset, trained, evaluated and seeded, with which versions, at what cost."""

from collections.abc import Iterator

from lth_core.analysis.densities import known_density
from lth_core.analysis.effect import CRASHED, EQUIVALENT
from lth_core.analysis.power import LEVEL
from lth_core.analysis.trials import have_ended, is_lost
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.lengths import length_notes
from lth_core.report.failures import causes
from lth_core.report.record import JobRecord
from lth_core.settings.soft import SAC
from lth_core.settings.values import ReplayTraining
from lth_core.store.attempts import changes, said
from lth_core.text import one_line, plural, significant

Card = list[tuple[str, str]]


def card(record: JobRecord) -> Card:
    """(heading, sentence) in reading order; everything from the store."""
    experiment = record.experiment
    return [
        ("Task", _fields(experiment.task)),
        *(("Data", one_line(sentence, 1000)) for sentence in record.data),
        ("Model", _fields(experiment.model)),
        ("Training", _fields(experiment.training)),
        ("Pruned", _pruned(record)),
        ("Reset", _reset(experiment)),
        ("Arms", _arms(experiment)),
        ("Score", _score(experiment)),
        ("Seeds", _seeds(experiment)),
        ("Statistics", _statistics()),
        ("Audit", _audit(record)),
        ("Lost", _lost(record)),
        ("Queued with", _versions(record)),
        *(("Workers", sentence) for sentence in _workers(record)),
        ("Cost", _cost(record)),
        ("Identity", f"SHA-256 of the resolved experiment: {experiment.identity}"),
    ]


def _fields(section: object) -> str:
    fields = section.model_dump(mode="json")  # type: ignore[attr-defined]
    return ", ".join(f"{name} {_value(value)}" for name, value in fields.items() if value is not None)


def _value(value: object) -> str:
    if isinstance(value, dict) and value:
        return "(" + ", ".join(f"{name} {_value(one)}" for name, one in value.items() if one is not None) + ")"
    if isinstance(value, list):
        return "(" + ", ".join(map(str, value)) + ")" if value else "none"
    return one_line(value)


def _pruned(record: JobRecord) -> str:
    pruning = record.experiment.pruning
    first = [entry for entry in record.layers if entry.round == 0]
    seed = first[0].seed if first else None
    own = [entry for entry in first if entry.seed == seed]
    sizes = ""
    if own:
        prunable, whole = sum(e.size for e in own if e.prunable), sum(e.size for e in own)
        kept = [e.layer for e in own if not e.prunable]
        sizes = f" {prunable:,} of {whole:,} parameters are prunable" + (
            f", never pruned: {', '.join(map(one_line, kept))}." if kept else ", biases included."
        )
    scope = "pooled over all layers" if pruning.scope == "global" else f"scope {pruning.scope}"
    own_rates = "".join(f", {group} {fraction:.0%}" for group, fraction in pruning.fractions.items())
    left = known_density(record.experiment, record.trials, record.experiment.reference, pruning.rounds)
    down = "" if left is None else f", down to {left:.2%} kept"
    return (
        f"Each round the smallest {pruning.fraction:.0%} of what remains, by {pruning.criterion}, {scope}{own_rates}; "
        f"{pruning.rounds} rounds{down}.{sizes} "
        "Masks act on weights, gradients (before clipping) and optimizer state at every step."
    )


def _reset(experiment: Experiment) -> str:
    rewinding, unit = experiment.rewinding, getattr(experiment.training, "unit", "steps")
    taken, asked = experiment.rewind_point, rewinding.weights
    point = f"the dense run's weights at {taken:,} {unit}" if asked else "initialisation"
    point += f", the end of the first update that reaches {asked:,}" if taken != asked else ""
    ranked = "at the end of training" if rewinding.prune_from == "final" else f"at {rewinding.prune_from:,} {unit}"
    return (
        f"Weights are ranked {ranked} and set back to {point}; schedule from {rewinding.schedule}; "
        f"optimizer state {rewinding.optimizer}; buffers (running statistics) {rewinding.buffers}.{_replay(experiment)}"
    )


def _replay(experiment: Experiment) -> str:
    """What a ticket starts with beside its weights, if it learns values from a replay buffer."""
    if not isinstance(experiment.training, ReplayTraining):
        return ""
    if isinstance(experiment.training, SAC):
        return (
            " A ticket starts with an empty replay buffer, target critics that are copies of its masked critics and "
            "keep their masks, and temperature and its optimizer as at the start of a training. The temperature is "
            "never pruned. An arm that prunes while it trains keeps its buffer and temperature."
        )
    return (
        " A ticket starts with an empty replay buffer, and a target network that is a copy of its masked network and "
        "keeps its mask; exploration follows the schedule. An arm that prunes while it trains keeps its buffer."
    )


def _arms(experiment: Experiment) -> str:
    parts = [f"{name}: {experiment.described(name)}" for name in experiment.arms]
    lengths = "".join(f" {note[:1].upper()}{note[1:]}." for note in length_notes(experiment))
    return "; ".join(parts) + f". Round 0, the dense network, is trained once per seed and shared by all arms.{lengths}"


def _score(experiment: Experiment) -> str:
    better = "more" if experiment.task.higher_is_better else "less"
    over = experiment.training.scored_over
    mean = f", the mean of {over}" if over else ""
    beside = f" Beside it: {experiment.task.beside}." if experiment.task.beside else ""
    points = getattr(experiment.training, "average", 1)
    counted = "the final weights count" if points == 1 else f"the mean of the last {points} averaged points counts"
    last = f"No choice among checkpoints: {counted}."
    task = experiment.task
    own = f"{experiment.judged_by}, the logarithm of {experiment.score}" if task.log_score else experiment.score
    return f"{own}{mean}; {better} is better.{beside} {last}"


def _seeds(experiment: Experiment) -> str:
    return (
        f"{len(experiment.seeds)} chains, seeds {', '.join(map(str, experiment.seeds))}. Initialisation, data, "
        "environments, actions, masks and evaluation each draw from a stream derived from the seed by name; arms of "
        "one seed share environments and data order."
    )


def _statistics() -> str:
    return (
        "Unit of replication: a whole chain (seed). Interquartile mean with 95 % percentile bootstrap over seeds. "
        "Verdicts: the mean paired difference over rounds, fixed in advance; better or worse needs the interval and "
        f"a sign-flip p at most {LEVEL:.0%}, Holm over the job's comparisons. Matching and `leaves alone`: within "
        f"{EQUIVALENT:.0%} of what the dense network gains over the reference; crash: {CRASHED:.0%} of it lost."
    )


def _audit(record: JobRecord) -> str:
    passed, failed = record.audits
    named = "; ".join(
        one_line(f"{a.arm} round {a.round} seed {a.seed}: {a.name}: {a.detail}") for a in record.failed_audits[:5]
    )
    return f"{passed:,} checks passed, {failed:,} failed." + (f" {named}" if named else "")


def _lost(record: JobRecord) -> str:
    lost = sum(is_lost(trial) for trial in record.trials)
    unended = sum(not have_ended([trial]) for trial in record.trials)
    open_ = f" {plural(unended, 'trial')} did not end, or not yet." if unended else ""
    if not lost:
        return f"No trial of {len(record.trials)} failed.{open_}"
    named = "; ".join(one_line(cause, 300) for cause in causes(record.trials))
    return f"{lost} of {len(record.trials)} trials failed or were blocked, and count: {named}.{open_}"


def _versions(record: JobRecord) -> str:
    found = record.provenance
    packages = ", ".join(f"{name} {version}" for name, version in dict(found.get("packages") or {}).items() if version)
    git = found.get("git") or {}
    revision = f", git {git.get('commit', '')[:12]}{' with changes' if git.get('changed') else ''}" if git else ""
    devices = ", ".join(map(str, found.get("devices", []))) or "unknown devices"
    return one_line(
        f"lth {found.get('lth', '?')}{revision}, Python {found.get('python', '?')}, {packages}; "
        f"{found.get('system', '?')}, {devices}, {found.get('cores', '?')} cores",
        1000,
    )


def _workers(record: JobRecord) -> Iterator[str]:
    """The versions the attempts ran with, which may differ from those when the job was queued."""
    if record.runs:
        yield said(record.runs) or "every attempt ran with different versions"
    if changed := changes(record.runs):
        yield f"Not all ran with the same: {changed}"


def _cost(record: JobRecord) -> str:
    steps = sum(trial.step for trial in record.trials)
    clock = (record.job.finished or 0) - (record.job.started or 0)
    between = f", {significant(clock / 3600, 2)} hours from start to end" if clock > 0 else ""
    whole, ended = len(record.trials), sum(trial.state in ("done", "failed") for trial in record.trials)
    trainings = plural(whole, "training") if ended == whole else f"{ended:,} of {plural(whole, 'training')} ended"
    return (
        f"{trainings}, {steps:,} steps in all, {significant(record.active / 3600, 2)} hours with a batch running"
        f"{between}. One ticket of the last round cost {record.experiment.pruning.rounds + 1} trainings in a row."
    )
