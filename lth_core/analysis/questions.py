"""The paper's questions, answered one by one in words and numbers for one job: the same text wherever it is shown."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lth_core.analysis.comparison import Scored, Verdict
from lth_core.analysis.effect import LEVELS, effect_of_pruning
from lth_core.analysis.matching import reach, reach_sentence
from lth_core.analysis.power import LEVEL, fewest_seeds
from lth_core.analysis.scores import JobScores
from lth_core.analysis.verdict import Summary, summarise
from lth_core.arms import Arm
from lth_core.experiment import Experiment

NOT_ASKED = "not asked"
Kind = Callable[[Arm], bool]


@dataclass(frozen=True)
class Finding:
    """A question and its answer. word: `better`, `helps`, ..., or `not asked`; text: whole sentences with numbers."""

    question: str
    word: str
    text: str


def findings(experiment: Experiment, trials: Iterable[Scored], summary: Summary | None = None) -> tuple[Finding, ...]:
    """All questions in the paper's order; `summary` where it is known already. Works while the job runs."""
    trials = list(trials)
    summary = summary or summarise(experiment, trials)
    scores = JobScores(experiment, trials)
    return (
        _against(experiment, summary, "Winning or random?", _is_random, "the job has no random arm"),
        _one_shot(experiment, summary),
        _late(experiment, summary),
        _against(experiment, summary, "The mask or the weights?", _is_same_mask, "no arm keeps the mask alone"),
        _against(
            experiment, summary, "Rewind, or go on training?", _is_retrained, "no arm starts from trained weights"
        ),
        *_others(experiment, summary),
        *_embeddings(experiment),
        _pruning(scores),
        Finding("How far can one prune?", _far_word(scores), _far(scores)),
    )


def _is_random(arm: Arm) -> bool:
    return arm.mask in ("random", "random_global")


def _is_one_shot(arm: Arm) -> bool:
    return arm.mask == "one_shot"


def _is_same_mask(arm: Arm) -> bool:
    return arm.mask in ("ticket", "shuffled")


def _is_retrained(arm: Arm) -> bool:
    return arm.mask == "iterative" and arm.weights == "final"


def _is_early(arm: Arm) -> bool:
    return arm.mask == "iterative" and arm.weights == "init"


_KINDS = (_is_random, _is_one_shot, _is_same_mask, _is_retrained, _is_early)


def _against(experiment: Experiment, summary: Summary, question: str, kind: Kind, missing: str) -> Finding:
    """What the verdicts against the controls of one kind say, and at which rounds each differs."""
    verdicts = [v for v in summary.verdicts if kind(experiment.arm_named(v.control))]
    if not verdicts:
        return Finding(question, NOT_ASKED, f"{NOT_ASKED}: {missing}")
    return Finding(question, _word(verdicts), "; ".join(_said(experiment, summary, v) for v in verdicts))


def _word(verdicts: Sequence[Verdict]) -> str:
    words = {verdict.word for verdict in verdicts}
    return words.pop() if len(words) == 1 else "mixed"


def _said(experiment: Experiment, summary: Summary, verdict: Verdict) -> str:
    """The verdict's sentence and, where the control is compared at each round, the rounds that differ by themselves."""
    if verdict.rounds == 0 or verdict.reference != experiment.reference:
        return verdict.text
    own = [c for c in summary.cells if c.arm == verdict.control and c.p is not None and c.difference is not None]
    decided = [c for c in own if c.p is not None and c.p <= LEVEL]
    rounds = len(experiment.rounds_of(verdict.control))
    if decided:
        where = ", ".join(f"{c.density:.1%}" for c in decided)
        return f"{verdict.text}; by themselves the rounds at {where} remaining differ (Holm over {rounds} rounds)"
    fewest = fewest_seeds(rounds)
    few = f", which takes at least {fewest} seeds" if verdict.effect.n < fewest else ""
    return f"{verdict.text}; no round differs by itself (Holm over {rounds} rounds{few})"


def _one_shot(experiment: Experiment, summary: Summary) -> Finding:
    found = _against(experiment, summary, "Iterative or one-shot?", _is_one_shot, "the job has no one-shot arm")
    below = [*summary.further, *(v for v in summary.verdicts if _is_one_shot(experiment.arm_named(v.reference)))]
    below = [v for v in below if _is_random(experiment.arm_named(v.control))]
    if not below:
        return found
    (verdict, *_) = below
    answer = {
        "worse": "and one-shot falls below random",
        "better": "and one-shot stays above random",
        "inconclusive": "whether one-shot falls below random is open",
    }[verdict.word]
    return Finding(found.question, found.word, f"{found.text}; {answer}: {verdict.text}")


def _late(experiment: Experiment, summary: Summary) -> Finding:
    question, point = "Late rewinding or not?", experiment.rewinding.weights
    if point == 0:
        return Finding(question, NOT_ASKED, f"{NOT_ASKED}: all tickets start from initialisation")
    found = _against(experiment, summary, question, _is_early, "no arm starts from initialisation")
    said = f"rewound to {point:,} {_unit(experiment)} of {experiment.training.length:,}: "
    return Finding(question, found.word, found.text if found.word == NOT_ASKED else said + found.text)


def _unit(experiment: Experiment) -> str:
    return str(getattr(experiment.training, "unit", "steps"))


def _others(experiment: Experiment, summary: Summary) -> Iterable[Finding]:
    """Controls that fall under no question above."""
    rest = [v for v in summary.verdicts if not any(kind(experiment.arm_named(v.control)) for kind in _KINDS)]
    for verdict in rest:
        question = f"{verdict.reference} or {verdict.control}?"
        yield Finding(question, verdict.word, _said(experiment, summary, verdict))


def _embeddings(experiment: Experiment) -> Iterable[Finding]:
    """Asked of networks that have embeddings; answered by a suite whose jobs differ in `pruning.keep` alone."""
    groups = [group for group in getattr(experiment.model, "groups", ()) if "embedding" in group]
    if groups:
        kept = [group for group in groups if group in experiment.pruning.keep]
        said = f"{', '.join(kept)} kept here" if kept else "pruned here"
        text = f"{NOT_ASKED}: {said}; a suite answers it whose jobs differ in pruning.keep alone"
        yield Finding("Embeddings pruned or kept?", NOT_ASKED, text)


def _pruning(scores: JobScores) -> Finding:
    answers = {answer.round: answer for answer in (effect_of_pruning(scores, level) for level in LEVELS)}
    words = list(dict.fromkeys(answer.word for answer in answers.values()))
    said = "; ".join(answer.text for answer in answers.values())
    return Finding("Does pruning help, leave alone or crash?", ", then ".join(words), said)


def _far_word(scores: JobScores) -> str:
    found = reach(scores, scores.experiment.reference)
    if found is None:
        return "no scale"
    return "not at all" if found.last is None else f"to {found.last.density:.1%}"


def _far(scores: JobScores) -> str:
    """How far the reference arm gets, and the others in short."""
    reference, parts = scores.experiment.reference, []
    for arm in scores.experiment.arms:
        found = reach(scores, arm) if arm != reference else None
        if found is not None:
            parts.append(f"{arm} {'at no sparsity' if found.last is None else f'to {found.last.density:.1%}'}")
    others = f"; the others: {', '.join(parts)}" if parts else ""
    return reach_sentence(reach(scores, reference), reference) + others
