"""A stack of actor-critics whose environments run on its device: a whole update is one function that waits for nothing.

On a GPU it is captured as one CUDA graph; on a CPU it is called. Only records, checkpoints, changes of masks and the
audit's second looks wait for the device.
"""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor

from lth_core.settings.control import ControlTask
from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.step import UNLIMITED
from lth_core.tickets.check import Check
from lth_core.training.cuda_graphs import Replayed
from lth_core.training.reinforcement.learning import Learnt, learn
from lth_core.training.reinforcement.on_device import second_draws
from lth_core.training.reinforcement.on_device.rollout import DeviceCollector
from lth_core.training.reinforcement.rollout import Rollout
from lth_core.training.reinforcement.second_look import Looked
from lth_core.training.reinforcement.stack import ActorCriticStack


class DeviceStack(ActorCriticStack):
    """See ActorCriticStack."""

    def _make_collector(self, spans: Sequence[int]) -> Any:
        return DeviceCollector(
            cast(ControlTask | MinAtarTask, self._task), self.training, self.seeds, spans, self.device
        )

    @property
    def _own(self) -> DeviceCollector:
        return cast(DeviceCollector, self.collector)

    def _place(self) -> None:
        self._whole = Replayed(self.whole, self.device)

    def whole(self, rate: Tensor) -> tuple[list[Learnt], Tensor | None]:
        """Act, step, store and learn at learning rates (T, 1); the minibatches, and the states learnt from if asked."""
        orders = self._own.orders(self.algorithm.epochs)
        rollout = self._collect()
        learnt = learn(self.algorithm, self.parameters, rollout, rate, orders)
        return learnt, rollout.activations[0] if self.training.plasticity else None

    def _collect(self) -> Rollout:
        return self._own.collect(self.parameters, everything=not self.algorithm.epochs)

    def _update(self) -> None:
        rate, watched = self._rate(), self._is_watched()
        self._own.note_drawn(self.algorithm.epochs)
        self.trained += self.training.n_steps * self.training.environments
        self._losses = {}
        self.rates += rate.numpy()[:, 0]
        self._learnt, self._seen = self._watched(rate) if watched else self._whole(rate)

    def _is_watched(self) -> bool:
        """Whether the audit looks at this update, if it lacks something that can come: the first one, and the first
        after each record, for which the device has been waited for."""
        size, every, own = self.training.n_steps * self.training.environments, self.training.record_every, self._own
        comes = {"termination": own.environments.terminates, "time limit": own.environments.limit < UNLIMITED}
        lacks = any(comes.get(kind, True) for kind in self._look.left)
        return lacks and self.trained // every > (self.trained - size) // every

    def _watched(self, rate: Tensor) -> tuple[list[Learnt], Tensor | None]:
        """An update that is looked at again; the same as `whole`, step by step."""
        orders, clock = self._own.orders(self.algorithm.epochs), int(self._own.clock)
        self._own.watched = True
        rollout = self._collect()
        self._own.watched = False
        found = self._own.found
        ticket = None if found is None else self._look.ticket(found, self.broken)
        looked = None
        if found is not None and ticket is not None:
            looked = Looked(self._network, self.parameters, ticket, found, rollout, orders)
            self.parameters.watch = looked.step
        learnt = learn(self.algorithm, self.parameters, rollout, rate.to(self.device), orders)
        self.parameters.watch = None
        if looked is not None and ticket is not None:
            update = self.trained // rollout.size
            self._look.compare(looked, update)
            if not self._look.sentence and not looked.diverged:
                self._look.sentence = second_draws.differ(looked, self.seeds[ticket], clock, update)
        return learnt, rollout.activations[0] if self.training.plasticity else None

    def warm_up(self) -> None:
        """See Stack: the audit looks at the first update, and a GPU captures the third."""
        for _ in range(3):
            self.update()

    @property
    def can_save(self) -> bool:
        """See Stack: always."""
        return True

    def check_of_actions(self, ticket: int, seed: int, updates: int) -> Check:
        """See ActorCriticStack."""
        keys, clock = self._own.streams_of(ticket), int(self._own.clock)
        return second_draws.check(keys, clock, seed, updates * self.training.n_steps, updates)
