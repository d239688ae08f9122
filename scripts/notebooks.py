"""Runs notebooks from top to bottom and stores what they show: ``python scripts/notebooks.py [NAME ...]``.

The outputs are committed, so that a reader sees them without running anything. Nothing of this machine may stand in
them: a notebook that shows a path of it is refused.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
HERE = re.compile(
    r"/(?:home|root|tmp|var|usr|opt|work|Users|private|mnt|srv)/[\w.~-]|[A-Z]:\\\\|site-packages|\bipykernel_\d"
)
"""What tells of the machine that a notebook was run on."""


def said(notebook: nbformat.NotebookNode) -> str:
    """All that the outputs of a notebook show, as text and as HTML, in order."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.get("text", "") or "\n".join(map(str, output.get("data", {}).values())) for output in outputs]
    return "".join(shown)  # a kernel under load sends one line in two pieces


def execute(path: Path) -> nbformat.NotebookNode:
    """A notebook with the outputs of a run in a new kernel; the first error of a cell is raised."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=300,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(FOLDER)}},
    )
    client.execute()
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def _without(notebook: nbformat.NotebookNode, folder: str) -> None:
    """Leaves out where a notebook's own files lay: ``%%writefile`` tells it."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = output["text"].replace(folder, "")


def main(names: list[str]) -> None:
    unknown = [name for name in names if not (FOLDER / f"{name}.ipynb").is_file()]
    if unknown:
        there = ", ".join(path.stem for path in sorted(FOLDER.glob("*.ipynb")))
        sys.exit(f"there is no notebook {unknown[0]!r}; there is: {there}")
    for path in sorted(FOLDER.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            os.environ |= {"TMPDIR": scratch, "IPYTHONDIR": f"{scratch}/ipython", "JUPYTER_PREFER_ENV_PATH": "1"}
            notebook = execute(path)
            _without(notebook, f"{scratch}/")
        told = HERE.search(said(notebook))
        if told:
            sys.exit(f"{path.name} shows something of this machine: {told[0]!r}; nothing was written")
        nbformat.write(notebook, path)
        print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
