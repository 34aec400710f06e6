"""Cleaning up on SIGTERM."""

import os
import signal

import pytest

from lumaweb.signals import exit_on_sigterm

ENDED = 128 + signal.SIGTERM


def test_sigterm_ends_the_program_like_an_exception():
    undone = []
    with pytest.raises(SystemExit) as end, exit_on_sigterm():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            undone.append(True)
    assert (end.value.code, undone) == (ENDED, [True])


def test_a_library_that_turns_the_exit_into_an_error_does_not_hide_it():
    def called_back() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit:
            raise RuntimeError("a callback failed") from None

    with pytest.raises(SystemExit) as end, exit_on_sigterm():
        called_back()
    assert end.value.code == ENDED


def test_an_error_without_a_signal_is_unchanged():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(RuntimeError), exit_on_sigterm():
        raise RuntimeError("a fault")
    assert signal.getsignal(signal.SIGTERM) == before
