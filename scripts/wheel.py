"""Check a built wheel: only ``agent_guard`` is in it, with its data files, and it imports and scaffolds from there."""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

NEEDED = (
    "agent_guard/py.typed",
    "agent_guard/migrations/env.py",
    "agent_guard/migrations/versions/0001_first_schema.py",
    "agent_guard/migrations/versions/0002_trail_plans_agents.py",
    "agent_guard/policies/words/en.yaml",
    "agent_guard/routing/danger.yaml",
    "agent_guard/scaffold/templates/common/gitignore",
    "agent_guard/words/en.txt",
)
PROGRAM = (
    "import agent_guard; from agent_guard import Gateway, Policy, Session, Subject, tool; print(agent_guard.__file__)"
)


def main(folder: Path) -> None:
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        tops = {name.split("/")[0] for name in names}
        strangers = [top for top in tops if top != "agent_guard" and not top.endswith(".dist-info")]
        missing = [name for name in NEEDED if name not in names]
        models = [path for path in Path("agent_guard/masking/models").rglob("*") if path.is_file()]
        missing += [str(path) for path in models if path.suffix != ".pyc" and path.as_posix() not in names]
        if strangers or missing:
            sys.exit(f"{wheel.name}: not expected {strangers}, missing {missing}")
        with tempfile.TemporaryDirectory() as target:
            archive.extractall(target)
            found = subprocess.run(
                [sys.executable, "-c", PROGRAM], cwd=target, check=True, capture_output=True, text=True
            ).stdout.strip()
            if not Path(found).is_relative_to(Path(target).resolve()):
                sys.exit(f"{wheel.name}: imported {found}, not the wheel")
            scaffold(Path(target))
    print(f"{wheel.name}: {len(names)} files, imports, scaffolds a project whose tests pass")


def scaffold(installed: Path) -> None:
    """Makes a project out of the wheel alone, and runs its tests."""
    project = installed / "project"
    for words, folder in ((["agent_guard.cli", "init", str(project)], installed), (["pytest", "-q"], project)):
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(installed)},
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
