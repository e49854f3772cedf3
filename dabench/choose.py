"""Which runs are meant by folders, names of methods and names of scenarios."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dabench.archive import attributes, find_runs
from dabench.errors import UserError
from dabench.explain import suggest
from dabench.headlines import REFERENCE
from dabench.score import current_scores


def choose(names: Sequence[str], home: Path) -> tuple[list[dict[str, Any]], str]:
    """The scores of the runs that are meant, and the method that others are to be held to.

    Arguments:
        names: Folders of runs or of folders of runs, or methods and scenarios found in `home`;
            none: all that is there.
        home: Where runs are kept.
    Returns:
        The reference is the last of the methods or runs that were named, where several were; else
        the unconditional ensemble. Runs that would have the same name are told apart by folder.
    """
    paths = [Path(name) for name in names if Path(name).exists()]
    runs = [folder for path in paths for folder in find_runs(path)]
    words = [name for name in names if not Path(name).exists()]
    if words or not names:
        runs += _named(words, home)
    if not runs:
        raise UserError(f"no runs in {', '.join(names) or home}; `dabench run` makes some.")
    scores = [current_scores(folder) for folder in runs]
    scores = _told_apart(scores, runs)
    methods = list(dict.fromkeys(s["method"] for s in scores))
    chosen = [word for word in words if word in methods]
    if len(paths) == len(runs) > 1:
        chosen = [s["method"] for s in scores]
    return scores, chosen[-1] if len(chosen) > 1 else REFERENCE


def _named(words: Sequence[str], home: Path) -> list[Path]:
    """Runs in `home` of the scenarios and methods of these names; of all, where only one kind is
    named."""
    known = {folder: attributes(folder) or {} for folder in find_runs(home)}
    known = {folder: a for folder, a in known.items() if a.get("completed", 0) >= 1}
    scenarios = {a["scenario"]["name"] for a in known.values()}
    methods = {a["method"] for a in known.values()}
    for word in words:
        if word not in scenarios | methods:
            raise UserError(
                f"{word!r} is no folder, and no scenario or method that was run in {home}; "
                f"{suggest(word, scenarios | methods)}"
            )
    wanted = [{*words} & kind or kind for kind in (scenarios, methods)]
    return [
        folder
        for folder, a in known.items()
        if a["scenario"]["name"] in wanted[0] and a["method"] in wanted[1]
    ]


def _told_apart(scores: list[dict[str, Any]], folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Two runs of one problem, method and seed are called after their folders."""
    names = [
        (s["scenario"]["digest"], s["system"]["digest"], s["method"], s["seed"]) for s in scores
    ]
    pairs = zip(scores, names, folders, strict=True)
    return [s | {"method": str(f)} if names.count(n) > 1 else s for s, n, f in pairs]
