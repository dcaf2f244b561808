"""The paper's questions, answered in words and numbers for one job, with the same lines everywhere."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lth_core.analysis import kinds
from lth_core.analysis.comparison import Verdict, comparisons
from lth_core.analysis.critical import HALF, MOST, critical, why_not
from lth_core.analysis.effect import EFFECTS, LEVELS, effect_of_pruning
from lth_core.analysis.matching import reach, reach_facts, reach_short, reach_word
from lth_core.analysis.plasticity import MEASURES, plasticity
from lth_core.analysis.power import LEVEL, fewest_seeds
from lth_core.analysis.scores import JobScores
from lth_core.analysis.second_score import rescored
from lth_core.analysis.survival import Survival, down_to, kept_facts, kept_short
from lth_core.analysis.trials import Scored
from lth_core.analysis.verdict import Summary, summarise
from lth_core.experiment.baseline import baseline_notes
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.lengths import length_notes
from lth_core.text import significant

NOT_ASKED = "not asked"
WORDS = {"better", "worse", *EFFECTS}
"""Answers that are one of a few words, rather than a number."""


@dataclass(frozen=True)
class Line:
    """One answer. word: `better`, `helps`, ...; short: the answer and its size; facts: its basis, in clauses."""

    word: str
    short: str
    facts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The answer and its clauses."""
        return "; ".join((self.short, *self.facts))


@dataclass(frozen=True)
class Finding:
    """A question and its answers. word: what they have in common, `mixed`, or `not asked`."""

    question: str
    word: str
    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """Everything in one line."""
        return ". ".join(line.text for line in self.lines)

    def fields(self) -> dict[str, Any]:
        """The fields for files, with the text."""
        own = [{"word": line.word, "short": line.short, "facts": list(line.facts)} for line in self.lines]
        return {"question": self.question, "word": self.word, "text": self.text, "lines": own}


def findings(experiment: Experiment, trials: Iterable[Scored], summary: Summary | None = None) -> tuple[Finding, ...]:
    """All questions in the paper's order. summary: if already computed. Works while the job runs."""
    trials = list(trials)
    found = _answers(experiment, trials, summary or summarise(experiment, trials))
    return (*found, *_by_other_scores(experiment, trials, found))


def _answers(experiment: Experiment, trials: Sequence[Scored], summary: Summary) -> tuple[Finding, ...]:
    scores = JobScores(experiment, trials)
    return (
        _random(experiment, summary),
        _one_shot(experiment, summary),
        _late(experiment, summary),
        _against(experiment, summary, "The mask or the weights?", kinds.is_same_mask, "no arm keeps the mask alone"),
        _against(
            experiment, summary, "Rewind, or go on training?", kinds.is_retrained, "no arm starts from trained weights"
        ),
        _against(
            experiment, summary, "Or prune before training?", kinds.is_at_start, "no arm is pruned before its training"
        ),
        _against(experiment, summary, "Or prune while training?", kinds.is_gradual, "no arm is pruned while it trains"),
        *_if_there(experiment, summary, "Or sparse from the start?", kinds.is_from_start),
        _against(experiment, summary, "Or a smaller dense network?", kinds.is_smaller, "no arm is a smaller network"),
        *_if_there(experiment, summary, "Or a wider sparse network?", kinds.is_wider),
        _against(
            experiment, summary, "Or a ticket from elsewhere?", kinds.is_imported, "the experiment names no ticket"
        ),
        *_others(experiment, summary),
        *_embeddings(experiment),
        *_plastic(experiment, trials),
        _pruning(scores),
        _far(scores),
    )


def _by_other_scores(experiment: Experiment, trials: Sequence[Scored], found: Sequence[Finding]) -> Iterator[Finding]:
    """The answers that another measure of the same gives otherwise, in a line for each such measure."""
    for metric in experiment.training.scored[1:]:
        others = rescored(trials, metric)
        if not others:
            continue
        again = _answers(experiment, others, summarise(experiment, others))
        # From the end: a critical density, which leads, may be known of one measure alone.
        own, theirs = ({f.question: f.lines[::-1] for f in answers} for answers in (found, again))
        pairs = [pair for q in own for pair in zip(own[q], theirs.get(q, ()), strict=False)]
        differ = [other.short for one, other in pairs if {one.word, other.word} <= WORDS and one.word != other.word]
        if differ:
            over = experiment.training.said(metric)
            line = Line("otherwise", f"by {metric}: {'; '.join(differ)}", (f"{metric} is the mean of {over}",))
            yield Finding(f"Does {metric} say the same?", "otherwise", (line,))


def notes(experiment: Experiment, summary: Summary) -> Iterator[str]:
    """Notes on all answers of a job: corrections, and whether its seeds can decide anything."""
    yield from baseline_notes(experiment)
    yield from length_notes(experiment)
    if not any(verdict.rounds for verdict in (*summary.verdicts, *summary.further)):
        return
    if few_seeds := too_few(experiment):
        yield few_seeds
        return
    seeds, family = len(experiment.seeds), len(comparisons(experiment))
    rounds = max(len(experiment.rounds_of(arm)) for arm in experiment.arms)
    single = fewest_seeds(rounds)
    over = f"over {family} comparisons" if family > 1 else "of one comparison"
    few = f", which takes {single} seeds" if seeds < single else ""
    yield f"p: paired sign-flip, Holm {over}; rounds by themselves: Holm over {rounds}{few}"


def too_few(experiment: Experiment) -> str:
    """That so few seeds cannot give a verdict, whatever the scores, and how many it takes; empty if they can."""
    seeds, family = len(experiment.seeds), len(comparisons(experiment))
    fewest = fewest_seeds(family)
    if seeds >= fewest or not family:
        return ""
    among = f" among {family} comparisons" if family > 1 else ""
    return f"{seeds} seed{'s' * (seeds != 1)} cannot decide{among} (it takes {fewest}): read sizes, not verdicts"


def left_out(findings: Iterable[Finding]) -> str:
    """`not asked: Late rewinding or not (all tickets start ...); ...` in one line; empty if all are asked."""
    prefix = f"{NOT_ASKED}: "
    parts = [f"{f.question.rstrip('?')} ({f.text.removeprefix(prefix)})" for f in findings if f.word == NOT_ASKED]
    return prefix + "; ".join(parts) if parts else ""


def _not_asked(question: str, why: str) -> Finding:
    return Finding(question, NOT_ASKED, (Line(NOT_ASKED, f"{NOT_ASKED}: {why}"),))


def _against(
    experiment: Experiment, summary: Summary, question: str, kind: kinds.Kind, missing: str, *, by: bool = True
) -> Finding:
    """The verdicts against the controls of one kind, and the rounds at which each differs.

    by: also say which survives more pruning, as a clause.
    """
    verdicts = [v for v in summary.verdicts if kind(experiment.arm_named(v.control))]
    if not verdicts:
        return _not_asked(question, missing)
    return Finding(question, _word(verdicts), tuple(_line(experiment, summary, v, by=by) for v in verdicts))


def _random(experiment: Experiment, summary: Summary) -> Finding:
    """By critical density first, then by area; only by area if there are no critical densities."""
    question, missing = "Winning or random?", "the job has no random arm"
    verdicts = [v for v in summary.verdicts if kinds.is_random(experiment.arm_named(v.control))]
    own = [v.survival for v in verdicts if v.survival is not None]
    leads = bool(own) and not any(one.silent for one in own)
    found = _against(experiment, summary, question, kinds.is_random, missing, by=not leads)
    if not leads:
        return found
    return Finding(question, _word(own), (*(Line(one.word, one.short, one.facts) for one in own), *found.lines))


def _word(answers: Sequence[Verdict | Survival]) -> str:
    words: set[str] = {answer.word for answer in answers}
    return words.pop() if len(words) == 1 else "mixed"


def _line(experiment: Experiment, summary: Summary, verdict: Verdict, *, by: bool = True) -> Line:
    """The verdict and, if the control is compared at each round, the rounds that differ by themselves."""
    facts = list(verdict.facts)
    if by and verdict.rounds and verdict.survival is not None:
        facts.append(verdict.survival.clause)
    if verdict.rounds and verdict.reference == experiment.reference:
        own = [c for c in summary.cells if c.arm == verdict.control and c.p is not None and c.difference is not None]
        decided = [c for c in own if c.p is not None and c.p <= LEVEL]
        if decided:
            facts.append("by themselves differ " + ", ".join(f"{c.density:.1%}" for c in decided))
        elif len(experiment.seeds) >= fewest_seeds(len(experiment.rounds_of(verdict.control))):
            facts.append("no round differs by itself")
    return Line(verdict.word, verdict.short, tuple(facts))


def _one_shot(experiment: Experiment, summary: Summary) -> Finding:
    """Against one-shot pruning, and whether that is worse than random tickets."""
    found = _against(experiment, summary, "Iterative or one-shot?", kinds.is_one_shot, "the job has no one-shot arm")
    below = [*summary.further, *(v for v in summary.verdicts if kinds.is_one_shot(experiment.arm_named(v.reference)))]
    below = [v for v in below if kinds.is_random(experiment.arm_named(v.control))]
    if not below or found.word == NOT_ASKED:
        return found
    return Finding(found.question, found.word, (*found.lines, _line(experiment, summary, below[0])))


def _late(experiment: Experiment, summary: Summary) -> Finding:
    question, point = "Late rewinding or not?", experiment.rewind_point
    if point == 0:
        return _not_asked(question, "all tickets start from initialisation")
    found = _against(experiment, summary, question, kinds.is_early, "no arm starts from initialisation")
    if found.word == NOT_ASKED:
        return found
    said = f"rewound to {point:,} {_unit(experiment)} of {experiment.training.length:,}"
    return Finding(question, found.word, tuple(Line(o.word, o.short, (*o.facts, said)) for o in found.lines))


def _unit(experiment: Experiment) -> str:
    return str(getattr(experiment.training, "unit", "steps"))


def _others(experiment: Experiment, summary: Summary) -> Iterable[Finding]:
    """Controls without a question above."""
    rest = [v for v in summary.verdicts if not any(kind(experiment.arm_named(v.control)) for kind in kinds.ASKED)]
    for verdict in rest:
        question = f"{verdict.reference} or {verdict.control}?"
        yield Finding(question, verdict.word, (_line(experiment, summary, verdict),))


def _embeddings(experiment: Experiment) -> Iterable[Finding]:
    """For networks with embeddings; answered by a suite whose jobs differ only in `pruning.keep`."""
    groups = [group for group in getattr(experiment.model, "groups", ()) if "embedding" in group]
    if groups:
        kept = [group for group in groups if group in experiment.pruning.keep]
        said = f"{', '.join(kept)} kept here" if kept else "pruned here"
        why = f"{said}; a suite answers it whose jobs differ in pruning.keep alone"
        yield _not_asked("Embeddings pruned or kept?", why)


def _if_there(experiment: Experiment, summary: Summary, question: str, kind: kinds.Kind) -> Iterable[Finding]:
    """Asked only where there is an arm of the kind."""
    found = _against(experiment, summary, question, kind, "no arm is of that kind")
    if found.word != NOT_ASKED:
        yield found


def _plastic(experiment: Experiment, trials: Sequence[Scored]) -> Iterable[Finding]:
    """What was measured of plasticity at the end of trainings, mean over rounds; differences with intervals."""
    found = list(plasticity(experiment, trials))
    lines = []
    for metric in dict.fromkeys(one.metric for one in found):
        own = [one for one in found if one.metric == metric]
        short = f"{MEASURES[metric]}: " + ", ".join(f"{one.arm} {significant(one.value.value, 4)}" for one in own)
        dense = f"dense {significant(own[0].dense.value, 4)}"
        apart = [
            f"{experiment.reference} minus {one.arm} {one.difference.signed(3)}" for one in own
            if one.difference is not None
        ]  # fmt: skip
        lines.append(Line("", short, (dense, *apart)))
    if lines:
        yield Finding("Do networks stay plastic?", "measured", tuple(lines))


def _pruning(scores: JobScores) -> Finding:
    answers = {answer.round: answer for answer in (effect_of_pruning(scores, level) for level in LEVELS)}
    words = list(dict.fromkeys(answer.word for answer in answers.values()))
    lines = tuple(Line(answer.word, answer.short, answer.facts) for answer in answers.values())
    return Finding("Does pruning help, leave alone or crash?", ", then ".join(words), lines)


def _far(scores: JobScores) -> Finding:
    """How far the arms keep half of the gain; then how far the reference arm matches, and the others in short."""
    reference, parts, halves = scores.experiment.reference, [], []
    for arm in scores.experiment.ticket_arms:
        found = reach(scores, arm) if arm != reference else None
        if found is not None:
            parts.append(f"{arm} {'at no sparsity' if found.last is None else f'to {found.last.density:.1%}'}")
        half = critical(scores, arm, HALF) if arm != reference else None
        if half is not None:
            halves.append(f"{arm} {down_to(half)}")
    own, half = reach(scores, reference), critical(scores, reference, HALF)
    word = "no scale" if own is None else reach_word(own)
    facts = [*reach_facts(own), *([f"the others: {', '.join(parts)}"] if parts else [])]
    lines = [Line(word, reach_short(own, reference), tuple(facts))]
    if half is not None:
        others = [f"the others half: {', '.join(halves)}"] if halves else []
        word, short = f"half {down_to(half)}", kept_short(half, critical(scores, reference, MOST))
        lines.insert(0, Line(word, short, (*kept_facts(half), *others)))
    elif own is not None and (why := why_not(scores)):
        lines.append(Line("", f"no critical density: {why}"))
    return Finding("How far can one prune?", word, tuple(lines))
