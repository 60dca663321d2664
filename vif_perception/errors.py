"""The one error that every border of the package raises for bad input from outside."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Something from outside (message, bag, YAML, weights, image, argument) cannot be used.

    Args:
        what: what is wrong, with the offending value.
        where: topic, file or key it came from.
        accepted: what would have been accepted.
        remedy: what the user can do about it.
    """

    def __init__(self, what: str, *, where: str = '', accepted: str = '', remedy: str = ''):
        self.what = what
        self.where = where
        self.accepted = accepted
        self.remedy = remedy
        super().__init__(self._text())

    def _text(self) -> str:
        text = f'{self.where}: {self.what}' if self.where else self.what
        if self.accepted:
            text += f'; accepted: {self.accepted}'
        if self.remedy:
            text += f'; remedy: {self.remedy}'
        line = ' '.join(text.split())  # also when a library's words had several lines
        # names in a recording may hold what a terminal obeys or UTF-8 cannot say
        return ''.join(c if c.isprintable() else ascii(c)[1:-1] for c in line)

    def at(self, where: str) -> 'InputError':
        """Return the same error with the place filled in by the caller that knows it."""
        return InputError(
            self.what, where=where, accepted=self.accepted, remedy=self.remedy
        ) if not self.where else self


@contextmanager
def ends_with_one_line() -> Iterator[None]:
    """End a script on bad input as ``vif-perception`` does: one line on stderr, exit code 2."""
    try:
        yield
    except InputError as error:
        print(f'error: {error}', file=sys.stderr)
        raise SystemExit(2) from None
