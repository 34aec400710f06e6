"""Response times of views, for /metrics."""

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from django.http.response import HttpResponseBase

from ..models import histogram

P = ParamSpec("P")


def timed(name: str) -> Callable[[Callable[P, HttpResponseBase]], Callable[P, HttpResponseBase]]:
    """Record a view's response times in the histogram `name`, labelled by status; an exception counts as 500."""

    def decorate(view: Callable[P, HttpResponseBase]) -> Callable[P, HttpResponseBase]:
        @wraps(view)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            started, status = time.perf_counter(), 500
            try:
                response = view(*args, **kwargs)
                status = response.status_code
                return response
            finally:
                histogram.observe(name, str(status), time.perf_counter() - started)

        return wrapper

    return decorate
