"""`dabench fetch`: what is asked for, in words, to files in the cache."""

from pathlib import Path
from typing import Any

from rich.console import Console

from dabench.core.errors import UserError
from dabench.scenario.load import load_scenario
from dabench.scenario.scenario import Scenario
from dabench.scenario.validate import suggest
from dabench.systems import make
from dabench.systems.gencast import official, system
from dabench.systems.gencast.fetch import era5, progress, weights
from dabench.systems.gencast.frames import of_climate, of_run, parse

ERA5 = "era5"


def fetch(
    what: list[str],
    *,
    scenario: str | None = None,
    start: str | None = None,
    cycles: int | None = None,
    resolution: float | None = None,
    source: str | None = None,
    dest: Path | None = None,
    examples: bool = False,
    dry_run: bool = False,
    console: Console | None = None,
) -> list[Path]:
    """Models by name, or `era5`: the frames of a scenario or of a period.

    Arguments:
        scenario: Path or name; its system tells the grid and the period.
        start, cycles, resolution: In place of the scenario's.
        source, dest, examples, dry_run: As in `weights.fetch` and `era5.fetch`.
    """
    console = console or Console(stderr=True)
    known = (*official.MODELS, ERA5)
    for name in what:
        if name not in known:
            raise UserError(f"fetch: nothing is known as {name!r}; {suggest(name, known)}")
    found: list[Path] = []
    to: Any = {"source": source, "dest": dest, "dry_run": dry_run, "console": console}
    for name in what:
        if name == ERA5:
            wanted = request(scenario, start, cycles, resolution)
            found.append(era5.fetch(wanted, **to))
        else:
            found += weights.fetch(name, examples=examples, **to)
    if not dry_run:
        progress.line(console, f"next      {_next(what, scenario)}")
    return found


def request(
    scenario: str | None, start: str | None, cycles: int | None, resolution: float | None
) -> era5.Request:
    """The frames of a run; UserError where it is not said which."""
    if scenario is None:
        if start is None or cycles is None:
            raise UserError("fetch era5: give --scenario, or --start and --cycles")
        times = of_run(parse(start), cycles)
        return era5.Request(tuple(times), resolution or 1.0, official.LEVELS)
    loaded = load_scenario(scenario)
    if loaded.system.name != "gencast":
        raise UserError(f"{scenario}: its system {loaded.system.name} needs no ERA5; gencast does")
    return _of_scenario(loaded, start, cycles, resolution)


def _of_scenario(
    scenario: Scenario, start: str | None, cycles: int | None, resolution: float | None
) -> era5.Request:
    settings, layout = scenario.system.settings, make.layout(scenario)
    begin = parse(start or scenario.period.start or "")
    times = of_run(begin, cycles or scenario.period.cycles)
    system.warn_of_training_years(settings["model"], times[1:])
    levels = sorted({int(c.level) for c in layout.channels if c.level is not None})
    own = system.spacing_of(settings["model"], settings["resolution"])
    climate = of_climate(begin, settings["climate"])
    return era5.Request(tuple(sorted({*climate, *times})), resolution or own, tuple(levels))


def _next(what: list[str], scenario: str | None) -> str:
    if ERA5 not in what:
        return "dabench fetch era5 --scenario SCENARIO"
    return f"dabench run {scenario or 'SCENARIO'}"
