"""Notes on other jobs of the same experiment."""

from types import SimpleNamespace
from typing import Any

from lth_core.analysis.related import related_notes
from tests.small import experiment


def job(number: int, *, done: int = 9, **fields: Any) -> Any:
    made = experiment(**{"arms": ["winning", "random"], "seeds": [0, 1, 2, 3, 4], **fields})
    return SimpleNamespace(id=number, experiment=made, trials_done=done, created=float(number))


def test_seeds_that_were_added_after_looking_are_said() -> None:
    first, more = job(1), job(2, name="other", seeds=list(range(8)))
    (note,) = related_notes(more, [first, more])
    assert note.startswith("n was raised from 5 (job 1) to 8 after looking: p-values are not those of a fixed n")
    assert not [*related_notes(first, [first, more])], "the first job was planned with its seeds"
    assert not [*related_notes(more, [job(1, done=0), more])], "nothing was there to look at"
    assert not [*related_notes(more, [job(1, seeds=[11, 12]), more])], "other seeds"
    assert not [*related_notes(more, [job(1, pruning={"rounds": 2}), more])], "another experiment"


def test_arms_that_are_split_over_jobs_shrink_the_family_and_that_is_said() -> None:
    one, other = job(1), job(2, arms=["winning", "reinit", "one_shot"])
    for held, numbers, own in ((one, "1 and 2", "1 comparison"), (other, "2 and 1", "2 comparisons")):
        (note,) = related_notes(held, [one, other])
        assert f"split over jobs ({numbers})" in note and f"over the {own} of this job" in note
        assert note.endswith("all of them together are 3")
    assert not [*related_notes(job(3, arms=["winning", "random", "reinit", "one_shot"]), [one, other])]
