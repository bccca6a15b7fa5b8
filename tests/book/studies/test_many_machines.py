"""The lines of book/many-machines.md; `python -m tests.checks.schedulers` carries them out with real schedulers."""

import json
import os
import re
import shlex
import shutil
import subprocess

import pytest
import yaml

from book.studies import files, plans
from book.studies.__main__ import main
from book.studies.plans import Plan, load_plan
from tests import ROOT
from tests.book.studies.trial import PLAN
from tests.checks import schedulers

BLOCKS = schedulers.blocks()
MATRIX = yaml.safe_load(BLOCKS["matrix"])
STEPS = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in MATRIX["jobs"].items()}
LEFT = ["drn_a_18-s1", "resnet_18-s1", "a_levels-s0"]


def commands(text: str) -> list[list[str]]:
    return [shlex.split(words) for words in re.findall(r"python -m book\.studies ([^>|)\n;]+)", text)]


def bash(lines: str, *options: str, **variables: str) -> subprocess.CompletedProcess:
    command = ["bash", *options, "-c", lines]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)


@pytest.mark.parametrize("lines", [BLOCKS["parallel"], BLOCKS["slurm"], *STEPS["list"], STEPS["run"][0]])
def test_the_lines_are_a_shells(lines):
    assert bash(lines, "-n").stderr == ""
    assert bash(lines + "\nfi", "-n").stderr  # a fault would be found


def test_the_array_of_slurm_takes_a_line_each(tmp_path):
    script = BLOCKS["slurm"].partition("<<'EOF'\n")[2].partition("\nEOF")[0]
    (tmp_path / "left.txt").write_text("echo first 'a b'\necho second\n")
    for number, said in ((1, "first a b\n"), (2, "second\n")):
        assert bash(f"cd {tmp_path}\n{script}", SLURM_ARRAY_TASK_ID=str(number)).stdout == said


def test_the_page_names_the_study_that_the_check_replaces():
    for way in ("parallel", "slurm"):
        assert BLOCKS[way].splitlines()[0] == f"study={schedulers.STUDY}"
    assert MATRIX["env"] == {"study": schedulers.STUDY}
    assert (ROOT / "data" / "studies" / f"{schedulers.STUDY}.yml").exists()


def test_the_commands_of_the_page_are_commands(done, trained, monkeypatch, capsys):
    monkeypatch.setattr(plans, "load_plan", lambda study: PLAN)
    page = schedulers.PAGE.read_text(encoding="utf-8")
    found = commands(page)
    assert len(found) == 5
    for words in found:
        assert main([str(trained) if "/data" in word else word.replace("$study", "trial") for word in words]) == 0
    assert capsys.readouterr().out.count("--run drn_a_18-s1") == len(found) - 1  # all but one of them are --list


@pytest.mark.skipif(shutil.which("jq") is None, reason="the list of the CI matrix: it needs jq")
def test_the_matrix_is_made_of_what_is_left(done, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plans, "load_plan", lambda study: PLAN)
    assert main(["trial", "--list"]) == 0
    (tmp_path / "python").write_text(f"#!/bin/sh\ncat <<'EOF'\n{capsys.readouterr().out}EOF\n")
    (tmp_path / "python").chmod(0o755)
    output = tmp_path / "output"
    made = bash(STEPS["list"][-1], PATH=f"{tmp_path}:{os.environ['PATH']}", GITHUB_OUTPUT=str(output), study="trial")
    assert made.stderr == ""
    name, _, value = output.read_text().partition("=")
    assert name == "commands" and json.loads(value) == [f"python -m book.studies trial --run {run}" for run in LEFT]
    assert MATRIX["jobs"]["run"]["strategy"]["matrix"]["command"] == "${{ fromJSON(needs.list.outputs.commands) }}"
    assert STEPS["run"][-1] == "${{ matrix.command }}"


@pytest.mark.parametrize("way", schedulers.NEEDS)
def test_the_check_says_what_is_missing(way, monkeypatch, capsys):
    monkeypatch.setattr(schedulers.sys, "argv", ["schedulers", way])
    monkeypatch.setattr(schedulers.shutil, "which", lambda name, path: None)
    assert schedulers.main() == 1
    assert capsys.readouterr().err == f"{way} did not run: {', '.join(schedulers.NEEDS[way])} not found here\n"


def test_the_check_knows_its_ways(monkeypatch, capsys):
    monkeypatch.setattr(schedulers.sys, "argv", ["schedulers", "pbs"])
    assert schedulers.main() == 2 and "there is no way pbs: choose from" in capsys.readouterr().err


def test_the_plan_of_the_check_is_one_that_is_read(tmp_path, monkeypatch):
    (tmp_path / "tiny.yml").write_text(schedulers.PLAN, encoding="utf-8")
    monkeypatch.setattr(files, "studies_dir", lambda: tmp_path)
    assert [Plan.run_name(*run) for run in load_plan("tiny").runs()] == schedulers.RUNS
