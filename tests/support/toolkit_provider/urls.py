from django.conf import settings
from django.contrib.auth.views import LoginView
from django.urls import include, path
from oauth2_provider import urls
from oauth2_provider.oauth2_validators import OAuth2Validator

urlpatterns = [path("sign-in/", LoginView.as_view()), path("o/", include(urls))]


class Validator(OAuth2Validator):
    """The toolkit's rules, with the claims that the test gives."""

    oidc_claim_scope = OAuth2Validator.oidc_claim_scope | {"groups": "groups"}

    def get_additional_claims(self, request):
        return settings.GIVEN["people"][request.user.username]
