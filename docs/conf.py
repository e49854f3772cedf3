"""Sphinx: no page asks for anything from outside; formulas are MathML, made here.

Interfaces are documented by their docstrings, which are plain text rather than reStructuredText:
`read_plainly` says which of their blocks are to be shown as they are.
"""

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.docstrings import prepare_docstring

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "dabench"
author = "dabench contributors"
project_copyright = "dabench contributors"
html_title = "dabench"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
default_role = "code"
add_module_names = False
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
nitpick_ignore_regex = [("py:.*", ".*")]  # types in signatures: most are of other packages
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
highlight_language = "text"
nitpicky = True

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["extra.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_math_renderer = "mathml"


def inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block(translator: Any, node: nodes.math_block) -> None:
    text = tex2mathml(node.astext(), as_block=True)
    translator.body.append(f'<div class="math">{text}</div>\n')
    raise nodes.SkipNode


SECTION = re.compile(r"(Arguments|Returns|Example):")
REMARK = re.compile(r"(Raises|Returns|Source): (.*)")


def read_plainly(_: Any, __: str, name: str, documented: Any, ___: Any, lines: list[str]) -> None:
    """Turn a docstring into reStructuredText: remarks are paragraphs, indented blocks literal."""
    if name == "dabench.leaderboard":  # a package that can be called
        lines[:] = prepare_docstring(type(documented).__call__.__doc__)
    text: list[str] = []
    heading = ""  # the last line that is not indented, until the block below it has begun
    for line in lines:
        if line and not line.startswith(" "):
            heading = line
            if remark := REMARK.match(line):
                text.append("")
                line = f"*{remark[1]}:* {remark[2]}"
        elif REMARK.match(heading):
            line = line.strip()
        elif line and text[-1:] == [""] and heading and not SECTION.fullmatch(heading):
            text += ["::", ""]
            heading = ""
        text.append(line)
    lines[:] = text


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", read_plainly, priority=100)  # before napoleon
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True}
