"""Prices and limits."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ..forms import PricingForm
from ..models import Balance, Pricing
from ..models.amounts import month_of
from .access import admins_only
from .requests import MemberRequest


@require_http_methods(["GET", "POST"])
@admins_only
def pricing(request: MemberRequest) -> HttpResponse:
    """Show and save prices and limits, beside what was used this month."""
    form = PricingForm(request.POST or None, instance=Pricing.current())
    if request.method == "POST" and form.is_valid():
        changed = form.save_by(request.user)
        messages.success(request, "Saved." if changed else "No changes to save.")
        return redirect("pricing")
    # The form writes its input into its own instance, so read the stored prices again.
    current, used = Pricing.current(), Balance.objects.of_the_team(month_of())
    context = {
        "form": form,
        "pricing": current,
        "used_of_limit": used.used,
        "spent": current.amount(used.charged),
        "simulated": current.amount(used.simulated) if used.simulated else "",
        "reserved": current.amount(used.reserved) if used.reserved else "",
        "limit": "" if current.team_limit is None else current.amount(current.team_limit),
    }
    return render(request, "team/budget.html", context, status=422 if request.method == "POST" else 200)
