"""Form fields and checks that several forms share."""

import re
import unicodedata
from typing import Any

from django import forms
from django.conf import settings

from ..limits import URL_LENGTH
from ..media import download
from ..models import ApiToken, Collection

# Tab and line breaks belong to a text; other control characters, lone surrogates and non-characters do not.
CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")

COLLECTION_GONE = "This collection no longer exists. Choose another one."


def single_line(value: str) -> str:
    """Return a name in one line, in composed Unicode and without characters that cannot be shown."""
    printable = "".join(letter for letter in unicodedata.normalize("NFC", value) if letter.isprintable())
    return " ".join(printable.split())


class CollectionField(forms.ModelChoiceField):
    """An optional collection, by its uuid."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Collection.objects.all(), required=False, to_field_name="uuid", **kwargs)
        self.error_messages["invalid_choice"] = COLLECTION_GONE

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except forms.ValidationError:  # not a uuid, too
            raise forms.ValidationError(COLLECTION_GONE) from None


class PublicLinkField(forms.CharField):
    """An http(s) link that the provider will fetch, on a public host or at a configured origin."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=URL_LENGTH, **kwargs)
        self.error_messages["max_length"] = f"The link is longer than {URL_LENGTH:,} characters."

    def clean(self, value: Any) -> str:
        link: str = super().clean(value)
        if link and (reason := download.check_public_host(link, _configured_origins())):
            raise forms.ValidationError(reason)
        return link


def _configured_origins() -> frozenset[download.Origin]:
    """Return the origins that may be private: the providers of the API tokens, and our own public address."""
    addresses = {*ApiToken.objects.values_list("base_url", flat=True).distinct()}
    if settings.PUBLIC_URL:
        addresses.add(settings.PUBLIC_URL)
    origins = set()
    for address in addresses:
        try:
            origins.add(download.origin_of(address))
        except download.NotAllowed:
            continue  # nothing can be fetched from such an address, so it allows nothing
    return frozenset(origins)
