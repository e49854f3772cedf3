"""What is there, and whether it is sound: `list`, `check`, `schema`, `conformance`, `doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from dabench.cli.notes import waiting
from dabench.core.errors import UserError


def list_() -> None:
    """Scenarios, methods and systems that are known here."""
    from dabench.scenario import catalogue, yamlfile
    from dabench.scenario.baseline import methods
    from dabench.scenario.plugins import registry

    for name, path in catalogue.names("scenarios").items():
        data = yamlfile.read(path).data
        typer.echo(f"scenario  {name:24} {data.get('title', '') if isinstance(data, dict) else ''}")
    for name in methods(""):
        typer.echo(f"method    {name}")
    for name in sorted(registry("systems")):
        typer.echo(f"system    {name}")
    typer.echo("next      dabench run SCENARIO")


def check(
    files: Annotated[list[Path], typer.Argument(help="Scenarios and baselines (YAML).")],
) -> None:
    """Check files of scenarios and baselines; say all that is wrong with them."""
    wrong = []
    for file in files:
        try:
            typer.echo(f"{file}: {_checked(file)}")
        except UserError as e:
            wrong.append(str(e))
    if wrong:
        raise UserError("\n".join(wrong))


def _checked(file: Path) -> str:
    """What a sound file is; UserError if it is not."""
    from dabench.core.jax_setup import set_up_jax
    from dabench.scenario import yamlfile
    from dabench.scenario.baseline import load_baseline
    from dabench.scenario.load import load_scenario

    data = yamlfile.read(file).data
    path = file.absolute()
    if isinstance(data, dict) and "filter" in data:
        return f"a sound baseline of {load_baseline(str(path), '').filter}"
    scenario = load_scenario(path)
    set_up_jax()
    from dabench.observe.network import networks
    from dabench.systems import make

    size = networks(scenario, make.layout(scenario)).assimilated.size
    return f"a sound scenario, {size} observations a cycle, digest {scenario.digest[:12]}"


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


def doctor() -> None:
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
    for name, value in rows.items():
        typer.echo(f"{name:18} {value}")
