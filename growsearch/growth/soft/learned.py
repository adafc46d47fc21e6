"""All that is trained beside the network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from growsearch.surgery import AxisEdit


class Learned(nn.Module):
    """The numbers behind the sizes, and for some sites the weights with which the size enters the hidden units.

    `inputs` gives, by site, how many values a unit has there; the weights `[units * values]` start at 0.
    """

    def __init__(self, learner: nn.Module, inputs: Mapping[str, int], units: Mapping[str, int], like: Tensor) -> None:
        super().__init__()
        self.learner = learner
        self.weights = nn.ParameterList(like.new_zeros(units[name] * each) for name, each in inputs.items())
        self._indices = {name: index for index, name in enumerate(inputs)}
        self._values = dict(inputs)

    def forward(self) -> Tensor:
        """The state `[sites]`."""
        state: Tensor = self.learner()
        return state

    def weight(self, site: str) -> Tensor:
        """The input weights of a site."""
        weight: Tensor = self.weights[self._indices[site]]
        return weight

    def growth(self, site: str, units: int) -> list[AxisEdit]:
        """What `units` more units at a site change: their input weights are 0."""
        if site not in self._indices:
            return []
        old, new = len(self.weight(site)), units * self._values[site]
        return [AxisEdit(f"weights.{self._indices[site]}", 0, (*range(old), *[-1] * new))]

    def groups(self, lr: float) -> list[dict[str, object]]:
        """Parameter groups: the sizes with their own learning rate, the input weights with the optimizer's."""
        sizes = {"params": list(self.learner.named_parameters(prefix="learner")), "lr": lr, "weight_decay": 0.0}
        weights = {"params": list(self.weights.named_parameters(prefix="weights")), "weight_decay": 0.0}
        return [sizes, weights] if self._indices else [sizes]
