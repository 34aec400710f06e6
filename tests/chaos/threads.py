"""Threads that use the database, and whose exceptions are collected."""

import threading
from collections.abc import Callable
from typing import ParamSpec

from django.db import connections

P = ParamSpec("P")


class Threads:
    """Starts threads and waits for them; failures holds their exceptions."""

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def start(self, work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        def run() -> None:
            try:
                work(*args, **kwargs)
            except BaseException as error:
                self.failures.append(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=run, name=work.__qualname__, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait for all threads, also for those that are started meanwhile; raise their exceptions."""
        while self._threads:
            self._threads.pop().join()
        if self.failures:
            raise BaseExceptionGroup("a thread of the chaos test failed", self.failures)
