"""Rules for environments that are stepped on the device: `training.environments_on`."""

from lth_core.errors import InputError
from lth_core.experiment.tables import Tables
from lth_core.settings.imitation import ImitationTask
from lth_core.settings.reinforcement import ActorCriticTraining
from lth_core.tasks.environments import Described

MOST_EPISODES = 10_000
"""Returns of each ticket's last episodes that are kept on a device."""


def check(experiment: Tables) -> None:
    """Raise ValueError if another field does not go with it."""
    task, training = experiment.task, experiment.training
    if isinstance(task, ImitationTask) and getattr(task.teacher.training, "environments_on", "host") == "device":
        raise ValueError('task.teacher.training.environments_on "device": expected "host"')
    if not isinstance(training, ActorCriticTraining) or training.environments_on == "host":
        return
    for wrong, expected in (
        (task.kind not in ("control", "minatar"), f'"host" with task.kind "{task.kind}"'),
        (bool(getattr(task, "code", None)), '"host" with environments and wrappers of other packages and files'),
        (training.sparse != "never", f'"host" with training.sparse "{training.sparse}", or sparse "never"'),
        (training.unit == "games", '"host" with training.unit "games", or unit "steps"'),
        (training.score_episodes > MOST_EPISODES, f"training.score_episodes of at most {MOST_EPISODES:,}"),
    ):
        if wrong:
            raise ValueError(f'training.environments_on "device": expected {expected}')


def check_environment(experiment: Tables, environments: Described) -> None:
    """Raise InputError if the environments have no form on a device."""
    if not getattr(environments, "on_device", False):
        raise InputError(
            f'training.environments_on "device": {experiment.task.subject} is stepped on the host only: '
            'expected "host", or CartPole-v1, Acrobot-v1, MountainCar-v0 or Pendulum-v1, without wrappers and arguments'
        )
