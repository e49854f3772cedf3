"""Sphinx: no page asks for anything from outside; formulas are MathML, made here."""

from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

project = "dabench"
author = "dabench contributors"
project_copyright = "dabench contributors"
html_title = "dabench"

extensions = ["myst_parser"]
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


def setup(app: Any) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True}
