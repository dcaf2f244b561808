"""Supervised training of one ticket: an ordinary torch module, torch's own optimizers, masks on the real parameters.

It holds one ticket; `turns` makes stacks of several. Its lesson provides batches and loss.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lth_core.models.module import ModuleNetwork, buffers_of, fill_buffers
from lth_core.randomness import stream_seed
from lth_core.settings.supervised import Supervised
from lth_core.tickets.check import Check
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.drawn import Drawn
from lth_core.training.generators import Draws
from lth_core.training.precision import products
from lth_core.training.stack import Arrays, Stack, Start, under
from lth_core.training.supervised import optimizer as module_optimizer
from lth_core.training.supervised.averaging import Average
from lth_core.training.supervised.lesson import Batch, ByHand, Carry, Gradients, Lesson, Searching
from lth_core.training.supervised.masked_step import MaskedStep
from lth_core.training.supervised.second_look import SecondLook, Update
from lth_core.training.supervised.update_graphs import Graphs

NOTED = 16
"""How many updates of a dense run note their batches."""


def learning_rate(settings: Supervised, update: int, updates: int, per_unit: int = 1) -> float:
    """The learning rate of the update after `update` others, of the dense run's `updates`.

    Factors of the settings' rate: (update + 1) / warmup during warm-up. After it, for inverse_sqrt,
    sqrt(warmup / (update + 1)); for linear, a line from 1 to learning_rate_end at `updates`, then constant; for
    milestones, milestone_factor for each that is passed. per_unit: updates of one `unit`.
    """
    rate, warmup = settings.learning_rate, settings.warmup
    if update < warmup:
        return rate * (update + 1) / warmup
    if settings.learning_rate_schedule == "inverse_sqrt":
        return float(rate * (max(warmup, 1) / (update + 1)) ** 0.5)
    if settings.learning_rate_schedule == "linear":
        passed = min(1.0, (update - warmup) / max(1, updates - warmup))
        return rate * (1.0 - passed * (1.0 - settings.learning_rate_end))
    passed_by = sum(update >= at * per_unit for at in settings.milestones)
    return rate * settings.milestone_factor**passed_by


class SupervisedStack(Stack):
    """A stack of one ticket. Parameters without a mask cost nothing extra: a dense run is a plain training loop."""

    def __init__(
        self, settings: Supervised, network: ModuleNetwork, lesson: Lesson, starts: Sequence[Start], device: str
    ) -> None:
        super().__init__(starts)
        (start,) = starts
        self.settings, self.lesson = settings, lesson
        self.device = torch.device(device)
        self.module = network.module().to(self.device)
        self._parameters = dict(self.module.named_parameters())
        self._buffers = buffers_of(self.module)
        self._in_graph = settings.cuda_graph and self.device.type == "cuda"
        self.step = MaskedStep(settings, self._parameters, start.mask, self._in_graph)
        self.step.keeps_dense = bool(start.moves)
        self._draws = Draws(stream_seed(start.seed, "dropout"), self.device)
        self._drawn = Drawn(1)
        self._look = SecondLook.of(settings, self.module, getattr(lesson, "padding", None))
        self._carry: Carry = ()
        self._loss = torch.zeros((), device=self.device)
        self._updates = 0
        self._load(start.weights)
        self.step.masks.start()
        fill_buffers(self.module, start.statistics or {})
        running = {name: one for name, one in self._buffers.items() if one.is_floating_point()}
        self._average = Average({**self._parameters, **running}, settings.average, settings.average_every)
        self._gradients = self._by_hand()
        self._place()
        self._step: Callable[[], None] = self.step
        if settings.compile:
            self.module.compile(dynamic=True)
            self._step = torch.compile(self.step.__call__)
        if start.optimizer:
            alive = start.mask
            masked = {
                entry: {n: w * alive[n] if n in alive else w for n, w in weights.items()}
                for entry, weights in start.optimizer.items()
            }
            self.step.fill(masked)

    def _place(self) -> None:
        """Rebuild the update for the present memory of masks and parameters."""
        self._update = Graphs(self._learn, self.device).learn if self._in_graph else self._learn

    def _by_hand(self) -> Gradients | None:
        """The lesson's own gradients of the module's parameters, where it has them and they are faster."""
        settings = self.settings
        plain = settings.precision == "float32" and settings.accumulate == 1 and not settings.compile
        if self.device.type != "cpu" or not plain or not isinstance(self.lesson, ByHand):
            return None
        return self.lesson.gradients(self.module)

    @torch.no_grad()
    def _load(self, weights: Mapping[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(weights[name])

    @property
    def _per_epoch(self) -> int:
        """Updates per epoch; the last one may have fewer batches."""
        return -(-self.lesson.per_epoch // self.settings.accumulate)

    @property
    def steps_per_unit(self) -> int:
        """See Stack."""
        return self._per_epoch if self.settings.unit == "epochs" else 1

    @property
    def counter(self) -> npt.NDArray[np.int64]:
        """See Stack."""
        counter: npt.NDArray[np.int64] = (self.first + self.trained // self.steps_per_unit).astype(np.int64)
        return counter

    @property
    def _position(self) -> int:
        """Updates of the dense run up to here: the position in schedule and data (see `Stack.position`)."""
        first = int(self.first[0]) * self.steps_per_unit
        return self.trained + (first if first + self.trained >= 0 else 0)

    def update(self) -> None:
        """One step of the optimizer, on `accumulate` batches."""
        batches = self._batches()
        self._note(batches)
        dense = self.settings.length * self.steps_per_unit
        rate = learning_rate(self.settings, self._position, dense, self.steps_per_unit)
        module_optimizer.set_rate(self.step.optimizer, rate)
        share = 1 / sum(batch.predictions for batch in batches)
        looked = self._before(batches, share)
        if self._gradients is not None:
            self._loss += self._gradients(batches[0], share) * share
            self._step()
        else:
            self.module.train()
            with self._draws.lent():
                self._carry = self._update(batches, self._carry, share)
        if looked is not None:
            self._look.compare(self.module, self.step.masks.alive, looked, self._carry, self.trained + 1)
        else:
            self.step.hold()  # nothing reads gradients any more
        self.rates += rate
        self.trained += 1
        self._updates += 1
        self._average.take(int(self.last[0] - self.first[0]) * self.steps_per_unit - self.trained)

    def warm_up(self) -> None:
        """See Stack: of evaluations, too."""
        super().warm_up()
        if isinstance(self.lesson, Searching):
            self.lesson.search_as_trained()

    def _before(self, batches: Sequence[Batch], share: float) -> Update | None:
        """What the next update begins with, if it is to be computed again."""
        if not self.looks:
            return None
        first = self._position % self._per_epoch == 0
        generator = torch.from_numpy(self._draws.state()["generator/0"])
        return Update(batches, share, self.weights(0), self.statistics(0), generator, self._carry, first)

    @property
    def looks(self) -> bool:
        """Whether the next update is to be computed again."""
        return self._look.left > 0 and self.device.type == "cpu"

    def faults(self) -> dict[int, str]:
        """See Stack: of the stack's own updates."""
        return {0: f"audit: {self._look.sentence}"} if self._look.sentence else {}

    def checks(self, ticket: int, seed: int, score: float) -> list[Check]:
        """See Stack: updates computed again."""
        return self._look.check()

    def _note(self, batches: Sequence[Batch]) -> None:
        """Note the batches of every so many updates of the dense run, and the generators before the first."""
        if not self.trained:
            # The CPU's alone: arms may be trained on different devices.
            self._drawn.note("dropout", [[self._draws.state()["generator/0"]]])
        if self._position % max(1, self.settings.length * self.steps_per_unit // NOTED) == 0:
            tensors = [tensor.cpu().numpy() for batch in batches for tensor in batch.tensors.values()]
            self._drawn.note(f"batch of update {self._position:,}", [tensors])

    def _learn(self, batches: Sequence[Batch], carry: Carry, share: Tensor | float) -> Carry:
        """Losses, gradients and the step. share: weight of a prediction in the mean. Never waits for a GPU."""
        self.step.optimizer.zero_grad(set_to_none=True)
        with products(self.settings.precision, self.device):
            for batch in batches:
                loss, carry = self.lesson.loss(self.module, batch, carry)
                (loss * share).backward()
                self._loss += loss.detach() * share
        self._step()
        return carry

    def _batches(self) -> list[Batch]:
        """The batches of the next update; at the start of an epoch the carried state is reset."""
        epoch, update = divmod(self._position, self._per_epoch)
        if update == 0:
            self._carry = ()
        first = update * self.settings.accumulate
        places = range(first, min(first + self.settings.accumulate, self.lesson.per_epoch))
        return [self.lesson.batch(epoch, place).to(self.device) for place in places]

    def weights(self, ticket: int) -> Weights:
        """See Stack."""
        return {name: parameter.detach().cpu().clone() for name, parameter in self._parameters.items()}

    def optimizer_state(self, ticket: int) -> dict[str, Weights]:
        """See Stack."""
        return self.step.entries()

    def statistics(self, ticket: int) -> Weights:
        """See Stack: the module's buffers."""
        return {name: buffer.detach().cpu().clone() for name, buffer in self._buffers.items()}

    def drawn(self, ticket: int) -> dict[str, str]:
        """See Stack: batches, and the generators of dropout."""
        return self._drawn.of(ticket)

    def scored(self, ticket: int) -> Weights:
        """See Stack: the mean of weights and running statistics, if several points are averaged."""
        return self._average.mean()

    def broken(self) -> list[int]:
        """See Stack."""
        finite = torch.stack([torch.isfinite(parameter).all() for parameter in self._parameters.values()])
        return [] if bool(finite.all()) else [0]

    def metrics(self) -> list[dict[str, float]]:
        """See Stack: the mean loss of the updates since the last record."""
        return [{"loss/train": float(self._loss) / max(1, self._updates)}]

    def recorded(self, tickets: Sequence[int]) -> None:
        """See Stack."""
        self._loss.zero_()
        self._updates = 0

    @torch.no_grad()
    def validate(self, go_on: Callable[[], bool]) -> list[dict[str, float]]:
        """See Stack."""
        self.module.eval()
        with products(self.settings.precision, self.device):
            return [self.lesson.validate(self.module, go_on)]

    @torch.no_grad()
    def evaluate(self, rows: Sequence[int], go_on: Callable[[], bool]) -> list[dict[str, float]]:
        """See Stack. Only this reads the test part."""
        self.module.eval()
        with products(self.settings.precision, self.device), self._average.shown():
            return [self.lesson.test(self.module, go_on) for _ in rows]

    @torch.no_grad()
    def narrow(self, ticket: int, mask: Mask) -> None:
        """See Stack; applied to averaged weights too. In place if the same parameters had lost entries before."""
        if not self.step.narrow(mask):
            self._place()
        self._average.narrow({name: m for name, m in mask.items() if not bool(m.all())})

    def gradient(self, ticket: int) -> Weights:
        """See Stack; zero for parameters that had none."""
        found = self.step.dense
        return {
            name: found[name].detach().float().cpu().clone() if name in found else torch.zeros(one.shape)
            for name, one in self._parameters.items()
        }

    @property
    def done(self) -> npt.NDArray[np.float64]:
        """See Stack: by updates, however long an epoch is."""
        share: npt.NDArray[np.float64] = self.trained / ((self.last - self.first) * self.steps_per_unit)
        return share

    def forget(self, ticket: int) -> None:
        """See Stack: there is no score before the end."""

    def keep(self, tickets: Sequence[int]) -> None:
        """See Stack: there is only one ticket."""

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """See Stack."""
        arrays = {f"weight/{name}": weight.numpy() for name, weight in self.weights(0).items()}
        arrays |= {f"buffer/{name}": buffer.numpy() for name, buffer in self.statistics(0).items()}
        for entry, weights in self.optimizer_state(0).items():
            arrays |= {f"optimizer/{entry}/{name}": weight.numpy() for name, weight in weights.items()}
        arrays |= {f"carry/{i}": part.float().cpu().numpy() for i, part in enumerate(self._carry)}
        arrays["loss"] = self._loss.reshape(1).cpu().numpy().copy()
        return {**arrays, **self._average.state(), **self._draws.state()}, {
            "trained": self.trained,
            "updates": self._updates,
            "drawn": self._drawn.state(),
            "looked": self._look.state(),
        }

    def restore(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """See Stack."""
        self.trained, self._updates = values["trained"], values["updates"]
        self._drawn.restore(values.get("drawn"))
        self._look.restore(values.get("looked"))
        found = {key: torch.from_numpy(np.array(array)) for key, array in arrays.items()}
        self._load(under(found, "weight/"))  # masked already, perhaps by a mask that has changed since the start
        fill_buffers(self.module, under(found, "buffer/"))
        entries: dict[str, Weights] = {}
        for key, weight in under(found, "optimizer/").items():
            entry, _, name = key.partition("/")
            entries.setdefault(entry, {})[name] = weight
        self.step.fill(entries)
        carry = under(found, "carry/")
        # Copies, because numpy aligns memory differently from torch, and the bits of a product can depend on that.
        self._carry = tuple(carry[str(i)].clone().to(self.device) for i in range(len(carry)))
        self._loss = found["loss"].reshape(()).to(self.device)
        self._average.restore(arrays)
        self._draws.restore(arrays)
