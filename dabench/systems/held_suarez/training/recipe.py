"""What training needs to know of the dry atmosphere."""

from pathlib import Path

from dabench.systems.atmosphere.training.train import Recipe
from dabench.systems.held_suarez.channels import HELD_SUAREZ, ground
from dabench.systems.held_suarez.system import held_suarez
from dabench.systems.held_suarez.training.dynamics import HeldSuarez
from dabench.systems.held_suarez.training.regrid import Regridder

RECIPE = Recipe(
    atmosphere=HELD_SUAREZ,
    dynamics=HeldSuarez,
    regrid=lambda maps: Regridder(),
    ground=lambda maps: ground(Path()),
    open=lambda folder: held_suarez(files=str(folder)),
    packages=("dinosaur", "optax"),
    extra="train",
    steps=20000,
)
