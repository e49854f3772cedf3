"""Where scenarios and baselines lie: the working directory, the checkout, the installed package."""

import re
from pathlib import Path

from dabench.core.errors import UserError
from dabench.scenario.validate import suggest

PACKAGE = Path(__file__).parents[1]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


def folders(kind: str) -> list[Path]:
    """The folders `scenarios` or `baselines` that exist, the first to look in first."""
    checkout = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else PACKAGE
    parents = (PACKAGE / "share", checkout, Path())  # of two names of one folder the last stays
    found = {(p / kind).resolve(): p / kind for p in parents if (p / kind).is_dir()}
    return list(found.values())[::-1]


def names(kind: str) -> dict[str, Path]:
    """Every name that `find` knows, with its file: paths from the folder on, without the suffix."""
    found: dict[str, Path] = {}
    for folder in folders(kind):
        for path in sorted(folder.rglob("*.yaml")):
            found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return found


def is_path(name: str) -> bool:
    """Whether the user means a file rather than a name."""
    return name.endswith((".yaml", ".yml")) or name.startswith((".", "/", "~"))


def find(kind: str, name: str) -> Path:
    """The file of a name (`temp_4deg`, `era5/temp_4deg`) or path; UserError if there is none.

    A path such as scenarios/temp_4deg.yaml is also found where only the installed package has it.
    """
    known = names(kind)
    if is_path(name):
        path = Path(name).expanduser()
        folder, _, rest = path.with_suffix("").as_posix().partition("/")
        return known.get(rest, path) if folder == kind and not path.exists() else path
    if name not in known:
        raise UserError(f"unknown {kind[:-1]} {name!r}; {suggest(name, known)}")
    return known[name]


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
