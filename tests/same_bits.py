"""Whether two checkouts of dabench make the same results on one machine, bit for bit.

    python tests/same_bits.py OLD NEW                   run both checkouts and compare
    python tests/same_bits.py record CHECKOUT FOLDER    run one checkout and keep what it makes
    python tests/same_bits.py compare FOLDER OTHER      compare two records

Compared are archives, scores, a result file and the pages and figures of a site. A checkout is
used through its command line alone, and its files are read with zarr and json, so that nothing here
depends on where a module of dabench lies. The exit code is 1 where anything differs.

A record is a folder with one folder for each experiment:

    runs       what `dabench run` makes
    results    the result file of one method, by `dabench leaderboard add`
    plain      the runs again, without costs and provenance
    site       the site of `plain`, by `dabench leaderboard build`
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr

COUNTS = {"evaluations", "products", "jacobian_products"}
"""Counts of a model's work: costs, which a later version may have for more methods."""

FIELDS_ASIDE = {"cost", "memory", "wall_seconds", "provenance", "commands", "sha256", *COUNTS}
"""Keys that are not compared, wherever they stand in attributes, scores and result files.

Times and bytes differ from process to process, and more work may be counted later; provenance and
commands name the time, the versions, the commit and the host; sha256 is of a result file with all
of these. (The `seconds` of scores are the valid times of the cycles, and are compared.)
"""

ARRAYS_ASIDE = {f"diagnostics/{name}" for name in ("seconds", "wall_seconds", *COUNTS)}
"""Arrays of an archive that are not compared: the costs of each cycle, for the same reason."""

VERSION = re.compile(r"Made by dabench [^,\s]+")
"""The version in the foot of a page, which says nothing about results."""

PAGES, FIGURES = {".html", ".csv"}, {".svg"}

Part = Mapping[str, Any]
"""Arrays by path, or texts by the name of a field or by file and number of a line."""


class Experiment(NamedTuple):
    """What is run of one scenario.

    Arguments:
        name: Name of the experiment, a folder of a record.
        published: The method whose result file is made.
        devices: Number of CPU devices that members are split across.
    """

    name: str
    scenario: str
    methods: tuple[str, ...]
    members: int
    cycles: int
    published: str
    devices: int = 1


ENSEMBLES = ("ensemble", "letkf", "enkf", "bootstrap")
REFERENCES = ("oi", "persistence", "climatology")
DIFFUSION = ("fa_apf", "guided")

EXPERIMENTS = (
    Experiment(
        name="linear_gaussian",
        scenario="linear_gaussian",
        methods=(*ENSEMBLES, *DIFFUSION, *REFERENCES, "kalman"),
        members=8,
        cycles=6,
        published="fa_apf",
    ),
    Experiment(
        name="two_devices",
        scenario="linear_gaussian",
        methods=("letkf", "fa_apf", "kalman"),
        members=8,
        cycles=6,
        published="letkf",
        devices=2,
    ),
    Experiment(
        name="lorenz63-sakov2012",
        scenario="lorenz63-sakov2012",
        methods=(*ENSEMBLES, *REFERENCES),
        members=6,
        cycles=12,
        published="letkf",
    ),
    Experiment(
        name="temp_16deg",
        scenario="temp_16deg",
        methods=(*DIFFUSION, *ENSEMBLES, *REFERENCES),
        members=4,
        cycles=3,
        published="fa_apf",
    ),
)


class Row(NamedTuple):
    """What was compared, the number of arrays, fields or lines, and the first difference if any."""

    what: str
    number: int
    difference: str | None


# --- recording ---------------------------------------------------------------------------------


def record(checkout: Path, folder: Path, names: list[str]) -> None:
    """Run the experiments of these names with a checkout, and keep in `folder` what they make."""
    before, chosen = _cpu_seconds(), _chosen(names)
    for place in (folder / experiment.name for experiment in chosen):
        if place.exists():
            raise SystemExit(f"{place}: is there already; choose another folder for the record.")
    for experiment in chosen:
        _perform(experiment, checkout.resolve(), folder / experiment.name)
        print(f"{folder}: {experiment.name}, {_cpu_seconds() - before:.0f} CPU seconds so far")


def _chosen(names: list[str]) -> list[Experiment]:
    known = [experiment.name for experiment in EXPERIMENTS]
    if unknown := set(names) - set(known):
        raise SystemExit(f"--only {', '.join(unknown)}: there are {', '.join(known)}")
    return [e for e in EXPERIMENTS if e.name in names or not names]


def _perform(experiment: Experiment, checkout: Path, folder: Path) -> None:
    """Run one experiment and make its result file and its site.

    The working directory has an empty folder of published results, which is found before the
    checkout's own, so that the site shows these runs alone.
    """
    (folder / "leaderboard" / "results").mkdir(parents=True)
    run = ["run", experiment.scenario, "--out", "runs"]
    run += ["--members", str(experiment.members), "--cycles", str(experiment.cycles)]
    run += [word for method in experiment.methods for word in ("--method", method)]
    published = f"runs/{experiment.scenario}/*/{experiment.published}"
    _dabench(checkout, folder, experiment.devices, *run)
    methods = [str(path.relative_to(folder)) for path in folder.glob(published)]
    _dabench(checkout, folder, 1, "leaderboard", "add", *methods, "--to", "results")
    _make_plain(folder / "runs", folder / "plain")
    _dabench(checkout, folder, 1, "leaderboard", "build", "plain", "--out", "site")


def _dabench(checkout: Path, folder: Path, devices: int, *words: str) -> None:
    """Run the command line of a checkout in `folder`; SystemExit with what it said if it fails."""
    ours = {"PYTHONPATH": str(checkout), "JAX_NUM_CPU_DEVICES": str(devices)}
    environment = os.environ | ours | {"JAX_PLATFORMS": "cpu"}
    python = [sys.executable, "-c", "import dabench; print(dabench.__file__)"]
    options: dict[str, Any] = {"cwd": folder, "env": environment, "text": True}
    package = subprocess.run(python, capture_output=True, check=True, **options).stdout.strip()
    if not Path(package).is_relative_to(checkout):
        raise SystemExit(f"{checkout}: python imports {package}, which lies elsewhere")
    command = [sys.executable, "-m", "dabench", *words]
    done = subprocess.run(command, capture_output=True, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr[-4000:]}")


def _make_plain(runs: Path, plain: Path) -> None:
    """Copy runs, and empty the costs and the provenance that a site would show."""
    shutil.copytree(runs, plain, ignore=shutil.ignore_patterns("leaderboard", "figures*"))
    for file in plain.rglob("archive.zarr/zarr.json"):
        root = json.loads(file.read_bytes())
        root["attributes"]["provenance"] = {}
        file.write_text(json.dumps(root))
    for file in plain.rglob("scores.json"):
        scores = json.loads(file.read_bytes())
        file.write_text(json.dumps(scores | {"cost": {}, "provenance": {}}))


def _cpu_seconds() -> float:
    """User and system time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# --- reading -----------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, Part]:
    """All that is compared of one experiment, by what it is."""
    parts: dict[str, Part] = {}
    for store in sorted((folder / "runs").rglob("archive.zarr")):
        method = store.parent.parent.name
        parts[f"{method}: arrays"] = _arrays(store)
        parts[f"{method}: attributes"] = _attributes(store)
        parts[f"{method}: scores"] = _flat(json.loads((store.parent / "scores.json").read_bytes()))
    for file in sorted((folder / "results").rglob("*.json")):
        parts[f"{file.stem}: result file"] = _flat(json.loads(file.read_bytes()))
    if parts:
        parts["lines of pages"] = _lines(folder / "site", PAGES)
        parts["lines of figures"] = _lines(folder / "site", FIGURES)
    return parts


def _arrays(store: Path) -> Part:
    """The values of an archive's arrays by their paths."""
    nodes = _nodes(zarr.open_group(store, mode="r"))
    return {path: np.asarray(n[...]) for path, n in nodes.items() if isinstance(n, zarr.Array)}


def _attributes(store: Path) -> Part:
    """The attributes of an archive's groups and arrays, and the names of the arrays' dimensions."""
    root = zarr.open_group(store, mode="r")
    nodes = {"": root, **_nodes(root)}
    dims = {path: getattr(node.metadata, "dimension_names", None) for path, node in nodes.items()}
    return _flat({path: {**node.attrs, "dims": dims[path]} for path, node in nodes.items()})


def _nodes(root: zarr.Group) -> dict[str, Any]:
    """The groups and arrays below the root by their paths, without those set aside."""
    nodes = dict(root.members(max_depth=None))
    return {path: nodes[path] for path in sorted(nodes) if path not in ARRAYS_ASIDE}


def _flat(value: Any, path: str = "") -> dict[str, str]:
    """The leaves of plain data as JSON by their paths, without the fields set aside."""
    if not (isinstance(value, dict | list) and value):
        return {path: json.dumps(value)}
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    kept = [_flat(part, f"{path}.{key}") for key, part in pairs if key not in FIELDS_ASIDE]
    return {name: leaf for leaves in kept for name, leaf in leaves.items()}


def _lines(site: Path, suffixes: set[str]) -> Part:
    """The lines of a site's files with these suffixes."""
    return {
        f"{file.relative_to(site)}:{number}": VERSION.sub("Made by dabench", line)
        for file in sorted(site.rglob("*"))
        if file.suffix in suffixes
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    }


# --- comparing ---------------------------------------------------------------------------------


def compare(old: Path, new: Path, names: list[str]) -> list[Row]:
    """Compare two records, or the experiments of these names in them."""
    names = names or sorted({p.name for folder in (old, new) for p in folder.glob("*/")})
    if not names:
        raise SystemExit(f"{old}, {new}: hold no experiment; `record` makes them.")
    return [
        row for name in names for row in _rows(name, contents(old / name), contents(new / name))
    ]


def _rows(name: str, old: Mapping[str, Part], new: Mapping[str, Part]) -> list[Row]:
    """A row for each part that either record has."""
    if not old or not new:
        return [Row(name, 0, f"the {'second' if old else 'first'} record has no such experiment")]
    pairs = {what: (old.get(what, {}), new.get(what, {})) for what in {**old, **new}}
    return [
        Row(f"{name}, {what}", len({**a, **b}), first_difference(a, b))
        for what, (a, b) in pairs.items()
    ]


def first_difference(old: Part, new: Part) -> str | None:
    """Where two parts differ first, and how; None where they are the same, bit for bit."""
    for name in {**old, **new}:
        if name not in old or name not in new:
            return f"{name}: only in the {'first' if name in old else 'second'} record"
        numeric = isinstance(old[name], np.ndarray)
        difference = (_array_difference if numeric else _text_difference)(old[name], new[name])
        if difference:
            return f"{name}: {difference}"
    return None if old else "nothing to compare"


def _array_difference(old: np.ndarray, new: np.ndarray) -> str | None:
    if (old.dtype, old.shape) != (new.dtype, new.shape):
        return f"{old.dtype} {old.shape} | {new.dtype} {new.shape}"
    differ = np.flatnonzero(_bits(old) != _bits(new))
    if not len(differ):
        return None
    first = np.unravel_index(differ[0], old.shape)
    place = [int(i) for i in first]
    return f"{len(differ)} of {old.size} values, first {place}: {old[first]!r} | {new[first]!r}"


def _bits(values: np.ndarray) -> np.ndarray:
    """The values so that == compares their bits, with NaN equal to itself and 0 unequal to -0."""
    flat = np.ascontiguousarray(values).reshape(-1)
    return flat if flat.dtype.kind in "OT" else flat.view(f"V{flat.dtype.itemsize}")


def _text_difference(old: str, new: str) -> str | None:
    """The texts from shortly before the place where they part."""
    if old == new:
        return None
    agreeing = takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False))
    start = max(0, len(list(agreeing)) - 20)
    return f"{old[start : start + 60]!r} | {new[start : start + 60]!r}"


# --- the command -------------------------------------------------------------------------------


def show(rows: list[Row]) -> int:
    """Print the table; 1 where a row differs, else 0."""
    width = max(len(row.what) for row in rows)
    for row in rows:
        print(f"{row.what:{width}}  {row.number:7d}  {row.difference or 'equal'}")
    unequal = sum(row.difference is not None for row in rows)
    print(f"{unequal} of {len(rows)} differ" if unequal else f"all {len(rows)} are equal")
    return int(unequal > 0)


def main(words: list[str]) -> int:
    """Do what the command line says; 1 where anything differs, else 0."""
    parser = _parser()
    options = parser.parse_args(words)
    match options.words:
        case ["record", checkout, folder]:
            record(Path(checkout), Path(folder), options.only)
            return 0
        case ["compare", old, new]:
            return show(compare(Path(old), Path(new), options.only))
        case [old, new]:
            work = options.work or Path(tempfile.mkdtemp(prefix="same_bits-"))
            record(Path(old), work / "old", options.only)
            record(Path(new), work / "new", options.only)
            return show(compare(work / "old", work / "new", options.only))
        case _:
            return parser.error("give OLD NEW, record CHECKOUT FOLDER, or compare FOLDER OTHER")


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("words", nargs="+", help="two checkouts, or a verb and its two folders")
    parser.add_argument("--only", action="append", default=[], help="an experiment; repeatable")
    parser.add_argument(
        "--work", type=Path, help="folder that keeps both records; default a new one"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
