"""The runs that folders, names of methods and names of scenarios mean."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dabench.core.errors import Caution, UserError
from dabench.runs.archive.read import attributes, can_be_scored, find_runs, has_scores
from dabench.scenario.validate import suggest
from dabench.scores.files import current_scores
from dabench.scores.headlines import REFERENCE
from dabench.scores.record import Scores


def choose(names: Sequence[str], home: Path, unweighted: bool = False) -> tuple[list[Scores], str]:
    """The scores of the runs that are meant, and the method that others are compared with.

    Arguments:
        names: Folders of runs or of folders of runs, or methods and scenarios with runs in `home`;
            without any, all runs in `home`.
        home: Folder of all runs.
        unweighted: Unweighted scores must be among them, see `score.score`.
    Returns:
        The reference is the last of the methods that were named, or that the named folders hold
        one each, where they are several; else the unconditional ensemble. Methods of which a seed
        was run twice are told apart by the folder of their seeds.
    """
    paths = [Path(name) for name in names if Path(name).exists()]
    folders = [folder for path in paths for folder in find_runs(path)]
    words = [name for name in names if not Path(name).exists()]
    if words or not paths:
        folders += _named(words, home)
    folders = list({folder.absolute(): folder for folder in folders}.values())
    if not folders:
        raise UserError(f"no runs in {', '.join(names) or home}; `dabench run` makes some.")
    scores = {folder: _scores(folder, unweighted, folder in paths) for folder in folders}
    scores = {folder: run for folder, run in scores.items() if run}
    if not scores:
        raise UserError(f"{', '.join(names) or home}: no run there has ended its first cycle.")
    folders = list(scores)
    runs = _told_apart(list(scores.values()), folders)
    methods = {folder: run.method for folder, run in zip(folders, runs, strict=True)}
    compared = [word for word in words if word in methods.values()]
    if not words:
        compared = _one_each(paths, methods)
    return runs, compared[-1] if len(compared) > 1 else REFERENCE


def _scores(folder: Path, unweighted: bool, required: bool) -> Scores | None:
    """The scores of a run; None, with a caution, of a damaged one, and of one without a cycle.

    Arguments:
        required: Whether the run was named itself, so that damage is an error.
    """
    try:
        return current_scores(folder, unweighted) if has_scores(folder) else None
    except UserError as e:
        if required:
            raise
        warnings.warn(f"left out: {e}", Caution, stacklevel=2)
        return None


def _attributes(folder: Path) -> Mapping[str, Any]:
    """The root attributes of a run; empty, with a caution, of a damaged one."""
    try:
        return attributes(folder) or {}
    except UserError as e:
        warnings.warn(f"left out: {e}", Caution, stacklevel=2)
        return {}


def _one_each(paths: Sequence[Path], methods: Mapping[Path, str]) -> list[str]:
    """The methods of folders that hold one each; none where one holds several."""
    methods_of = [{m for f, m in methods.items() if path in (f, *f.parents)} for path in paths]
    if any(len(names) != 1 for names in methods_of):
        return []
    return list(dict.fromkeys(name for names in methods_of for name in names))


def _named(words: Sequence[str], home: Path) -> list[Path]:
    """Runs in `home` of the scenarios and methods with these names.

    Where only scenarios are named, all methods are meant, and the other way round.
    """
    archives = {folder: _attributes(folder) for folder in find_runs(home)}
    archives = {folder: a for folder, a in archives.items() if can_be_scored(a)}
    scenarios = {a["scenario"]["name"] for a in archives.values()}
    methods = {a["method"] for a in archives.values()}
    for word in words:
        if word not in scenarios | methods:
            raise UserError(
                f"{word!r} is no folder, and no scenario or method that was run in {home}; "
                f"{suggest(word, scenarios | methods)}"
            )
    of_scenarios, of_methods = ({*words} & names or names for names in (scenarios, methods))
    return [
        folder
        for folder, a in archives.items()
        if a["scenario"]["name"] in of_scenarios and a["method"] in of_methods
    ]


def _told_apart(runs: Sequence[Scores], folders: Sequence[Path]) -> list[Scores]:
    """The runs, with the folder in place of the method's name where a seed of it is there twice."""
    names = [(run.problem.scenario_digest, run.problem.system_digest, run.method) for run in runs]
    seeds = [(name, run.seed) for name, run in zip(names, runs, strict=True)]
    twice = {name for name, seed in seeds if seeds.count((name, seed)) > 1}
    return [
        run.replace(method=str(folder.parent)) if name in twice else run
        for run, name, folder in zip(runs, names, folders, strict=True)
    ]
