"""GenCast's files from the official bucket, or from a mirror of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from dabench.core.errors import UserError
from dabench.systems.gencast import checkpoint, official
from dabench.systems.gencast.fetch import cache, progress
from dabench.systems.gencast.fetch.download import Facts, download, facts, is_url, join
from dabench.systems.gencast.network import parameters

BUCKET = "https://storage.googleapis.com/dm_graphcast/gencast"

LICENCE = """\
Licence of GenCast's weights, statistics and example data (not of dabench): CC BY 4.0, as their
documentation says since 6 August 2026; the text inside a checkpoint may still be the earlier,
non-commercial one. ERA5 contains modified Copernicus Climate Change Service information; its use
is subject to the Copernicus licence. HRES is based on data and products of the European Centre for
Medium-Range Weather Forecasts (ECMWF), www.ecmwf.int, under CC BY 4.0; ECMWF accepts no liability
for errors or omissions in the data, their availability, or loss or damage from their use."""


class File(NamedTuple):
    """An official file: its folder in the bucket, and its name."""

    folder: str
    name: str


def files(model: str, examples: bool = False) -> list[File]:
    """The files that a model needs, or the one of a sample.

    Arguments:
        model: Name of an official model or sample.
        examples: Whether the example batch of the model's grid is one of them.
    """
    if model in official.SAMPLES:
        return [File(official.DATASET, official.SAMPLES[model])]
    chosen = official.MODELS[model]
    needed = [File(official.PARAMS, chosen.file)]
    needed += [File(official.STATS, name) for name in official.STATISTICS]
    return [*needed, File(official.DATASET, chosen.example)] if examples else needed


def fetch(
    model: str,
    *,
    source: str | None = None,
    dest: str | Path | None = None,
    examples: bool = False,
    dry_run: bool = False,
    console: Console | None = None,
) -> list[Path]:
    """The files of an official model or sample, in the cache; what is there stays as it is.

    Arguments:
        model: Name of an official model or sample.
        source: URL or folder in place of the official bucket, laid out as that or flat.
        dest: Folder in place of the cache.
        examples: Whether to fetch the example batch of the model's grid, too.
        dry_run: Whether only to say what would be fetched.
    """
    console = console or Console(stderr=True)
    home, done = cache.gencast(dest), []
    if not dry_run:
        licence(home, console)
    for file in files(model, examples):
        target = home / file.folder / official.cached_name(file.name)
        if target.exists():
            progress.line(console, f"there     {target} ({progress.size(target.stat().st_size)})")
        elif dry_run:
            place, remote = find(file, source)
            progress.line(console, f"would get {place} ({progress.size(remote.size)}) as {target}")
        else:
            _get(file, source, target, console)
        done.append(target)
    return done


def _get(file: File, source: str | None, target: Path, console: Console) -> None:
    place, _ = find(file, source)
    with progress.transfer(file.name, console) as advance:
        remote = download(place, target, check, advance)
    verified = "MD5 verified" if remote.md5 else "the source gives no checksum"
    size = progress.size(target.stat().st_size)
    progress.line(console, f"fetched   {target} ({size}, {verified})")


def find(file: File, source: str | None) -> tuple[str, Facts]:
    """Where a source has a file, and the facts about it; UserError if it has none."""
    places = list(_places(file, source or BUCKET))
    if not is_url(places[0]):
        place = next((p for p in places if Path(p).is_file()), places[0])
        return place, facts(place)
    return places[0], facts(places[0])


def _places(file: File, source: str) -> Iterable[str]:
    """Where a source may have a file: under its own name, or as a browser or a mirror saved it."""
    for name in (file.name, official.cached_name(file.name), file.name.replace("<", "%3C")):
        yield join(source, file.folder, name)
        yield join(source, "gencast", file.folder, name)
        yield join(source, name)


def check(file: Path) -> None:
    """UserError unless a file is what its name says: a whole checkpoint, or netCDF."""
    if file.suffix == ".npz":
        loaded = checkpoint.load(file)
        parameters.check(loaded.params, loaded.config)
        return
    import xarray as xr

    try:
        with xr.open_dataset(file) as opened:
            if not opened.data_vars:
                raise UserError(f"{file}: has no variables")
    except (OSError, ValueError) as e:
        raise UserError(f"{file}: not a readable netCDF file ({e})") from None


def licence(home: Path, console: Console) -> None:
    """Show the licences, once for every cache folder."""
    text = home / "LICENCE.txt"
    if not text.exists():
        home.mkdir(parents=True, exist_ok=True)
        text.write_text(LICENCE + "\n")
        progress.line(console, LICENCE)
