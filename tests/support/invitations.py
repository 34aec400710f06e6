"""Invite members and find the links."""

import re

from videos.models import Invitation

PASSWORD = "a long enough word"


def link_in(answer) -> str:
    return re.search(r'id="secret-link"[^>]*>http://[^/<]+([^<]+)<', answer.content.decode()).group(1)


def invited(admin, **about) -> tuple[Invitation, str]:
    invitation, key = Invitation.objects.invite(admin, **about)
    return invitation, f"/invitations/{key}/"
