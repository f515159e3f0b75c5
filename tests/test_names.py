"""The house rules that no linter knows: one name for one thing, everything in its place, nothing too long."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mxisd"
# Of the project's dependencies, those whose module has another name than the package.
MODULES = {
    "email-validator": "email_validator",
    "google-re2": "re2",
    "prometheus-client": "prometheus_client",
    "python-ldap": "ldap",
    "pymysql": "pymysql",
    "pyopenssl": "OpenSSL",
    "pyyaml": "yaml",
    "service-identity": "service_identity",
    "zope.interface": "zope",
}
# txredisapi imports it if it is there.
IMPORTED_BY_OTHERS = {"hiredis"}
# By a storage engine that is not imported before ``library()`` has found it.
IMPORTED_WITH_CARE = {"psycopg"}
# It has an environment of its own, in which the tests start it.
IN_ANOTHER_ENVIRONMENT = {"synapse"}
# Who may speak HTTP: the two ends of a request.
HTTP = ("web", "net")
MAX_LINES = 300


def sources(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[str]:
    """The absolute names of modules that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)


def others(folder: Path) -> set[str]:
    """The modules of libraries that are imported, by the first part of their names."""
    found = {name.partition(".")[0] for _, tree in sources(folder) for name in imports(tree)}
    return found - sys.stdlib_module_names - {"mxisd", "tests"}


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def declared(requirements: list[str]) -> set[str]:
    """The modules that requirements bring."""
    names = [re.split(r"[\[<>=~! ]", requirement)[0].lower() for requirement in requirements]
    return {MODULES.get(name, name) for name in names}


class NameTests(SynchronousTestCase):
    def test_no_class_name_stands_for_two_things(self) -> None:
        """A section of the configuration may have the name of what it configures; nothing else may."""
        places = defaultdict(list)
        for path, tree in sources(PACKAGE):
            if path.parts[1] != "config":
                for node in ast.walk(tree):
                    if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                        places[node.name].append(f"{path}:{node.lineno}")
        self.assertEqual({name: found for name, found in places.items() if len(found) > 1}, {})

    def test_the_glossary_has_each_term_once_and_in_order(self) -> None:
        text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
        terms = re.findall(r"^\| \*\*(.+?)\*\* \|", text, re.MULTILINE)
        self.assertGreater(len(terms), 20)
        self.assertEqual(terms, sorted(set(terms), key=str.lower))


class PlaceTests(SynchronousTestCase):
    def test_the_architecture_has_every_folder_and_module(self) -> None:
        rows = re.findall(r"^\| (`.+?) \|", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"), re.MULTILINE)
        described = {name for row in rows for name in re.findall(r"`mxisd/([\w.]+)/?`", row)}
        there = {
            path.name
            for path in PACKAGE.iterdir()
            if (path / "__init__.py").exists() or (path.suffix == ".py" and path.name != "__init__.py")
        }
        self.assertEqual(described, there)

    def test_only_the_ends_of_a_request_speak_http(self) -> None:
        found = [
            f"{path} imports {name}"
            for path, tree in sources(PACKAGE)
            if path.parts[1] not in HTTP
            for name in imports(tree)
            if name.startswith(("twisted.web", "treq"))
        ]
        self.assertEqual(found, [])


class LengthTests(SynchronousTestCase):
    def test_no_module_is_too_long_to_be_read_in_one_go(self) -> None:
        lengths = {
            str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path, _ in sources(PACKAGE)
        }
        self.assertEqual({path: lines for path, lines in lengths.items() if lines > MAX_LINES}, {})

    def test_the_start_is_short(self) -> None:
        self.assertLess(len((PACKAGE / "tap.py").read_text(encoding="utf-8").splitlines()), 100)


class DependencyTests(SynchronousTestCase):
    """What is declared is what is imported, and nothing comes by way of another library only."""

    def test_of_the_server(self) -> None:
        self.assertEqual(declared(project()["dependencies"]) - IMPORTED_BY_OTHERS, others(PACKAGE) - IMPORTED_WITH_CARE)

    def test_of_its_extras(self) -> None:
        """Optional libraries are imported by ``library(module, extra)``."""
        found = defaultdict(set)
        for _, tree in sources(PACKAGE):
            for node in ast.walk(tree):
                match node:
                    case ast.Call(ast.Name("library"), [ast.Constant(str(module)), ast.Constant(str(extra))]):
                        found[extra].add(module)
        extras = project()["optional-dependencies"]
        expected = {extra: declared(extras[extra]) for extra in extras if extra not in ("test", "dev")}
        self.assertEqual(dict(found), expected)

    def test_of_the_tests(self) -> None:
        extras = project()["optional-dependencies"]
        imported = others(ROOT / "tests") - IN_ANOTHER_ENVIRONMENT
        own = declared(extras["test"])
        self.assertEqual(own - imported, set())
        available = own.union(*(declared(extras[extra]) for extra in extras), declared(project()["dependencies"]))
        self.assertEqual(imported - available, set())
