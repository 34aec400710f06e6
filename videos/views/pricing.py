from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ..forms import TermsForm
from ..models import Balance, Pricing
from ..models.amounts import month_of


@require_http_methods(["GET", "POST"])
def pricing(request: HttpRequest) -> HttpResponse:
    """Prices and limits, for admins; and what of this month is used."""
    if not request.user.is_superuser:
        raise PermissionDenied("Only an admin sets prices and limits.")
    current = Pricing.current()
    form = TermsForm(request.POST or None, instance=current)
    if request.method == "POST" and form.is_valid():
        changed = form.save_by(request.user)
        messages.success(request, "Saved." if changed else "Nothing was changed.")
        return redirect("terms")
    now, used = Pricing.current(), Balance.objects.of_the_team(month_of())
    context = {"form": form, "used": used, "terms": now, "spent": now.amount(used.spent)}
    context["set_aside"] = now.amount(used.reserved) if used.reserved else ""
    context["limit"] = "" if now.team_limit is None else now.amount(now.team_limit)
    return render(request, "team/budget.html", context, status=422 if request.method == "POST" else 200)
