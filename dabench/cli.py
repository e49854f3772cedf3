"""The command line: parse, call, print. Every verb prints what it wrote and what comes next."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from dabench import site
from dabench.errors import UserError, show_cautions

app = typer.Typer(
    name="dabench",
    help="A benchmark of data assimilation with diffusion forecast models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Runs = Annotated[list[Path], typer.Argument(help="Folders of runs (runs/.../seed0).")]
Out = Annotated[Path, typer.Option(help="Where runs are kept.")]


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="A scenario's path or name.")],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Only this method; may be repeated."),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A method's setting; may be repeated."),
    ] = None,
    members: Annotated[int | None, typer.Option(min=1, help="Ensemble size.")] = None,
    cycles: Annotated[int | None, typer.Option(min=1, help="Number of cycles.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random.")] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Several in place of one: 0-4, or 0,2,7.")
    ] = None,
    out: Out = Path("runs"),
    system: Annotated[str | None, typer.Option(help="Another system.")] = None,
    profile: Annotated[str | None, typer.Option(help="A profile of the methods' files.")] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh/--resume", help="Set old runs aside, or go on where they stopped."),
    ] = False,
    store_members: Annotated[
        bool | None,
        typer.Option(
            "--store-members/--no-store-members",
            help="Archive every member, or not. By default where they take less than 1 GiB.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate; run nothing.")] = False,
) -> None:
    """Run methods on a scenario, score them, draw them, print a table, write the leaderboard."""
    from dabench import estimate
    from dabench import run as running
    from dabench.seeds import seed_list

    if seed is not None and seeds is not None:
        raise UserError("--seed and --seeds: give one of the two")
    plans = [
        running.plan(
            scenario,
            methods=method or (),
            changes=change or (),
            members=members,
            cycles=cycles,
            seed=one,
            out=out,
            system=system,
            profile=profile,
        )
        for one in ([seed] if seeds is None else seed_list(seeds))
    ]
    if dry_run:
        estimate.show(plans[0], store_members)
        return
    jobs = [job for plan in plans for job in plan]
    try:
        outcome = running.execute(jobs, fresh=fresh, store_members=store_members)
        evaluate(outcome.folders, out)
    except KeyboardInterrupt:
        typer.echo(f"\nStopped; all whole cycles are kept. Go on with:\n  {again()}", err=True)
        raise typer.Exit(130) from None
    outcome.reraise()


def evaluate(folders: list[Path], out: Path) -> None:
    """All that follows from archives alone: scores, plots, the table, the leaderboard."""
    from rich.console import Console

    from dabench.score import FILE, current_scores
    from dabench.table import results

    scores = []
    for folder in folders:
        scores.append(current_scores(folder))
        typer.echo(f"scores    {folder / FILE}")
    _draw(folders, None)
    Console().print(results(scores))
    if folders:
        site.write([out], out / "leaderboard")


def _draw(runs: list[Path], out: Path | None) -> None:
    """Figures of runs: those of one scenario and system in one folder, all seeds."""
    from dabench.plots import draw, home

    groups: dict[Path, list[Path]] = {}
    for run in map(Path.absolute, runs):
        groups.setdefault(run.parent.parent, []).append(run)
    for group in groups.values():
        folder = out or home(group)
        files = draw(group, folder)
        typer.echo(f"figures   {os.path.relpath(folder)}/ ({len(files)} files)")


@app.command()
def plot(
    runs: Runs,
    out: Annotated[Path | None, typer.Option(help="Folder; by default beside the runs.")] = None,
) -> None:
    """Draw runs: several runs of one scenario go into the same figures."""
    _draw(runs, out)
    typer.echo("next      dabench leaderboard")


@app.command()
def score(runs: Runs) -> None:
    """Score runs anew, from their archives alone."""
    from dabench.score import FILE, score_run

    for folder in runs:
        score_run(folder)
        typer.echo(f"scores    {folder / FILE}")
    typer.echo(f"next      dabench plot {shlex.join(map(str, runs))}")


@app.command()
def compare(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="Runs, folders of runs, methods or scenarios; default all runs."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="What all others are held to; default the last one named, or ensemble."),
    ] = None,
    test: Annotated[str, typer.Option(help="ewc, geer, diebold_mariano or bootstrap.")] = "ewc",
    correct: Annotated[
        str, typer.Option(help="What decides: p by bh, sidak, or none, for the rows shown.")
    ] = "bh",
    metric: Annotated[
        list[str] | None, typer.Option(help="rmse, crps, mae, acc, spread; may be repeated.")
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option(help="global, tropics, ..; may be repeated.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All variables and levels, not headlines alone.")
    ] = False,
    out: Out = Path("runs"),
    csv: Annotated[Path | None, typer.Option(help="Write the comparison there, too.")] = None,
    json: Annotated[Path | None, typer.Option(help="The same as JSON, a record a row.")] = None,
) -> None:
    """Tell who is better, by how much, how surely: scores, and paired differences of cycles."""
    from rich.console import Console

    from dabench.choose import choose
    from dabench.compare import METRICS, compare_all
    from dabench.table import comparison, results

    runs, last = choose(what or (), out)
    found = compare_all(
        runs,
        reference=against or last,
        test=test,
        correct=correct,
        metrics=metric or METRICS,
        regions=region or ("global",),
        all_cells=every,
    )
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    console.print(results(runs))
    console.print(comparison(found, against or last))
    if csv:
        found.to_csv(csv, index=False)
        typer.echo(f"table     {csv}")
    if json:
        found.to_json(json, orient="records", indent=1)
        typer.echo(f"table     {json}")
    typer.echo("next      dabench leaderboard")


app.add_typer(site.app, name="leaderboard")


@app.command()
def verify(
    results: Annotated[list[Path], typer.Argument(help="Result files.")],
    out: Out = Path("runs"),
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Run the scenario again (in --out), and compare.")
    ] = False,
) -> None:
    """Compute every number of results again, from the archives, or from new runs."""
    from dabench.verify import report

    wrong = []
    for result in results:
        try:
            typer.echo("\n".join(report(result, out, rerun)))
        except UserError as e:
            wrong.append(str(e))
    if wrong:
        raise UserError("\n".join(wrong))


@app.command()
def conformance(
    method: Annotated[str, typer.Argument(help="my_package:my_filter, or the name of a filter.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting; may be repeated."),
    ] = None,
) -> None:
    """Hold a filter to its contract: the Kalman filter, limits, members' order, seeds, resuming."""
    from dabench.process import set_up_jax

    set_up_jax()
    from dabench.conformance import report

    report(method, change or (), typer.echo)


@app.command()
def train(
    system: Annotated[str, typer.Argument(help="The system to train; held_suarez is one.")],
    out: Annotated[Path, typer.Option(help="Folder for data, checkpoints and weights.")],
) -> None:
    """Make a system's data and train its forecast model."""
    if system != "held_suarez":
        raise UserError(f"{system} is not trained; held_suarez is")
    from dabench.systems.held_suarez.train import train as train_held_suarez

    typer.echo(f"weights   {train_held_suarez(out)}")


@app.command()
def fetch(
    what: Annotated[list[str], typer.Argument(help="gencast_1p0deg, .. or era5.")],
    scenario: Annotated[str | None, typer.Option(help="Whose frames of ERA5.")] = None,
    start: Annotated[str | None, typer.Option(help="ISO time of cycle 0.")] = None,
    cycles: Annotated[int | None, typer.Option(min=1, help="Number of cycles.")] = None,
    resolution: Annotated[float | None, typer.Option(help="Of the frames, in degrees.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="URL or folder in place of the official one.")
    ] = None,
    dest: Annotated[
        Path | None, typer.Option(help="Folder in place of DABENCH_CACHE or the user's cache.")
    ] = None,
    examples: Annotated[bool, typer.Option("--examples", help="The example batch, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what and how much.")] = False,
) -> None:
    """Get GenCast's weights and statistics, or the frames of ERA5 that a scenario needs."""
    from dabench.fetch.command import fetch as fetch_all

    fetch_all(
        what,
        scenario=scenario,
        start=start,
        cycles=cycles,
        resolution=resolution,
        source=source,
        dest=dest,
        examples=examples,
        dry_run=dry_run,
    )


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    format: Annotated[str, typer.Option(help="weatherbench2.")] = "weatherbench2",
    out: Annotated[Path | None, typer.Option(help="New folder; default in the run's own.")] = None,
    background: Annotated[
        bool,
        typer.Option(help="Lead 12 h, too: forecasts drawn anew from every analysis (costly)."),
    ] = False,
) -> None:
    """Write a run as a forecast store that WeatherBench 2 reads, with its truth."""
    from dabench.exchange.command import export as export_run

    typer.echo(f"forecast  {export_run(run, format, out, background)}")


@app.command("import")
def import_(
    store: Annotated[str, typer.Argument(help="Zarr with analyses, as WeatherBench 2 has them.")],
    scenario: Annotated[str, typer.Option(help="Whose truth and period it is held to.")],
    name: Annotated[str, typer.Option(help="Of the method that made it.")],
    cycles: Annotated[int | None, typer.Option(min=1, help="Number of cycles.")] = None,
    out: Out = Path("runs"),
) -> None:
    """Make someone else's analyses a run, marked as external, to be scored beside ours."""
    from dabench.exchange.external import import_store

    folder = import_store(store, scenario, name, out, cycles)
    typer.echo(f"run       {folder}")
    typer.echo(f"next      dabench score {shlex.quote(str(folder))}")


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="What to vary (YAML).")],
    out: Annotated[Path, typer.Option(help="Where sweeps are kept.")] = Path("runs/sweeps"),
    workers: Annotated[
        int, typer.Option(min=1, help="Local processes, or jobs of a batch system.")
    ] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    cluster: Annotated[str | None, typer.Option(help="slurm, pbs or lsf: start jobs.")] = None,
    options: Annotated[str, typer.Option(help="JSON for the batch system: queue, memory, ..")] = "",
    retries: Annotated[int, typer.Option(min=0, help="How often to try a run again.")] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all; run nothing.")] = False,
) -> None:
    """Run a grid or random search over settings on Dask; draw scores against settings."""
    from dabench.sweep.command import sweep as run_sweep

    files = run_sweep(
        file,
        out,
        workers=workers,
        scheduler=scheduler,
        cluster=cluster,
        options=options,
        retries=retries,
        dry_run=dry_run,
    )
    for written in files:
        typer.echo(f"written   {written}")


@app.command("list")
def list_() -> None:
    """Scenarios, methods and systems that are known here."""
    from dabench import library, yamlfile
    from dabench.baseline import methods
    from dabench.settings import registry

    for name, path in library.names("scenarios").items():
        data = yamlfile.read(path).data
        typer.echo(f"scenario  {name:24} {data.get('title', '') if isinstance(data, dict) else ''}")
    for name in methods(""):
        typer.echo(f"method    {name}")
    for name in sorted(registry("systems")):
        typer.echo(f"system    {name}")
    typer.echo("next      dabench run SCENARIO")


@app.command()
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
    from dabench import yamlfile
    from dabench.baseline import load_baseline
    from dabench.process import set_up_jax
    from dabench.scenario import load_scenario

    data = yamlfile.read(file).data
    path = file.absolute()
    if isinstance(data, dict) and "filter" in data:
        return f"a sound baseline of {load_baseline(str(path), '').filter}"
    scenario = load_scenario(path)
    set_up_jax()
    size = scenario.network(scenario.layout()).size
    return f"a sound scenario, {size} observations a cycle, digest {scenario.digest[:12]}"


@app.command()
def doctor() -> None:
    """Devices, versions, memory and folders, for reports of problems."""
    from dabench import library
    from dabench.process import set_up_jax
    from dabench.provenance import provenance

    cache = set_up_jax()
    found = provenance()
    packages = ", ".join(f"{name} {version}" for name, version in found.pop("packages").items())
    folders = {
        kind: ", ".join(map(str, library.folders(kind))) for kind in ("scenarios", "baselines")
    }
    rows = found | {"packages": packages, "compiled programs": cache or "not kept"} | folders
    for name, value in rows.items():
        typer.echo(f"{name:18} {value}")


def again() -> str:
    """The command that goes on where this one stopped."""
    return shlex.join(["dabench", *(a for a in sys.argv[1:] if a != "--fresh")])


def main() -> None:
    """The entry point: users' mistakes are one message and exit code 2, bugs keep tracebacks."""
    show_cautions()
    try:
        app()
    except UserError as e:
        print(f"dabench: {e}", file=sys.stderr)
        sys.exit(2)
