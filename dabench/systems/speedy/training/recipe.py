"""What training needs to know of SPEEDY's atmosphere."""

from dabench.systems.atmosphere.training.train import Recipe
from dabench.systems.speedy.channels import SPEEDY, static_fields
from dabench.systems.speedy.system import speedy
from dabench.systems.speedy.training.dynamics import Speedy
from dabench.systems.speedy.training.regrid import Regridder

RECIPE = Recipe(
    atmosphere=SPEEDY,
    dynamics=Speedy,
    regrid=lambda maps: Regridder(maps["height"]),
    ground=lambda maps: static_fields(maps["height"], maps["land"]),
    open=lambda folder: speedy(files=str(folder)),
    packages=("jcm", "optax"),
    extra="speedy",
    steps=40000,
)
