"""The first code cell of every chapter, word for word (`tests/notebooks/test_contract.py` compares them).

`python -m book.chapters.doors` writes it into every chapter.
"""

from book.chapters.version import ADDRESS, VERSION

ID = "bootstrap"
LEFT_OUT = ("data/checkpoints", "notebooks", "tests")
"""What a clone leaves out: the library fetches each checkpoint when it is asked for."""
MEGABYTES = 13
"""What a clone fetches, rounded; a test compares it with a clone of this checkout."""

CELL = (
    """\
# Makes `drn_lib` and `data/` available: from this checkout or, where there is none (Colab, Kaggle, a notebook that was
# downloaded), from a small clone of the release. It installs nothing.
import os
import shutil
import subprocess
import sys
from pathlib import Path

checkout = Path("..").resolve()
if not (checkout / "drn_lib").is_dir():
    checkout = Path("drn-book").resolve()
    if not (checkout / "drn_lib").is_dir():
        address = os.environ.get("DRN_REPOSITORY", "ADDRESS")
        print(f"Fetching the book's code and results (about MEGABYTES MB) into {checkout.name}/ ...", flush=True)
        shutil.rmtree(checkout, ignore_errors=True)  # what an interrupted fetch left
        how = "--quiet --depth=1 --filter=blob:none --no-checkout --branch=vVERSION"
        sparse = "-c core.sparseCheckout=true -c core.sparseCheckoutCone=false"
        parts = "\\n".join(["/*", *(f"!/{name}/" for name in "LEFT_OUT".split())])
        try:
            subprocess.run(["git", "clone", *how.split(), *sparse.split(), address, str(checkout)], check=True)
            (checkout / ".git" / "info" / "sparse-checkout").write_text(parts)
            subprocess.run(["git", "-C", str(checkout), "checkout", "--quiet"], check=True)
        except (OSError, subprocess.CalledProcessError):
            shutil.rmtree(checkout, ignore_errors=True)
            advice = "check the network (on Kaggle it is a setting) and git, then run this cell again."
            raise RuntimeError(f"Could not clone {address}: {advice}") from None
if str(checkout) not in sys.path:
    sys.path.insert(0, str(checkout))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(checkout), os.environ.get("PYTHONPATH")]))""".replace(
        "ADDRESS", ADDRESS
    )
    .replace("VERSION", VERSION)
    .replace("MEGABYTES", str(MEGABYTES))
    .replace("LEFT_OUT", " ".join(LEFT_OUT))
)
