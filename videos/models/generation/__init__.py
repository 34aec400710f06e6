"""One requested video, from the form to the saved file.

`fields` has the columns, `queryset` the queries and `transition` the one guarded UPDATE. The modules for each phase
build on them: `submitting`, `uploading`, `post_errors`, `results`, `task_ids`, `polling`, `task_search`, `saving`,
`member_actions` and `trashing`. `model` puts them together.
"""

from .filters import Filters
from .model import Generation
from .provider_switch import Requeued
from .submitting import Claim
from .task_ids import Verdict

__all__ = ["Claim", "Filters", "Generation", "Requeued", "Verdict"]
