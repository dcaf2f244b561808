"""Creates the environments of a control task: by name, with arguments, inside wrappers."""

import copy
from contextlib import nullcontext
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator

from lth_core.errors import InputError
from lth_core.foreign import contained
from lth_core.settings.code import Named, named
from lth_core.settings.control import ControlTask
from lth_core.tasks import gym_spaces, imported
from lth_core.text import did_you_mean, one_line


class Maker:
    """Creates any number of environments of one task.

    Raises InputError, naming the field and what is accepted, if an environment or wrapper does not exist or cannot be
    created; it names the extra to install if a package is missing.
    """

    def __init__(self, task: ControlTask) -> None:
        self.task = task
        self.name = one_line(task.environment)
        # Code of others may raise anything; where there is none, what else is raised is a request to end us.
        self._raised = BaseException if task.code else (Exception, SystemExit)
        with contained(keep_variables=bool(task.code)):  # such as render_mode
            self.spec = copy.copy(self._spec())
            if task.time_limit is not None:
                self.spec.max_episode_steps = task.time_limit
            self._wrappers = [self._wrapper(place) for place in range(len(task.wrappers))]

    @property
    def plain(self) -> bool:
        """Whether it is registered with gymnasium and unchanged, except perhaps for its time limit."""
        return not (self.task.arguments or self.task.leave_out or self.task.code)

    @property
    def trusted(self) -> bool:
        """Whether it is one of gymnasium's own, which do not change the state of the process."""
        entry = self.spec.entry_point
        return not self.task.code and isinstance(entry, str) and entry.startswith("gymnasium.envs.")

    def make(
        self, *, checked: bool = False, kept: bool = False, inside: int | None = None, **more: Any
    ) -> gymnasium.Env[Any, Any]:
        """One environment. checked: run gymnasium's own checks. more: arguments in addition to the task's.

        kept: leave its changes of the process to the caller. inside: the number of wrappers to apply.
        """
        try:
            with nullcontext() if kept else contained():
                return self._made(checked, inside, more)
        except (InputError, KeyboardInterrupt):
            raise
        # Environments of missing packages fail in their own ways.
        except self._raised as error:
            raise InputError(f'task.environment "{self.name}" cannot be made: {self._reason(error)}') from error

    def observations(self, made: gymnasium.Env[Any, Any]) -> gym_spaces.Observations:
        """How to flatten an environment's observations, without the left-out entries."""
        return gym_spaces.observations(self.name, made.observation_space, self.task.leave_out)

    def _spec(self) -> EnvSpec:
        own = named(self.task.environment)
        if own is None:
            if self.task.environment in gymnasium.registry:
                return gymnasium.spec(self.task.environment)
            near, shown = did_you_mean(self.task.environment, gymnasium.registry), one_line(self.task.environment, 80)
            raise InputError(
                f'task.environment = "{shown}": expected a name that gymnasium has registered, MODULE:NAME of '
                f"an installed package, or PATH.py:NAME{near}"
            )
        within = self._module("environment", own)
        if own.name in gymnasium.registry:
            return gymnasium.spec(own.name)
        if not own.name.isidentifier():
            near = did_you_mean(own.name, gymnasium.registry)
            raise InputError(f'task.environment = "{self.name}": {own.imports} registers no {own.name}{near}')
        found = imported.a_class("task.environment", own, within, gymnasium.Env, but=(gymnasium.Wrapper,))
        return EnvSpec(own.name, found)  # type: ignore[arg-type]

    def _module(self, field: str, own: Named) -> Any:
        return imported.module(f"task.{field}", own, dict(self.task.contents).get(field))

    def _wrapper(self, place: int) -> type[Any]:
        own, field = self.task.code[f"wrappers.{place}"], f"wrappers.{place}"
        return imported.a_class(f"task.{field}", own, self._module(field, own), gymnasium.Wrapper)

    def _made(self, checked: bool, inside: int | None, more: dict[str, Any]) -> gymnasium.Env[Any, Any]:
        spec = copy.copy(self.spec)
        own = {**copy.deepcopy(self.spec.kwargs), **copy.deepcopy(self.task.arguments)}
        spec.kwargs = {**own, **more}
        if self.task.arguments:
            entry = spec.entry_point
            creator = load_env_creator(entry) if isinstance(entry, str) else entry
            imported.check_arguments("task.arguments", creator, own)
        # No gymnasium checker in training: it only warns, at the first step, of what is an error here.
        made = gymnasium.make(spec, disable_env_checker=None if checked else True)
        for place, wrapper in enumerate(self._wrappers[:inside]):
            made = self._wrapped(place, wrapper, made)
        _ = made.observation_space, made.action_space  # may be properties that raise
        return made

    def _wrapped(self, place: int, wrapper: Any, inner: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
        field, own = f"task.wrappers.{place}", self.task.wrappers[place]
        imported.check_arguments(f"{field}.arguments", wrapper, own.arguments, inner)
        try:
            made: gymnasium.Env[Any, Any] = wrapper(inner, **copy.deepcopy(own.arguments))
        except (Exception, SystemExit) as error:
            raise InputError(
                f'{field} = "{one_line(own.name)}": creating it raised {imported.in_words(error)}'
            ) from error
        return made

    def _reason(self, error: BaseException) -> str:
        """The fault, or what to install: gymnasium suggests its own extras, some of which need a compiler."""
        entry = self.spec.entry_point
        if isinstance(error, (ImportError, gymnasium.error.DependencyNotInstalled)) and isinstance(entry, str):
            for extra in ("box2d", "mujoco"):
                if entry.startswith(f"gymnasium.envs.{extra}"):
                    return f"its package is not installed: pip install 'lth-workbench[{extra}]'"
        return one_line(error) if isinstance(error, Exception) and one_line(error) else imported.in_words(error)
