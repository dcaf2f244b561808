"""The experiment: values derived from its fields, its canonical form and its identity. Reads no files."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import model_validator

from lth_core.experiment import rules
from lth_core.experiment.tables import Tables, with_kinds
from lth_core.text import one_line


def _refuse(value: Any) -> Any:
    raise ValueError(f"{one_line(value, 80)}: dates and times are not accepted")


class Experiment(Tables):
    """One resolved experiment; equal files give equal values, and an equal `identity`."""

    def canonical(self) -> str:
        """Canonical JSON: every field with its value, keys sorted, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @property
    def identity(self) -> str:
        """SHA-256 of the canonical JSON without name, launcher and the path of a ticket (its content is included).
        So an experiment keeps its identity under any name and wherever it runs."""
        fields = {key: value for key, value in self.identifying().items() if key not in ("name", "launcher")}
        if self.ticket is not None:
            del fields["ticket"]["path"]
        return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """An experiment from the plain data of a TOML file; a table without a kind gets the task's default kind.

        Raises pydantic.ValidationError, or ValueError for values that JSON cannot represent.
        """
        return cls.model_validate_json(json.dumps(with_kinds(fields), default=_refuse))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild from `canonical()`; raises pydantic.ValidationError on anything else."""
        return cls.model_validate_json(text)

    def described(self, arm: str) -> str:
        """A short description of an arm."""
        definition = self.arm_named(arm)
        mask = definition.mask + (f" of {definition.of}" if definition.borrows_mask else "")
        if definition.mask == "smaller":
            return f"a smaller network with the parameters of {definition.of}, schedule {self.schedule_of(arm)}"
        if definition.mask == "wider":
            return (
                f"a network {definition.width:g} times as wide, mask random ({self.pruning.moving.distribution}), as "
                f"many living parameters as {definition.of}, schedule {self.schedule_of(arm)}"
            )
        if definition.prunes:
            at = {"experiment": "", "init": " at initialisation", "rewind": " at the rewind point"}[definition.at]
            mask += f" by {self.criterion_of(arm)}{at}"
        if definition.unpruned:
            mask = "full (nothing pruned)"
        if definition.from_start:
            mask += f" (random at first, {self.pruning.moving.distribution}{self._movement(arm)})"
        return f"mask {mask}, weights {definition.weights}, schedule {self.schedule_of(arm)}"

    def _movement(self, arm: str) -> str:
        """How the mask of an arm moves, in words."""
        moving, mask = self.pruning.moving, self.arm_named(arm).mask
        if mask == "static":
            return ", never moves"
        where = "random places" if mask == "set" else "the largest gradients of dead weights"
        return (
            f"; every {moving.interval:.2%} of the training until {moving.end:.0%} the smallest {moving.drop:.0%} of "
            f"each layer, falling to 0 as a cosine, move to {where}"
        )

    def rounds_of(self, arm: str) -> tuple[int, ...]:
        """The rounds from 1 on at which an arm is trained; with an imported mask, those that have tickets."""
        definition = self.arm_named(arm)
        if definition.unpruned:
            return (1,)
        if definition.mask == "imported":
            return self.ticket.rounds if self.ticket is not None else ()
        return self.rounds_of(definition.of) if definition.borrows_mask else tuple(range(1, self.pruning.rounds + 1))

    @property
    def reference(self) -> str:
        """The arm that verdicts and audits compare with: `winning`, or else the first with the experiment's network."""
        own = (arm for arm in self.ticket_arms if self.arm_named(arm).shares_network)
        return "winning" if "winning" in self.arms else next(own, self.ticket_arms[0])

    @property
    def ticket_arms(self) -> tuple[str, ...]:
        """The arms, without those that train the unpruned network."""
        return tuple(arm for arm in self.arms if not self.arm_named(arm).unpruned)

    def compared_with(self, arm: str) -> str | None:
        """The arm that `arm` controls for: the one whose mask or size it borrows, else the reference."""
        definition = self.arm_named(arm)
        if definition.refers:
            return definition.of
        return None if definition.unpruned or arm == self.reference else self.reference

    @model_validator(mode="after")
    def _rules(self) -> Self:
        rules.check(self)
        return self
