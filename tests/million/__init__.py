"""Fill an empty, migrated database with as many generations as a studio of hundreds makes in two years.

    .venv/bin/python -m tests.million 1000000 [SEED]

fills the one that LUMAWEB_DATA_DIR or DATABASE_URL names; `fill(rows, seed)` does the same from a program. Importing
this package sets up Django. A million rows take little more than a minute, with the search index.

There are 40 members (the first is the admin `ada`; some make far more than others), 3 API tokens, submissions of one to
four takes, extensions, failures of many kinds, canceled, trashed and permanently deleted videos; a few are still open.
Requests spread over two years up to now, more of them lately, by day more than by night, and nothing changed in the
last five minutes. The names of saved files are there, the files are not. There are some stars, picks and collections,
and no events: no list reads them. The same seed makes the same rows but for their times, which end now.
"""

import os

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumaweb.settings")
if not apps.ready:
    django.setup()
