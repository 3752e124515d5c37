"""Configuration of Sphinx for the documentation site (``make docs``).

The source folder is the root of the repository, so that relative links work on the site as they do in a checkout. A page for each public
module is generated from the tables in ``docs/api.md``, and filled from the docstrings.
"""

from __future__ import annotations

import ast
import re
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from docutils.nodes import Element
from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "python"))

from imdskit import __version__  # noqa: E402  # needs the path above

project = "imdskit"
author = "The imdskit developers"
release = version = __version__
root_doc = "docs/index"
include_patterns = [
    *("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md", "changelog.d/README.md"),
    *("docs/**.md", "examples/*/README.md", "packaging/**/README.md", "python/imdskit/verify/roots/README.md"),
]
exclude_patterns = [".*", "benches", "build", "dist", "rust", "target", "tests"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
autodoc_default_options = {"no-value": True}
autodoc_member_order = "bysource"
napoleon_use_ivar = True
autodoc_typehints_format = "short"
nitpicky = True

html_theme = "furo"
html_title = "imdskit"
html_extra_path = ["site"]
html_copy_source = False
html_show_copyright = False

ROW = re.compile(r"^\| `(imdskit[a-z_.]*)` \| (.*) \|$", re.MULTILINE)
PUBLIC = {module: re.findall(r"`(\w+)`", names) for module, names in ROW.findall((ROOT / "docs" / "api.md").read_text("utf-8"))}
NOT_IMPORTED = "imdskit.attestation_service.wsgi"  # importing it reads the configuration of a service


def home(module: str, name: str) -> str:
    """Return the public module on whose page a name is documented: the one nearest to its definition, and `imdskit` only if no other has it."""
    if module == NOT_IMPORTED:
        return module
    value = getattr(import_module(module), name)
    offers = [one for one in PUBLIC if name in PUBLIC[one] and one != NOT_IMPORTED and getattr(import_module(one), name) is value]
    defined = f"{getattr(value, '__module__', module)}."
    return max(offers, key=lambda one: (one != "imdskit", defined.startswith(f"{one}."), len(one)))


def page(module: str) -> str:
    """Return the page of a public module: its own names in full, and links to those that it has from elsewhere."""
    if module == NOT_IMPORTED:
        docstring = ast.get_docstring(ast.parse((ROOT / "python" / f"{module.replace('.', '/')}.py").read_bytes()))
        body = f".. py:module:: {module}\n\n{docstring}\n\n.. py:data:: application\n   :type: imdskit.attestation_service.Application\n"
        return f"# `{module}`\n\n```{{eval-rst}}\n{body}```\n"
    homes = {name: home(module, name) for name in PUBLIC[module]}
    own = [name for name in homes if homes[name] == module]
    data = [name for name in own if not callable(getattr(import_module(module), name))]
    members = ", ".join(name for name in own if name not in data)
    text = f"# `{module}`\n\n```{{eval-rst}}\n.. automodule:: {module}\n{f'   :members: {members}' if members else ''}\n"
    text += "".join(f"\n.. autodata:: {module}.{name}\n" for name in data) + "```\n"
    others = [f"- {{py:obj}}`{homes[name]}.{name}`\n" for name in homes if homes[name] != module]
    return text + "".join(["\n## Names from other modules\n\n", *others] if others else [])


def write_pages(*_: object) -> None:
    """Write the pages of the public modules to ``docs/api``, which is not under version control."""
    folder = ROOT / "docs" / "api"
    folder.mkdir(exist_ok=True)
    for module in PUBLIC:
        path = folder / f"{module}.md"
        text = page(module)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")
    import_types()
    for path in folder.iterdir():
        if path.stem not in PUBLIC:
            path.unlink()


def import_types() -> None:
    """Give each module of imdskit the names that it imports for type checkers only, so that autodoc can resolve them."""
    for name, module in list(sys.modules.items()):
        if name.startswith("imdskit.") and module.__file__:
            for statement in ast.parse(Path(module.__file__).read_bytes()).body:
                if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
                    exec(ast.unparse(ast.Module(statement.body, [])), module.__dict__)


def is_known(name: str, module: str, owner: str) -> bool:
    """Return whether a name that has no page exists in Python's standard library, in pytest or inside imdskit.

    A docstring names things as its own module sees them, which is not always the module on whose page it stands.
    """
    around = [getattr(import_module(module), public) for public in PUBLIC.get(module, ())] if module != NOT_IMPORTED else []
    places = {"", f"{module}.", f"{module}.{owner}.", *(f"{getattr(one, '__module__', module)}." for one in around)}
    for place in places:
        with suppress(ImportError, AttributeError, ValueError):
            resolve_name(place + name)
            return True
    return False


def keep_known_name(_app: Sphinx, _env: object, node: Element, text: Element) -> Element | None:
    """Leave a reference as plain text if it names something that exists; all others are errors (``-n -W``)."""
    known = node["refdomain"] == "py" and is_known(node["reftarget"], node.get("py:module") or "", node.get("py:class") or "")
    return text if known else None


def keep_colons(_app: Sphinx, what: str, _name: str, _value: object, _options: object, lines: list[str]) -> None:
    """Stop napoleon from reading the words before a colon as a type: the annotation has the type."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def keep_links_on_the_site(_app: Sphinx, name: str, source: list[str]) -> None:
    """Let the README's links lead to the pages of the site: they are absolute because package indexes show the README."""
    if name == "README":
        source[0] = source[0].replace("https://github.com/imdskit/imdskit/blob/main/", "")


def shorten_defaults(*arguments: Any) -> tuple[str | None, str | None]:
    """Write ``...`` for a default value whose representation is not Python, such as ``<factory>``."""
    signature, returned = arguments[-2:]
    return signature and re.sub(r"<[^<>]*>", "...", signature), returned


def setup(app: Sphinx) -> None:
    """Connect the functions of this file to the events of Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", keep_links_on_the_site)
    app.connect("missing-reference", keep_known_name)
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
    app.connect("autodoc-process-signature", shorten_defaults)
