"""Whether what is there is sound: `check`, `schema`, `conformance`, `doctor`."""

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dabench.cli.notes import note, waiting
from dabench.cli.options import Json
from dabench.core.errors import UserError

if TYPE_CHECKING:
    from dabench.scenario.scenario import Scenario

SUFFIXES = (".yaml", ".yml")


def check(
    files: Annotated[list[Path], typer.Argument(help="Scenarios and baselines (YAML).")],
    json: Json = False,
) -> None:
    """Check files of scenarios and baselines; say all that is wrong with them."""
    reports = [_report(file) for file in files]
    wrong = [report["text"] for report in reports if not report["sound"]]
    if json:
        typer.echo(json_format.dumps(reports, indent=1))
        raise typer.Exit(2 if wrong else 0)
    for report in reports:
        if report["sound"]:
            note(f"{report['file']}: {report['text']}")
    if wrong:
        raise UserError("\n".join(wrong))


def _report(file: Path) -> dict[str, Any]:
    """Whether a file is sound, and what it is or what is wrong with it."""
    try:
        return {"file": str(file), "sound": True, "text": _checked(file)}
    except UserError as e:
        return {"file": str(file), "sound": False, "text": str(e)}


def _checked(file: Path) -> str:
    """What a sound file is; UserError if it is not."""
    from dabench.core.jax_setup import set_up_jax
    from dabench.scenario import yamlfile
    from dabench.scenario.baseline import load_baseline
    from dabench.scenario.load import load_scenario

    if file.is_file() and file.suffix not in SUFFIXES:
        raise UserError(f"{file}: is no scenario and no baseline, which are files *.yaml")
    data = yamlfile.read(file).data
    path = file.absolute()
    if isinstance(data, dict) and "filter" in data:
        return f"a sound baseline of {load_baseline(str(path), '').filter}"
    if not (isinstance(data, dict) and {"system", "observations", "period"} & data.keys()):
        raise UserError(
            f"{file}: is no scenario, which has a `system`, and no baseline, which has a `filter`"
        )
    scenario = load_scenario(path)
    set_up_jax()
    from dabench.observe.network import networks
    from dabench.systems import make

    with waiting(f"making {scenario.system.name} for {file}"):
        if scenario.is_real:
            return _checked_values(scenario)
        size = networks(scenario, make.layout(scenario)).assimilated.size
    return f"a sound scenario, {size} observations a cycle, digest {scenario.digest[:12]}"


def _checked_values(scenario: "Scenario") -> str:
    """What a sound scenario of real values is, and what it takes of its tables."""
    from dabench.observe.measured import Calendar, account
    from dabench.observe.network import networks
    from dabench.systems import make

    layout, seconds = make.layout(scenario), make.cycle_seconds(scenario)
    network, calendar = (
        networks(scenario, layout, seconds).assimilated,
        Calendar.of(scenario, seconds),
    )
    assert network.present is not None
    assert calendar is not None
    counts = [int(network.present(k).sum()) for k in range(1, calendar.cycles + 1)]
    size = f"{min(counts)} to {max(counts)}" if len({*counts}) > 1 else str(counts[0])
    first = f"a sound scenario, {size} real values a cycle, digest {scenario.digest[:12]}"
    return "\n  ".join([first, *account(scenario.observations, layout, calendar)])


def schema(
    kind: Annotated[str, typer.Argument(help="scenario or baseline.")],
) -> None:
    """Print the JSON Schema of scenario or baseline files, for editors."""
    from dabench.scenario.json_schema import text

    typer.echo(text(kind), nl=False)


def conformance(
    method: Annotated[str, typer.Argument(help="my_package:my_filter, or the name of a filter.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting; may be repeated."),
    ] = None,
) -> None:
    """Hold a filter to its contract: the Kalman filter, limits, members' order, seeds, resuming."""
    from dabench.core.jax_setup import set_up_jax

    set_up_jax()
    from dabench.runs.conformance import report

    report(method, change or (), typer.echo, waiting)


def doctor(json: Json = False) -> None:
    """Devices, versions, memory and folders, for reports of problems."""
    from dabench.core.jax_setup import set_up_jax
    from dabench.core.provenance import provenance
    from dabench.scenario import catalogue

    cache = set_up_jax()
    facts = provenance()
    packages = ", ".join(f"{name} {version}" for name, version in facts.pop("packages").items())
    folders = {
        kind: ", ".join(map(str, catalogue.folders(kind))) for kind in ("scenarios", "baselines")
    }
    rows = facts | {"packages": packages, "compiled programs": cache or "not kept"} | folders
    if json:
        typer.echo(json_format.dumps(rows, indent=1, default=str))
        return
    for name, value in rows.items():
        typer.echo(f"{name:18} {value}")
