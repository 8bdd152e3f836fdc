"""What ends a command early: the line that is shown, and the exit code."""

from __future__ import annotations


class CommandError(Exception):
    """A command cannot do what it was asked; the text is all that the user sees."""

    exit_code = 1


class InvalidDefinitionError(CommandError):
    """The campaign file or its list is invalid; nothing was started."""

    exit_code = 2
