"""The leaderboard of 20 scenarios and 9 methods: seconds to build it, weight of its front page."""

import copy
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.race import Row, race
from dabench.leaderboard import results
from dabench.leaderboard import site as leaderboard
from dabench.leaderboard.methods import METHODS

NAMES = [m.identifier for m in METHODS if m.identifier not in ("kalman", "lpf")][:9]
RESULTS = Path(__file__).parents[1] / "leaderboard/results/dry_temp_4deg/held_suarez"


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """From nothing, and again where no result has changed; the committed results, many times."""
    boards = 4 if quick else 20
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "results"), Path(folder, "site")
        many(source, boards)

        def anew() -> Path:
            shutil.rmtree(out, ignore_errors=True)
            return leaderboard.build([source], out)

        notes = {"from nothing": {"front page, kB": weight(anew().parent) // 1000}}
        again = {"from nothing": anew, "again": lambda: leaderboard.build([source], out)}
        yield from race(f"site of {boards} x {len(NAMES)}", again, min(rounds, 3), notes)


def many(folder: Path, boards: int) -> None:
    """Result files of as many scenarios, each with nine methods: copies under other names."""
    known = [results.load(file)[0] for file in sorted(RESULTS.glob("*.json"))]
    for i in range(boards):
        for j, method in enumerate(NAMES):
            run = copy.deepcopy(known[j % len(known)])
            run |= {"method": method, "filter": method}
            run["scenario"] |= {"name": f"scenario_{i:02}", "digest": str(i)}
            file = folder / results.place(run)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(results.content([run]))


def weight(site: Path) -> int:
    """Bytes that a browser loads for the front page: it has no images."""
    return sum((site / name).stat().st_size for name in ("index.html", *leaderboard.STATIC))
