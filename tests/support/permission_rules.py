"""Who may do what at each address: the table of all rules."""

from .endpoints import addresses

PEOPLE = ("nobody", "colleague", "author", "admin")

# The rows belong to their author, Ada. The colleague is a member without rows.
TEAM = """
name                   GET:  nobody colleague author admin   POST: nobody colleague author admin
studio                       login  seen      seen   seen          login  405       405    405
updates                      login  seen      seen   seen          login  405       405    405
login                        seen   302       302    302           seen   302       302    302
oidc                         404    302       302    302           405    405       405    405
oidc-callback                404    404       404    404           405    405       405    405
sign-in-link                 seen   seen      seen   seen          done   done      done   done
sign-in-link-oidc            404    404       404    404           405    405       405    405
invitation-oidc              404    404       404    404           405    405       405    405
identities                   login  404       404    404           login  405       405    405
identity-link                login  302       302    302           login  302       302    302
identity-removal             login  405       405    405           login  404       done   404
sign-in                      login  403       403    seen          login  405       405    405
sign-in-check                login  405       405    405           login  403       403    same
mail                         login  403       403    seen          login  403       403    422
logout                       login  405       405    405           login  same      same   same
admin-password               login  302       302    302           login  302       302    302
admin-login                  login  403       403    403           login  403       403    403
setup                        302    302       302    302           302    302       302    302
generations                  login  405       405    405           login  done      done   done
generation                   login  seen      seen   seen          login  405       405    405
extend                       login  seen      seen   seen          login  seen      seen   seen
reuse                        login  seen      seen   seen          login  405       405    405
video                        login  seen      seen   seen          login  405       405    405
thumbnail                    login  seen      seen   seen          login  405       405    405
poster                       login  seen      seen   seen          login  405       405    405
cancellation                 login  405       405    405           login  403       done   done
dismissal                    login  405       405    405           login  403       done   done
adoption                     login  405       405    405           login  403       done   done
retries                      login  405       405    405           login  403       done   done
saving                       login  405       405    405           login  403       done   done
move-to-trash                login  405       405    405           login  403       done   done
restoration                  login  405       405    405           login  403       done   done
deletion                     login  405       405    405           login  403       done   done
extract-frame                login  405       405    405           login  same      same   same
menu                         login  seen      seen   seen          login  405       405    405
star                         login  405       405    405           login  done      done   done
collections-of               login  405       405    405           login  done      done   done
choice                       login  405       405    405           login  done      done   done
compare                      login  seen      seen   seen          login  405       405    405
compare-updates              login  seen      seen   seen          login  405       405    405
collections                  login  seen      seen   seen          login  done      done   done
collection-renaming          login  405       405    405           login  done      done   done
collection-place             login  405       405    405           login  same      same   same
collection-removal           login  405       405    405           login  403       done   done
selection-stars              login  405       405    405           login  done      done   done
selection-collections        login  405       405    405           login  done      done   done
selection-trash              login  405       405    405           login  same      done   done
selection-restoration        login  405       405    405           login  same      done   done
selection-retries            login  405       405    405           login  same      done   done
selection-compare            login  405       405    405           login  same      same   same
selection-share              login  405       405    405           login  seen      seen   seen
selection-shares             login  302       302    302           login  done      done   done
selection-zip                login  405       405    405           login  seen      seen   seen
commands                     login  seen      seen   seen          login  405       405    405
trash                        login  seen      seen   seen          login  405       405    405
code                         login  405       405    405           login  seen      seen   seen
prompts                      login  seen      seen   seen          login  405       405    405
video-picker                 login  seen      seen   seen          login  seen      seen   seen
upload-frame                 login  405       405    405           login  422       422    422
frame                        login  seen      seen   seen          login  405       405    405
callback                     405    405       405    405           done   done      done   done
provider-frame               seen   seen      seen   seen          405    405       405    405
provider-video               seen   seen      seen   seen          405    405       405    405
guest                        seen   seen      seen   seen          405    405       405    405
guest-video                  seen   seen      seen   seen          405    405       405    405
guest-poster                 seen   seen      seen   seen          405    405       405    405
guest-zip                    seen   seen      seen   seen          405    405       405    405
own-shares                   login  seen      seen   seen          login  405       405    405
shares-of-collection         login  seen      seen   seen          login  done      done   done
shares-of                    login  seen      seen   seen          login  done      done   done
share-revocation             login  405       405    405           login  403       done   done
shares                       login  403       403    seen          login  405       405    405
invitation                   seen   seen      seen   seen          422    422       422    422
password_reset               seen   seen      seen   seen          422    422       422    422
password_reset_done          seen   seen      seen   seen          405    405       405    405
password_reset_confirm       302    302       302    302           302    302       302    302
profile                      login  seen      seen   seen          login  done      done   done
preferences                  login  405       405    405           login  done      done   done
password                     login  405       405    405           login  422       422    422
sign-out-elsewhere           login  405       405    405           login  done      done   done
team                         login  seen      seen   seen          login  405       405    405
audit-log                    login  403       403    seen          login  405       405    405
audit-log-csv                login  403       403    seen          login  405       405    405
invitations                  login  405       405    405           login  403       403    done
invitation-revocation        login  405       405    405           login  403       403    done
member                       login  403       403    seen          login  405       405    405
member-role                  login  405       405    405           login  403       403    done
member-activity              login  405       405    405           login  403       403    done
member-limit                 login  405       405    405           login  403       403    done
member-email                 login  405       405    405           login  403       403    done
member-password              login  405       405    405           login  403       403    done
healthz                      seen   seen      seen   seen          405    405       405    405
readyz                       503    503       503    503           405    405       405    405
metrics                      404    404       404    404           405    405       405    405
robots                       seen   seen      seen   seen          405    405       405    405
pricing                      login  403       403    seen          login  403       403    422
health                       login  403       403    seen          login  403       403    done
health-text                  login  403       403    seen          login  405       405    405
provider                     login  403       403    seen          login  405       405    405
provider-tokens              login  405       405    405           login  403       403    422
provider-test                login  405       405    405           login  403       403    422
provider-address             login  405       405    405           login  403       403    seen
provider-token-activity      login  405       405    405           login  403       403    done
provider-token-check         login  405       405    405           login  403       403    done
provider-token-secret        login  405       405    405           login  403       403    422
provider-token-settings      login  405       405    405           login  403       403    422
provider-token-removal       login  405       405    405           login  403       403    same
provider-held                login  405       405    405           login  403       403    same
missing                      login  403       403    seen          login  405       405    405
missing-adoptions            login  405       405    405           login  403       403    same
provider-account             login  403       403    seen          login  403       403    422
provider-account-warning     login  405       405    405           login  403       403    done
provider-account-reading     login  403       403    302           login  403       403    done
provider-account-removal     login  405       405    405           login  403       403    done
storage                      login  403       403    seen          login  405       405    405
storage-limits               login  405       405    405           login  403       403    422
storage-rejected             login  403       403    seen          login  403       403    same
backup-schedule              login  405       405    405           login  403       403    422
backups                      login  405       405    405           login  403       403    same
backup-verification          login  405       405    405           login  403       403    done
backup-download              login  403       403    seen          login  403       403    403
usage                        login  seen      seen   seen          login  405       405    405
usage-csv                    login  seen      seen   seen          login  405       405    405
"""

# The responses of the Django admin to an admin; it redirects all others to the sign-in. Empty forms and unknown rows: a
# redirect says that there is no such row.
ADMIN = """
name                                     GET   POST
index                                    seen  seen
login                                    403   403
logout                                   405   same
password_change                          302   302
password_change_done                     seen  405
autocomplete                             403   405
jsi18n                                   seen  405
view_on_site                             404   404
app_list                                 seen  seen
videos_apitoken_changelist               seen  seen
videos_apitoken_add                      seen  seen
videos_apitoken_change                   seen  seen
videos_apitoken_history                  seen  seen
videos_apitoken_delete                   403   403
videos_apitoken_test                     403   done
videos_apitoken_rotate                   seen  seen
videos_generation_changelist             seen  seen
videos_generation_add                    403   403
videos_generation_change                 seen  403
videos_generation_history                seen  seen
videos_generation_delete                 403   403
videos_generation_adopt                  seen  seen
videos_generation_release                403   same
videos_collection_changelist             seen  seen
videos_collection_add                    403   403
videos_collection_change                 seen  403
videos_collection_history                seen  seen
videos_collection_delete                 seen  seen
videos_share_changelist                  seen  seen
videos_share_add                         403   403
videos_share_change                      seen  403
videos_share_history                     seen  seen
videos_share_delete                      403   403
videos_event_changelist                  seen  seen
videos_event_add                         403   403
videos_event_change                      seen  403
videos_event_history                     seen  seen
videos_event_delete                      403   403
"""

# Patterns of the Django admin without a name: each model's old address of a row, and everything else.
NAMELESS = {"admin/(?P<url>.*)$": ("404", "404")} | {
    f"admin/{label}/<path:object_id>/": ("302", "302")
    for label in ("videos/apitoken", "videos/collection", "videos/event", "videos/generation", "videos/share")
}


def rows_of(table: str) -> dict[str, list[str]]:
    lines = [line.split() for line in table.strip().splitlines()[1:]]
    return {name: words for name, *words in lines}


def the_rules() -> dict[str, dict[tuple[str, str], str]]:
    """Return the expected result for each method and role, by URL name."""
    rules = {}
    for name, words in rows_of(TEAM).items():
        cases = [(method, who) for method in ("GET", "POST") for who in PEOPLE]
        rules[name] = dict(zip(cases, words, strict=True))
    of_the_admin = {f"admin:{name}": tuple(words) for name, words in rows_of(ADMIN).items()} | NAMELESS
    for name, words in of_the_admin.items():
        rules[name] = {(method, "admin"): word for method, word in zip(("GET", "POST"), words, strict=True)}
        for who in PEOPLE[:3]:
            rules[name] |= {(method, who): "closed" for method in ("GET", "POST")}
    # These stand before the admin's own.
    rules |= {"admin:login": rules["admin-login"], "admin:password_change": rules["admin-password"]}
    # Every signed-in member may sign out there too.
    rules["admin:logout"] |= {(method, who): "leaves" for method in ("GET", "POST") for who in PEOPLE[:3]}
    return rules


RULES = the_rules()

ADDRESSES = addresses()
