"""Judge runs: `plot`, `score`, `compare`, `verify`."""

import json as json_format
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dabench.cli.notes import note, waiting
from dabench.cli.options import Json, Out, Runs
from dabench.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas import DataFrame

    from dabench.scores.record import Scores

Weights = Literal["area", "none"]


def plot(
    runs: Runs,
    out: Annotated[Path | None, typer.Option(help="Folder; by default beside the runs.")] = None,
) -> None:
    """Draw runs: several runs of one scenario go into the same figures."""
    draw(runs, out)
    note("next      dabench leaderboard")


def draw(runs: list[Path], out: Path | None) -> None:
    """Figures of runs: those of one scenario and system in one folder, all seeds."""
    from dabench.leaderboard import figures

    groups: dict[Path, list[Path]] = {}
    for run in map(Path.absolute, runs):
        groups.setdefault(run.parent.parent, []).append(run)
    for group in groups.values():
        folder = out or figures.home(group)
        with waiting(f"drawing {os.path.relpath(folder)}"):
            files = figures.draw(group, folder)
        note(f"figures   {os.path.relpath(folder)}/ ({len(files)} files)")


def score(
    runs: Runs,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            help="Further scores in place of the usual ones: acc, mse_debiased, crps_gaussian, "
            "energy_score, brier, brier_fair, ignorance, rps; may be repeated."
        ),
    ] = None,
    climatology: Annotated[
        Path | None,
        typer.Option(help="Run of the climatology that they need; default the one beside a run."),
    ] = None,
    weights: Annotated[
        Weights, typer.Option(help="`none`: the region `unweighted`, too, all points alike.")
    ] = "area",
    json: Json = False,
) -> None:
    """Score runs anew, from their archives alone."""
    from dabench.leaderboard.monitoring import rejections
    from dabench.scores.files import FILE, score_further, score_run

    if metrics and weights == "none":
        raise UserError("--weights none: is of the usual scores; leave --metrics out")
    if metrics:
        for folder in runs:
            with waiting(f"scoring {folder}"):
                file = score_further(folder, metrics, climatology)
            note(f"further   {file}")
        return
    scores = {}
    for folder in runs:
        with waiting(f"scoring {folder}"):
            scores[folder] = score_run(folder, unweighted=weights == "none")
        if not json:
            note(f"scores    {folder / FILE}")
            if text := rejections(scores[folder]):
                note(f"rejected  {text}")
    if json:
        typer.echo(json_format.dumps([_plain(*run) for run in scores.items()], indent=1))
        return
    note(f"next      dabench plot {shlex.join(map(str, runs))}")


def _plain(folder: Path, scores: "Scores") -> dict[str, Any]:
    """The scores of a run over all its cycles, as plain data."""
    rows = [key._asdict() | score._asdict() for key, score in scores.scores.items()]
    about = {"run": str(folder), "method": scores.method, "seed": scores.seed}
    return about | {"status": str(scores.status), "scores": rows}


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
        list[str] | None, typer.Option(help="rmse, crps, crps_plain, mae, spread; may be repeated.")
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option(help="global, tropics, ..; may be repeated.")
    ] = None,
    weights: Annotated[
        Weights, typer.Option(help="`none`: by the region `unweighted`, all points alike.")
    ] = "area",
    every: Annotated[
        bool, typer.Option("--all", help="All variables and levels, not headlines alone.")
    ] = False,
    out: Out = Path("runs"),
    csv: Annotated[Path | None, typer.Option(help="Write the comparison there, too.")] = None,
    json: Json = False,
) -> None:
    """Tell who is better, by how much, how surely: scores, and paired differences of cycles."""
    from rich.console import Console

    from dabench.leaderboard.terminal import comparison, results
    from dabench.scores.compare import compare_all
    from dabench.scores.metrics import UNWEIGHTED
    from dabench.scores.metrics.registry import TESTED
    from dabench.scores.select import choose

    if csv and (csv.is_dir() or not csv.absolute().parent.is_dir()):
        raise UserError(f"{csv}: is a folder, or there is no folder to write it in")
    unweighted = weights == "none"
    if unweighted and region:
        raise UserError("--weights none: is all points of the grid; leave --region out")
    runs, last = choose(what or (), out, unweighted)
    differences = compare_all(
        runs,
        reference=against or last,
        test=test,
        correct=correct,
        metrics=metric or TESTED,
        regions=(UNWEIGHTED,) if unweighted else region or ("global",),
        all_cells=every,
    )
    if csv:
        differences.to_csv(csv, index=False)
    if json:
        typer.echo(differences.to_json(orient="records", indent=1))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    console.print(results(runs, UNWEIGHTED) if unweighted else results(runs))
    console.print(comparison(differences, against or last))
    if csv:
        note(f"table     {csv}")
    if command := _decisive_command(runs, differences, against or last, out):
        note(f"decide    {command}")
    note("next      dabench leaderboard")


def _decisive_command(
    runs: "Sequence[Scores]", differences: "DataFrame", reference: str, out: Path
) -> str | None:
    """The command that makes the seeds which a verdict needs, for the first scenario without one.

    None where every row has a verdict, or where a method is no baseline that can be named.
    """
    from dabench.scenario.baseline import methods
    from dabench.scores.compare import CLUSTERS, INSUFFICIENT

    rows = [r for r in differences.to_dict("records") if r["verdict"] == INSUFFICIENT]
    if not rows:
        return None
    scenario = rows[0]["scenario"]
    names = [*dict.fromkeys(r["method"] for r in rows if r["scenario"] == scenario), reference]
    if not {*names} <= {*methods(scenario)}:
        return None
    first = min((run for run in runs if run.problem.scenario == scenario), key=lambda r: r.seed)
    words = ["dabench", "run", scenario, *(word for name in names for word in ("-m", name))]
    words += ["--seeds", f"{first.seed}-{first.seed + CLUSTERS - 1}", "--cycles", str(first.cycles)]
    return shlex.join([*words, *(() if out == Path("runs") else ("--out", str(out)))])


def verify(
    results: Annotated[list[Path], typer.Argument(help="Result files.")],
    out: Out = Path("runs"),
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Run the scenario again (in --out), and compare.")
    ] = False,
) -> None:
    """Compute every number of results again, from the archives, or from new runs."""
    from dabench.cli.verify import report

    wrong = []
    for result in results:
        try:
            typer.echo("\n".join(report(result, out, rerun)))
        except UserError as e:
            wrong.append(str(e))
    if wrong:
        raise UserError("\n".join(wrong))
