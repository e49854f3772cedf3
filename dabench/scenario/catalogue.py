"""The folders of scenarios and baselines: working directory, checkout, installed package."""

import re
from pathlib import Path

from dabench.core.errors import UserError
from dabench.scenario.validate import suggest

PACKAGE = Path(__file__).parents[1]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


def folders(kind: str) -> list[Path]:
    """The folders `scenarios` or `baselines` that exist, in the order of search."""
    checkout = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else PACKAGE
    parents = (PACKAGE / "share", checkout, Path())  # of two names of one folder the last stays
    by_place = {(p / kind).resolve(): p / kind for p in parents if (p / kind).is_dir()}
    return list(by_place.values())[::-1]


def names(kind: str) -> dict[str, Path]:
    """Every name that `find` takes, a path from the folder on without suffix, with its file."""
    files: dict[str, Path] = {}
    for folder in folders(kind):
        for path in sorted(folder.rglob("*.yaml")):
            files.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return files


def is_path(name: str) -> bool:
    """Whether a user who gives this text means a file rather than a name."""
    return name.endswith((".yaml", ".yml")) or name.startswith((".", "/", "~"))


def find(kind: str, name: str) -> Path:
    """The file of a name (`temp_4deg`, `era5/temp_4deg`) or path; UserError for unknown names.

    A path such as scenarios/temp_4deg.yaml is also found where only the installed package has it.
    """
    files = names(kind)
    if is_path(name):
        path = Path(name).expanduser()
        folder, _, rest = path.with_suffix("").as_posix().partition("/")
        return files.get(rest, path) if folder == kind and not path.exists() else path
    if name not in files:
        raise UserError(f"unknown {kind[:-1]} {name!r}; {suggest(name, files)}")
    return files[name]


def name_of(kind: str, path: Path) -> str:
    """The name of a file: its path below the last folder `scenarios` (or `baselines`), or its stem.

    UserError if it could not name a folder.
    """
    parts = path.absolute().with_suffix("").parts
    below = len(parts) - 1 - parts[::-1].index(kind) if kind in parts[:-1] else len(parts) - 2
    if bad := [part for part in parts[below + 1 :] if not NAME.fullmatch(part)]:
        raise UserError(
            f"{path}: {bad[0]!r} cannot name a folder of results; "
            "use letters, digits, '-', '_' and single dots"
        )
    return "/".join(parts[below + 1 :])
