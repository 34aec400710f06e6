"""What a form would create and cost as it stands."""

from dataclasses import dataclass

from ..models import Allowance, OverBudget
from ..models.amounts import shown


@dataclass(frozen=True, slots=True)
class Estimate:
    """The videos of a form, and their cost beside what is left of the month's budget."""

    allowance: Allowance
    action: str
    prompts: int = 1
    takes: int = 1

    @property
    def videos(self) -> int:
        return self.prompts * self.takes

    @property
    def amount(self) -> int:
        """The cost in thousandths of a credit."""
        return self.videos * self.allowance.pricing.price_of(self.action)

    @property
    def videos_label(self) -> str:
        label = "1 video" if self.videos == 1 else f"{self.videos} videos"
        if self.prompts > 1 and self.takes > 1:
            return f"{label}: {self.prompts} prompts × {self.takes} takes"
        return label

    @property
    def cost_label(self) -> str:
        cost = self.allowance.pricing.amount(self.amount)
        return cost if self.allowance.left is None else f"{cost} of {shown(self.allowance.left)} left"

    @property
    def is_over_budget(self) -> bool:
        return self.allowance.left is not None and self.amount > self.allowance.left

    def over_budget(self, error: OverBudget) -> OverBudget:
        """Return this error about the whole form: it was raised for one prompt of several."""
        left = self.allowance.left_for_team if error.whose == "team" else self.allowance.left_for_member
        return OverBudget(error.whose, self.amount, left or 0, error.limit, self.allowance.pricing)
