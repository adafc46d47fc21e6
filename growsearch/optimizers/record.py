"""What a record of an optimizer is: a frozen pydantic model whose fields are the options that a file may give."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import InputError

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Decay = Annotated[float, Field(ge=0, lt=1)]

Fill = Literal["zero", "mean"]
"""What a state tensor has where its parameter is new.

`zero`: 0 at new positions and at further copies of a unit, as a momentum. `mean`: the mean of the old slices at new
positions and a unit's own at its copies, as a second moment: from 0, Adam's first updates would be far larger.
"""


class OptimizerRecord(BaseModel, ABC):
    """Base of the records; an option that is left out keeps the optimizer's own default.

    `state` names every state tensor of the parameter's shape. Anything else of a state has to be a number, and is kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    summary: ClassVar[str]
    source: ClassVar[str]
    kind: ClassVar[type[Optimizer]]
    state: ClassVar[Mapping[str, Fill]] = {}
    refused: ClassVar[str | None] = None
    """Why its state cannot follow a growth; such an optimizer cannot be named in a file either."""
    matrices_only: ClassVar[bool] = False

    lr: Positive = Field(description="learning rate")

    def build(self, parameters: Mapping[str, nn.Parameter]) -> Optimizer:
        """Return the optimizer over named parameters; raises `InputError` for what it cannot train."""
        name = self.kind.__name__.lower()
        odd = next((each for each, parameter in parameters.items() if parameter.ndim != 2), None)
        if self.matrices_only and odd is not None:
            raise InputError(
                f"optimizer {name} trains matrices only, and {odd} has {parameters[odd].ndim} dimension(s): use it on "
                "fully connected networks without biases, or choose adamw"
            )
        try:
            make: Any = self.kind
            optimizer: Optimizer = make(list(parameters.values()), **self.model_dump(exclude_none=True))
            return optimizer
        except ValueError as error:
            raise InputError(f"optimizer {name}: {error}") from error

    @classmethod
    def first_state(cls, parameter: Tensor, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state that the optimizer gives a parameter before its first step; most give none."""
        return {}
