"""Systems that scenarios may name; plug-ins add to them by the entry point `dabench.systems`."""

SYSTEMS = {
    "gencast": "dabench.systems.gencast.system:gencast",
    "held_suarez": "dabench.systems.held_suarez.system:held_suarez",
    "linear_gaussian": "dabench.systems.toys.linear_gaussian:linear_gaussian",
    "lorenz63": "dabench.systems.toys.lorenz63:lorenz63",
    "lorenz96": "dabench.systems.toys.lorenz96:lorenz96",
    "speedy": "dabench.systems.speedy.system:speedy",
}
"""Name: module and factory. A factory's keyword-only arguments are the system's settings."""

LAYOUTS = {"gencast": "dabench.systems.gencast.system:layout"}
"""The layouts of systems whose files may not be there yet, for checks; the same arguments."""

CYCLE_SECONDS = {"gencast": "dabench.systems.gencast.model:FRAME_SECONDS"}
"""The seconds from a cycle to the next of the systems in `LAYOUTS`."""

LAND = {
    "gencast": "dabench.systems.gencast.system:land",
    "speedy": "dabench.systems.speedy.system:land",
}
"""The share of land at every point, without making the system; the same arguments."""

COSTS = {"gencast": "dabench.systems.gencast.cost:cost"}
"""The `ModelCost` of systems too large to be tried; the same arguments and the number of cycles."""

DIGESTS = {
    "held_suarez": "dabench.systems.held_suarez.files:digest_of",
    "speedy": "dabench.systems.speedy.files:digest_of",
}
"""The digests of systems that can be known without making them; the same arguments."""

RECIPES = {
    "held_suarez": "dabench.systems.held_suarez.training.recipe:RECIPE",
    "speedy": "dabench.systems.speedy.training.recipe:RECIPE",
}
"""How the systems that `dabench train` makes are made."""
