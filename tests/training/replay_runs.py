"""What holds of every algorithm that learns from replay buffers: in any stack, and stopped and resumed."""

from lth_core.experiment.experiment import Experiment
from lth_core.training.families import make_model, make_stack
from lth_core.training.run import RunningTrial
from lth_core.training.values.replay_stack import ReplayStack
from tests.small import Memory, digest, stack_run, starts


def made(own: Experiment, tickets: list[int]) -> ReplayStack:
    """A stack of some of an experiment's tickets."""
    _, all_of_them = starts(own, max(tickets) + 1)
    one = make_stack(own, make_model(own), [all_of_them[t] for t in tickets], "cpu")
    assert isinstance(one, ReplayStack)
    return one


def in_a_stack_and_alone(own: Experiment, updates: int) -> tuple[ReplayStack, ReplayStack]:
    """A ticket in a stack, first of three and then of two, and alone, after the same updates; asserts equal bits."""
    together, alone = made(own, [0, 1, 2]), made(own, [1])
    for _ in range(updates):
        together.update()
        alone.update()
    together.keep([1, 2])
    for _ in range(4):
        together.update()
        alone.update()
    assert alone.trained > alone.training.learning_starts
    assert digest(together, 0) == digest(alone, 0)
    assert (together.target[0] == alone.target[0]).all()
    assert together.evaluate([0, 1], lambda: True)[0] == alone.evaluate([0], lambda: True)[0]
    return together, alone


def stopped_and_resumed(own: Experiment, stop_at: int) -> list[RunningTrial]:
    """The trials of a whole run; asserts that one stopped and resumed ends with the same bits, and that together the
    checkpoints hold each transition once."""
    _, begun = starts(own, 2)
    whole, first, second = Memory(), Memory(stop_at=stop_at), Memory()
    run = stack_run(own, begun, whole)
    trials = list(run.trials)
    assert run.run()
    assert not stack_run(own, begun, first).run()
    resumed = stack_run(own, begun, second)
    resumed.restore(*first.newest())
    assert resumed.run()
    assert not whole.failures
    assert not second.failures
    assert all(whole.same_results(second, trial) for trial in (0, 1))
    written = [one.shape[0] for _, arrays, _ in whole.checkpoints for name, one in arrays.items() if "log/0/" in name]
    assert sum(written) == whole.checkpoints[-1][2]["log"]["total"]
    return trials
