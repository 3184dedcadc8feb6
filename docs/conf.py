"""The guide as a site: `make docs`, then open docs/_build/index.html. No page asks a network."""

project = "manybaskets"
extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "manybaskets"
html_copy_source = False
html_show_sourcelink = False
