"""Configuration of Sphinx for the documentation site (``make docs``).

The source folder is the root of the repository, so that relative links work on the site as they do
in a checkout. This file also generates a page for each public module that the tables in
``docs/api.md`` list. Sphinx fills these pages from the docstrings of the modules.
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
    """Return the public module on whose page a name is documented.

    If several public modules have the object, the result is the module nearest to its definition.
    The result is ``imdskit`` only if no other public module has the object.
    """
    if module == NOT_IMPORTED:
        return module
    value = getattr(import_module(module), name)
    offers = [one for one in PUBLIC if name in PUBLIC[one] and one != NOT_IMPORTED and getattr(import_module(one), name) is value]
    defined = f"{getattr(value, '__module__', module)}."
    return max(offers, key=lambda one: (one != "imdskit", defined.startswith(f"{one}."), len(one)))


def page(module: str) -> str:
    """Return the Markdown page of a public module.

    The page documents the names for which :func:`home` returns this module. For its other names, it
    contains only links to the pages that document them.
    """
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
    """Execute the imports below ``if TYPE_CHECKING`` in each module of imdskit.

    Otherwise, autodoc could not resolve the names in annotations that only type checkers import.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("imdskit.") and module.__file__:
            for statement in ast.parse(Path(module.__file__).read_bytes()).body:
                if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
                    exec(ast.unparse(ast.Module(statement.body, [])), module.__dict__)


def is_known(name: str, module: str, owner: str) -> bool:
    """Return whether a name in a docstring exists, although no page documents it.

    The name may be complete, such as a name of the standard library, or relative to a module or
    class. The docstring may come from another module than the one whose page shows it. The function
    therefore also looks for the name in the modules that define the public names of ``module``.
    """
    around = [getattr(import_module(module), public) for public in PUBLIC.get(module, ())] if module != NOT_IMPORTED else []
    places = {"", f"{module}.", f"{module}.{owner}.", *(f"{getattr(one, '__module__', module)}." for one in around)}
    for place in places:
        with suppress(ImportError, AttributeError, ValueError):
            resolve_name(place + name)
            return True
    return False


def keep_known_name(_app: Sphinx, _env: object, node: Element, text: Element) -> Element | None:
    """Return the text of an unresolved reference if the name exists, so that it becomes plain text.

    Otherwise, return None. Sphinx then reports an error, because ``make docs`` uses the options
    ``--nitpicky`` and ``--fail-on-warning``.
    """
    known = node["refdomain"] == "py" and is_known(node["reftarget"], node.get("py:module") or "", node.get("py:class") or "")
    return text if known else None


def keep_colons(_app: Sphinx, what: str, _name: str, _value: object, _options: object, lines: list[str]) -> None:
    """Prevent napoleon from treating the words before a colon as the type of an attribute.

    The type is already in the annotation. Napoleon looks for a type in the first line of the
    docstring, so this function inserts an empty comment before it.
    """
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def keep_links_on_the_site(_app: Sphinx, name: str, source: list[str]) -> None:
    """Make the links of the README relative, so that they lead to the pages of the site.

    In the repository, they are absolute, because package indexes show the README, too.
    """
    if name == "README":
        source[0] = source[0].replace("https://github.com/imdskit/imdskit/blob/main/", "")


def shorten_defaults(*arguments: Any) -> tuple[str | None, str | None]:
    """Replace default values that are not valid Python, such as ``<factory>``, with ``...``."""
    signature, returned = arguments[-2:]
    return signature and re.sub(r"<[^<>]*>", "...", signature), returned


def setup(app: Sphinx) -> None:
    """Connect the functions of this file to the events of Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", keep_links_on_the_site)
    app.connect("missing-reference", keep_known_name)
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
    app.connect("autodoc-process-signature", shorten_defaults)
