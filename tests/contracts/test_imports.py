"""Who may import whom, and what a light import must not load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "gome_theory": set(),
    "optimizers": set(),
    "simulators": {"gome_theory", "optimizers"},
    "gome_agent": {"optimizers"},
    "experiments": {"gome_theory", "optimizers", "simulators", "gome_agent"},
}


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, at any depth of its code."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by full name, not relatively"
            found.add((node.module or "").split(".")[0])
    return found


def modules(package: str) -> list[Path]:
    """Files of a package, without what studies leave below their results."""
    results = ROOT / "experiments" / "results"
    found = [path for path in (ROOT / package).rglob("*.py") if results not in path.parents]
    assert found
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package):
    allowed = MAY_IMPORT[package] | {package}
    for path in modules(package):
        crossing = imported(path) & MAY_IMPORT.keys() - allowed
        assert not crossing, f"{path.relative_to(ROOT)} imports {sorted(crossing)}"


def loaded_by(code: str) -> set[str]:
    """Modules in memory after running code in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_the_lower_packages_are_light():
    loaded = loaded_by("import gome_theory, optimizers, simulators")
    assert not loaded & {"litellm", "pydantic", "torch", "sklearn", "pandas", "matplotlib"}


def test_the_command_line_starts_without_heavy_imports():
    loaded = loaded_by("import experiments.cli")
    assert not loaded & {"jax", "numpy", "scipy", "pandas", "sklearn", "pydantic", "matplotlib"}


def test_the_agent_starts_without_what_only_scripts_and_graders_need():
    loaded = loaded_by("import gome_agent.loop, gome_agent.reasoners, gome_agent.tasks.registry")
    assert not loaded & {"litellm", "torch", "sklearn", "pandas", "matplotlib", "plotnine"}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_modules_stay_small(package):
    for path in modules(package):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines: split it by decision"
