"""The frames of ERA5 that a run needs, from its scenario or from a start and a number of cycles."""

from dabench.core.errors import UserError
from dabench.scenario.load import load_scenario
from dabench.scenario.scenario import Scenario
from dabench.systems import make
from dabench.systems.gencast import official, sources
from dabench.systems.gencast.fetch import era5
from dabench.systems.gencast.frames import of_climate, of_run, parse


def request(
    scenario: str | None, start: str | None, cycles: int | None, resolution: float | None
) -> era5.Request:
    """The frames that a run needs.

    Arguments:
        scenario: Path or name; its system has the grid and the period.
        start: ISO time of cycle 0, in place of the scenario's.
        cycles: Number of cycles, in place of the scenario's.
        resolution: Grid spacing in degrees, in place of the system's.
    Raises: UserError where neither a scenario nor a period is named.
    """
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
    length = cycles or scenario.period.cycles
    times = of_run(begin, length if scenario.has_truth else 0)
    sources.warn_of_training_years(settings["model"], times[1:])
    levels = sorted({int(c.level) for c in layout.channels if c.level is not None})
    own = sources.spacing_of(settings["model"], settings.get("resolution"))
    climate = of_climate(begin, settings["climate"])
    return era5.Request(tuple(sorted({*climate, *times})), resolution or own, tuple(levels))
