"""Make a system's data and its forecast model: `train`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dabench.cli.notes import narrated, waiting
from dabench.core.errors import UserError
from dabench.systems import RECIPES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FREE_DAYS = 20
SHOWN = {
    ("mean_sea_level_pressure", None): "sea-level pressure, Pa",
    ("2m_temperature", None): "2 m temperature, K",
    ("geopotential", 500): "geopotential at 500 hPa, m2/s2",
    ("temperature", 850): "temperature at 850 hPa, K",
    ("specific_humidity", 850): "specific humidity at 850 hPa, kg/kg",
    ("u_component_of_wind", 200): "eastward wind at 200 hPa, m/s",
    ("u_component_of_wind", 250): "eastward wind at 250 hPa, m/s",
}


def train(
    system: Annotated[str, typer.Argument(help="The system to train: held_suarez or speedy.")],
    out: Annotated[Path, typer.Option(help="Folder for data, checkpoints and weights.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps; as many as pay by default.")
    ] = None,
    small: Annotated[
        bool, typer.Option("--small", help="A few frames and steps, to see that it runs.")
    ] = False,
) -> None:
    """Make a system's data and train its forecast model."""
    from dabench.leaderboard.figures.style import save
    from dabench.scenario import plugins
    from dabench.systems.atmosphere.training.train import SMALL, Size
    from dabench.systems.atmosphere.training.train import train as train_system

    if system not in RECIPES:
        raise UserError(f"{system} is not trained; {' and '.join(RECIPES)} are")
    recipe = plugins.find(RECIPES[system])
    size = SMALL if small else Size(steps=recipe.steps)
    if steps is not None:
        size = dataclasses.replace(size, steps=steps)
    with narrated(f"training {system}"):
        folder = train_system(recipe, out, size)
    days = 1 if small else FREE_DAYS
    with waiting("drawing report.png"):
        save(folder / "report.png", maps(recipe.open(folder), days))
    typer.echo(f"files     {folder}")


def maps(system: Any, days: int) -> "Figure":
    """Maps of a state of the truth, and of a forecast over a number of days from another one."""
    import numpy as np

    from dabench.leaderboard.figures.coastlines import ON_EARTH
    from dabench.leaderboard.figures.weather import Map, weather

    layout = system.layout
    lat, lon = layout.coords.values()
    truth = system.truth(0, 1)
    states = layout.now(np.stack([truth[0], free_forecast(system, system.truth(1, 0)[0], days)]))
    place = {(c.name, c.level): i for i, c in enumerate(layout.channels)}
    rows = [
        Map(cell[0], title, states[:, place[cell]].reshape(2, len(lat), len(lon)))
        for cell, title in SHOWN.items()
        if cell in place
    ]
    columns = ("truth", f"forecast of {days} days")
    return weather(lat, lon, columns, rows, coasts=system.name in ON_EARTH)


def free_forecast(system: Any, x: Any, days: int) -> Any:
    """One member's forecast over a number of days; x and the forecast are (state,)."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from dabench.systems.atmosphere.training.skill import forecaster

    forecast, member = forecaster(system), jnp.asarray(x)[None]
    for cycle in range(2 * days):
        member = forecast(jax.random.split(jax.random.key(cycle), 1), member)
    return np.asarray(member[0])
