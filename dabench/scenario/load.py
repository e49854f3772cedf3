"""Scenarios from YAML files, and scenarios with a few values changed."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from dabench.core.errors import UserError
from dabench.scenario import catalogue, settings, values, yamlfile
from dabench.scenario.locations import read_stations
from dabench.scenario.scenario import FOR_SYSTEM, Choice, Scenario
from dabench.scenario.validate import InputProblem, report, validate
from dabench.scenario.yamlfile import Document, Key, Keys


def with_changes(scenario: Scenario, changes: dict[str, Any]) -> Scenario:
    """The scenario with other values at dotted paths such as `observations.0.error_std`.

    UserError where a path leads nowhere, or the changed values are no scenario.
    """
    data = scenario.plain()
    for name, value in changes.items():
        keys: list[Any] = [int(key) if key.isdigit() else key for key in name.split(".")]
        *path, last = keys
        here: Any = data
        try:
            for key in path:
                here = here[key]
            _ = here[last] if isinstance(here, list) else dict(here)
            here[last] = value
        except (LookupError, TypeError, ValueError):
            raise UserError(f"{scenario.name}: has no {name} that could be set") from None
    return _checked(Document(f"scenario {scenario.name}, changed", data, {(): "-"}))


def change(
    scenario: Scenario,
    *,
    cycles: int | None = None,
    seed: int | None = None,
    system: str | None = None,
) -> Scenario:
    """The scenario with other cycles, seed or system.

    The spin-up shrinks to half of the cycles where it would leave fewer.

    Arguments:
        scenario: The scenario.
        cycles: Number of cycles.
        seed: Seed of everything random.
        system: A system's name, or YAML with its settings such as `{name: lorenz96, size: 8}`.
    """
    document = scenario.document
    data, lines = scenario.plain(), dict(document.lines)
    if cycles is not None:
        spinup = min(scenario.period.spinup, max(cycles, 0) // 2)
        data["period"] |= {"cycles": cycles, "spinup": spinup}
        lines["period", "cycles"] = "--cycles"
    if seed is not None:
        data["seed"] = seed
        lines["seed",] = "--seed"
    if system is not None:
        data["system"] = yamlfile.parse(system, "--system").data
        data["period"] |= dict.fromkeys(FOR_SYSTEM)
        if isinstance(data["system"], str):
            data["system"] = {"name": data["system"]}
        lines = {k: v for k, v in lines.items() if k[:1] != ("system",)}
        lines["system",] = "--system"
    return _checked(Document(document.source, data, lines))


def load_scenario(path_or_name: str | Path) -> Scenario:
    """A scenario from a file, or by its name from the known folders `scenarios`.

    UserError with every problem that the file has.
    """
    path = catalogue.find("scenarios", str(path_or_name))
    document = yamlfile.read(path)
    data = document.data
    if isinstance(data, dict):
        if "name" in data:
            text = "unknown; a scenario has the name of its file"
            raise report(document, [InputProblem(("name",), text)])
        data = {"name": catalogue.name_of("scenarios", path), **_with_stations(data, path.parent)}
    return _checked(Document(document.source, data, document.lines))


def _with_stations(data: dict, folder: Path) -> dict:
    """A scenario's data with stations of CSV files written out, and tables of values looked up."""
    groups = data.get("observations")
    if isinstance(groups, dict) and isinstance(groups.get("file"), str):
        groups = _groups_of_table(groups, folder)
    if not isinstance(groups, list):
        return data
    groups = [dict(group) if isinstance(group, dict) else group for group in groups]
    for group in groups:
        places = group.get("locations") if isinstance(group, dict) else None
        if not isinstance(places, dict):
            continue
        if isinstance(places.get("file"), str) and len(places) == 1:
            stations = read_stations(folder / places["file"])
            group["locations"] = {k: v for k, v in stations._asdict().items() if v is not None}
        if isinstance(places.get("values"), str):
            group["locations"] = _identified(places, folder)
    return data | {"observations": groups}


def _groups_of_table(entry: dict, folder: Path) -> list[dict]:
    """The groups that `observations: {file: TABLE}` stands for: one for each of its variables.

    Arguments:
        entry: The mapping; what else it has goes into every group.
        folder: Folder of the scenario.
    """
    rest = dict(entry)
    places = {"values": rest.pop("file")}
    places |= {name: rest.pop(name) for name in ("window", "sha256") if name in rest}
    variables = rest.pop("variables", None)
    if variables is None:
        variables = values.read_table(_table(places["values"], folder)).variables
    if not isinstance(variables, list):
        variables = [variables]
    return [{"name": v, "variables": [v], "locations": places, **rest} for v in variables]


def _table(name: str, folder: Path) -> Path:
    """A table beside a scenario, or else below a folder of scenarios."""
    path = folder / name
    return path if path.is_file() or not values.find(name).is_file() else values.find(name)


def _identified(places: dict, folder: Path) -> dict:
    """A table of values by the name that finds it from anywhere, and by its digest."""
    path = _table(places["values"], folder)
    digest = values.read_table(path).digest
    if places.get("sha256") not in (None, digest):
        raise UserError(f"{path}: has digest {digest}, and the scenario wants {places['sha256']}")
    return places | {"values": values.name_of(path), "sha256": digest}


def _checked(document: Document) -> Scenario:
    """The scenario of a document, with the defaults of its system's settings written out.

    Those that are null are left out, so that digests are as if there were no such settings.
    """
    scenario, problems = validate(Scenario, document.data)
    checked, more = system_settings(document.data)
    if scenario is None or checked is None or problems or more:
        raise report(document, [*problems, *more])
    written = checked.model_dump(mode="json", exclude_none=True)
    of_period = {k: written.pop(k) for k in FOR_SYSTEM if k in written}
    if scenario.period.start is not None:
        of_period["start"] = scenario.period.start  # in one form, however it was written
    period = scenario.period.model_copy(update=of_period)
    system = Choice.model_validate({"name": scenario.system.name, **written})
    scenario = scenario.model_copy(update={"system": system, "period": period})
    scenario._document = document
    return scenario


def system_settings(data: Any) -> tuple[BaseModel | None, list[InputProblem]]:
    """The settings of a scenario's system, `FOR_SYSTEM` among them, and their problems."""
    choice, period = (data.get(k) if isinstance(data, dict) else None for k in ("system", "period"))
    period = period if isinstance(period, dict) else {}
    if not isinstance(choice, dict):
        return None, []
    of_period = {k: period[k] for k in FOR_SYSTEM if period.get(k) is not None}
    twice = [InputProblem(("system", k), "belongs in period") for k in FOR_SYSTEM if k in choice]
    elsewhere: dict[Key, Keys] = {k: ("period", k) for k in of_period}
    choice = {k: v for k, v in choice.items() if k not in FOR_SYSTEM}
    checked, problems = settings.check("systems", choice | of_period, ("system",), elsewhere)
    return checked, [*twice, *problems]
