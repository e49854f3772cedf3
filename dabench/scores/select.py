"""Which runs are meant by folders, names of methods and names of scenarios."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dabench.core.errors import UserError
from dabench.runs.archive.read import attributes, find_runs
from dabench.scenario.validate import suggest
from dabench.scores.headlines import REFERENCE
from dabench.scores.score import current_scores


def choose(names: Sequence[str], home: Path) -> tuple[list[dict[str, Any]], str]:
    """The scores of the runs that are meant, and the method that others are to be held to.

    Arguments:
        names: Folders of runs or of folders of runs, or methods and scenarios found in `home`;
            none: all that is there.
        home: Where runs are kept.
    Returns:
        The reference is the last of the methods that were named, or that the named folders hold
        one each, where they are several; else the unconditional ensemble. Methods of which a seed
        was run twice are told apart by the folder of their seeds.
    """
    paths = [Path(name) for name in names if Path(name).exists()]
    runs = [folder for path in paths for folder in find_runs(path)]
    words = [name for name in names if not Path(name).exists()]
    if words or not names:
        runs += _named(words, home)
    runs = list({folder.absolute(): folder for folder in runs}.values())
    if not runs:
        raise UserError(f"no runs in {', '.join(names) or home}; `dabench run` makes some.")
    runs = [folder for folder in runs if (attributes(folder) or {}).get("completed", -1) >= 1]
    if not runs:
        raise UserError(f"{', '.join(names)}: no run there has ended its first cycle.")
    scores = _told_apart([current_scores(folder) for folder in runs], runs)
    methods = {folder: s["method"] for folder, s in zip(runs, scores, strict=True)}
    chosen = [word for word in words if word in methods.values()]
    if not words:
        chosen = _one_each(paths, methods)
    return scores, chosen[-1] if len(chosen) > 1 else REFERENCE


def _one_each(paths: Sequence[Path], methods: Mapping[Path, str]) -> list[str]:
    """The methods of folders that hold one each; none where one holds several."""
    found = [{m for f, m in methods.items() if path in (f, *f.parents)} for path in paths]
    whole = all(len(names) == 1 for names in found)
    return list(dict.fromkeys(name for names in found for name in names)) if whole else []


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
    """Where a seed of a method is there twice, the method's runs are called after their folders."""
    names = [(s["scenario"]["digest"], s["system"]["digest"], s["method"]) for s in scores]
    seeds = [(name, s["seed"]) for name, s in zip(names, scores, strict=True)]
    twice = {name for name, seed in seeds if seeds.count((name, seed)) > 1}
    pairs = zip(scores, names, folders, strict=True)
    return [s | {"method": str(f.parent)} if n in twice else s for s, n, f in pairs]
