"""From names and numbers in a file to a factory's checked keyword arguments."""

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the likely one, and all there are."""
    names = sorted(known)
    close = get_close_matches(str(word), names, 1)
    hint = f". Did you mean {close[0]!r}?" if close else "."
    return f"{hint} Known: {', '.join(names)}"
