"""Examples of every command, which its --help ends with."""

EXAMPLES = {
    "run": [
        "dabench run linear_gaussian",
        "dabench run temp_4deg -m fa_apf -m letkf --seeds 0-2",
        "dabench run temp_4deg -m letkf --set rtps=0.5 --tag relaxed",
        "dabench run lorenz96-sakov2008 -m my_package:my_filter --cycles 400",
        "dabench run temp_4deg --dry-run",
    ],
    "plot": ["dabench plot runs/temp_4deg/speedy/*/seed0"],
    "score": ["dabench score runs/temp_4deg/speedy/letkf/seed0 --json"],
    "compare": [
        "dabench compare fa_apf letkf",
        "dabench compare temp_4deg --against letkf --metric crps",
    ],
    "show": ["dabench show runs/temp_4deg/speedy/letkf/seed0"],
    "forecast": ["dabench forecast runs/temp_4deg/speedy/letkf/seed0 --lead 5d"],
    "verify": ["dabench verify leaderboard/results/temp_4deg/speedy/letkf.json"],
    "conformance": ["dabench conformance my_package:my_filter --set gain=0.5"],
    "new": ["dabench new filter my_filter", "dabench new scenario"],
    "train": ["dabench train speedy --out trained --small"],
    "fetch": ["dabench fetch gencast_1p0deg", "dabench fetch era5 --scenario era5/temp_4deg"],
    "convert": ["dabench convert temp.bufr --out soundings.parquet"],
    "export": ["dabench export runs/temp_4deg/speedy/letkf/seed0"],
    "import": ["dabench import analyses.zarr --scenario era5/temp_4deg --name ours"],
    "campaign": ["dabench campaign temp_4deg wind_4deg -m letkf -m fa_apf --seeds 0-4"],
    "sweep": ["dabench sweep sweeps/levels.yaml --workers 2"],
    "tune": ["dabench tune temp_4deg letkf --set rtps=0.1..0.9 --trials 10"],
    "list": ["dabench list", "dabench list --json"],
    "check": ["dabench check my_scenario.yaml"],
    "schema": ["dabench schema scenario"],
    "doctor": ["dabench doctor"],
}


def epilog(name: str) -> str | None:
    """The examples of a command, one a line."""
    lines = [f"  {line}" for line in EXAMPLES.get(name, ())]
    return "\n".join(["\b", "Examples:", *lines]) if lines else None
