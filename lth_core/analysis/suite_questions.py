"""The paper's questions over the jobs of a suite, and those that only a suite can answer: what to keep, and whether it
is about images."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from lth_core.analysis.comparison import verdicts
from lth_core.analysis.effect import EFFECTS, LEVELS, Level
from lth_core.analysis.questions import NOT_ASKED, Finding, Line, findings
from lth_core.analysis.scores import JobScores
from lth_core.analysis.suite_summary import SuiteJob, SuiteSummary
from lth_core.analysis.trials import Scores, Trial
from lth_core.analysis.verdict import summarise
from lth_core.text import plural

LEVEL_NAMES: dict[Level, str] = {"third": "about a third kept", "last": "the last round"}


def suite_findings(jobs: Sequence[SuiteJob], summary: SuiteSummary) -> tuple[Finding, ...]:
    """Each question with a count of the jobs' answers, then the answers; at the end what only a suite answers."""
    own = {
        job.name: findings(job.experiment, job.trials, summarise(job.experiment, job.trials, job.gone)) for job in jobs
    }
    found = []
    for question in dict.fromkeys(finding.question for answers in own.values() for finding in answers):
        answered = [(name, f) for name, fs in own.items() for f in fs if f.question == question and f.word != NOT_ASKED]
        if not answered or question.startswith("Does pruning help"):
            continue
        counts = Counter(finding.word for _, finding in answered)
        words = ", ".join(f"{word} {count}" for word, count in counts.most_common())
        counted = Line(
            next(iter(counts)) if len(counts) == 1 else "mixed", f"of {plural(len(answered), 'job')}: {words}"
        )
        said = [Line(one.word, f"{name}: {one.short}", one.facts) for name, f in answered for one in f.lines]
        found.append(Finding(question, words, (counted, *said)))
    lines = tuple(Line("", sentence) for sentence in sentences(summary))
    own_lines = [
        Line(a.word, f"{job.name}: {a.short}", a.facts)
        for job in summary.jobs
        for a in {answer.round: answer for answer in job.answers}.values()
    ]
    found.append(Finding("Does pruning help, leave alone or crash?", "", (*lines, *own_lines)))
    return (*found, *kept_or_pruned(jobs), *([summary.domains.finding] if summary.domains is not None else []))


def sentences(summary: SuiteSummary) -> Iterator[str]:
    """The suite's summary in sentences, per level."""
    for level in LEVELS:
        counts = [(word, summary.count(level, word)) for word in EFFECTS]
        said = ", ".join(f"{word} {'in ' if word == 'inconclusive' else ''}{n}" for word, n in counts if n)
        yield f"at {LEVEL_NAMES[level]}, of {plural(len(summary.jobs), 'job')} pruning: {said or 'nothing is known'}"


def kept_or_pruned(jobs: Sequence[SuiteJob]) -> Iterator[Finding]:
    """For each two jobs that differ only in `pruning.keep`: the arms of one against those of the other.

    Paired by seed, on the area over rounds, corrected over the arms. Rounds are compared, not densities: each job has
    pruned the same fraction of its prunable parameters, but less of the whole model if it keeps more.
    """
    for i, one in enumerate(jobs):
        for other in jobs[i + 1 :]:
            if _without_keep(one) == _without_keep(other):
                more, fewer = sorted((one, other), key=lambda job: -len(job.experiment.pruning.keep))
                yield _kept(more, fewer)


def _without_keep(job: SuiteJob) -> dict[str, Any]:
    fields = job.experiment.model_dump(mode="json", exclude={"name"})
    fields["pruning"].pop("keep")
    return fields


def _kept(more: SuiteJob, fewer: SuiteJob) -> Finding:
    labels = {job.name: f"keeping {', '.join(job.experiment.pruning.keep) or 'nothing'}" for job in (more, fewer)}
    trials: list[Trial] = []
    scores: Scores = {}
    for job in (more, fewer):
        own = JobScores(job.experiment, job.trials)
        for trial in job.trials:
            name = f"{trial.arm} {labels[job.name]}"
            trials.append(Trial(name, trial.round, trial.seed, trial.state, trial.score, trial.density))
            scores[name, trial.round] = own.raw(trial.arm, trial.round)
    pairs = [(f"{arm} {labels[more.name]}", f"{arm} {labels[fewer.name]}") for arm in more.experiment.ticket_arms]
    found = verdicts(more.experiment, trials, scores, pairs)
    sizes = " against ".join(f"{_left(job):.1%}" for job in (more, fewer))
    whole = (f"{sizes} of the whole model kept at the last round",) if _left(more) == _left(more) else ()
    kept = ", ".join(sorted(set(more.experiment.pruning.keep) ^ set(fewer.experiment.pruning.keep)))
    names = f"{more.name} and {fewer.name}"
    return Finding(
        f"{kept[:1].upper() + kept[1:]} pruned or kept?",
        found[more.experiment.ticket_arms.index(more.experiment.reference)].word,
        tuple(Line(v.word, f"{names}: {v.short}", (*v.facts, *whole)) for v in found),
    )


def _left(job: SuiteJob) -> float:
    """Fraction of the whole model that remains at the last round of the reference arm; NaN if unknown."""
    last, arm = job.experiment.pruning.rounds, job.experiment.reference
    known = [getattr(t, "model_density", None) for t in job.trials if (t.arm, t.round) == (arm, last)]
    return next((float(density) for density in known if density is not None), float("nan"))
