"""Another password for whoever forgot theirs: Django's own way, with our pages."""

from django.conf import settings
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator

from ..forms import NewPasswordForm
from ..models import Change


@method_decorator(login_not_required, name="dispatch")
class _Asking(auth.PasswordResetView):
    """Ask for a link by mail. The answer is the same whether the name is known or not."""

    form_class = NewPasswordForm
    template_name = "registration/password_reset.html"
    email_template_name = "mail/password_reset.txt"
    subject_template_name = "mail/password_reset_subject.txt"
    success_url = reverse_lazy("password_reset_done")
    extra_email_context = {"origin": settings.PUBLIC_URL}

    def get_context_data(self, **context):
        return super().get_context_data(can_mail=settings.CAN_MAIL, **context)

    def form_valid(self, form):
        return super().form_valid(form) if settings.CAN_MAIL else self.form_invalid(form)

    def form_invalid(self, form):
        return self.render_to_response(self.get_context_data(form=form), status=422)


@method_decorator(login_not_required, name="dispatch")
class _Choosing(auth.PasswordResetConfirmView):
    template_name = "registration/password_choose.html"
    success_url = reverse_lazy("login")

    def form_valid(self, form):
        answer = super().form_valid(form)
        Change.objects.note(self.user, f"{self.user.username} has a new password, by a link.", about=self.user)
        return answer


asking = _Asking.as_view()
sent = login_not_required(auth.PasswordResetDoneView.as_view(template_name="registration/password_sent.html"))
choosing = _Choosing.as_view()
