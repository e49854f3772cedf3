"""What people see of scores: terminal tables, result files, figures and pages; no JAX.

terminal    tables of a run and of a comparison     results        committed result files
published   curves that others have published
vocabulary  the words of tables and pages           result_schema  what such a file may hold
format      numbers, units and names in print       packed_series  series as short text
row, board  a method, and all of them on a problem  stale          rows that are out of date
site        all pages                               serve          a small web server
thumbnails  maps in result files                    figures/       plots
labels      rows beside a method's own              sizes          equal cost, skill by members
leads       forecasts by lead time                  lead_tables    the same on pages
smoothed    smoothers beside their filters

The package can be called, as `dabench.leaderboard(sources, out)`: a function of the same name in
`dabench` would be replaced by the package as soon as one of its modules is imported.
"""

import sys
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from types import ModuleType

RESULTS = "leaderboard/results"
"""Folder of the published results, in a checkout."""


class _CallablePackage(ModuleType):
    def __call__(
        self, sources: Iterable[str | PathLike[str]], out: str | PathLike[str] = "runs/leaderboard"
    ) -> Path:
        """Build the static site of runs and published results, and return its front page.

        Arguments:
            sources: Runs or their folders, folders of runs, result files, or folders of these.
            out: Folder of the site: new, empty, or made by an earlier build (UserError otherwise).

        Example:
            >>> import dabench
            >>> dabench.leaderboard(["runs"], out="site").name
            'index.html'
        """
        from dabench.leaderboard.site import build

        return build([Path(source) for source in sources], Path(out))


sys.modules[__name__].__class__ = _CallablePackage
