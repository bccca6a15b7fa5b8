"""Carry out a tiny study by the very lines of book/many-machines.md, with real schedulers on this machine.

    python -m tests.checks.schedulers [parallel] [slurm] [matrix]

Each takes a minute or two. `parallel` logs in by ssh to two checkouts, `slurm` starts a cluster of one node, and
`matrix` carries out the steps of the CI jobs, each job in a checkout of its own. Nothing is installed: what is missing
is said. All that is started is stopped at the end.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from tests import ROOT

PAGE = ROOT / "book" / "many-machines.md"
NEEDS = {
    "parallel": ("parallel", "rsync", "ssh", "ssh-keygen", "/usr/sbin/sshd"),
    "slurm": ("munged", "slurmctld", "slurmd", "sbatch", "sinfo"),
    "matrix": ("jq",),
}
STUDY = "classification"
"""The study that the page names; the check puts its own in its place."""
PLAN = """
study: tiny
recipe: shapes-live
scored_part: tune
changes: {image_size: 32, epochs: 1, batch_size: 20}
waves:
  - {variants: [drn_a_18], seeds: [0, 1, 2, 3], keep_weights: [1]}
"""
RUNS = [f"drn_a_18-s{seed}" for seed in range(4)]


def blocks() -> dict[str, str]:
    """The lines of each way, by name, as they stand in the page."""
    parallel, slurm = re.findall(r"^```bash\n(.*?)^```", text := PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (matrix,) = re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
    return {"parallel": parallel, "slurm": slurm, "matrix": matrix}


def checkout(folder: Path) -> Path:
    """A checkout of this repository with a study of seconds, and an environment."""
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(folder)], check=True)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "data" / "studies" / "tiny.yml").write_text(PLAN, encoding="utf-8")
    sets = folder / "drn_lib" / "datasets" / "synthetic" / "sets.py"
    sets.write_text(sets.read_text(encoding="utf-8").replace("count: int = 2000", "count: int = 60"), encoding="utf-8")
    return folder


def environment(cache: Path, **more: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "DRN_CACHE": str(cache), "OMP_NUM_THREADS": "1", "DRN_PROGRESS": "0", **more}


def bash(lines: str, folder: Path, variables: dict[str, str]) -> None:
    subprocess.run(["bash", "-euo", "pipefail", "-c", lines], cwd=folder, env=variables, check=True)


def parallel(folder: Path, lines: str) -> Path:
    """Two ssh servers, each of which leads to a checkout and a cache of its own."""
    main = checkout(folder / "main")
    key, ports = folder / "key", {"anna": free_port(), "ben": free_port()}
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    config = [f"IdentityFile {key}", "StrictHostKeyChecking no", "UserKnownHostsFile /dev/null", "LogLevel ERROR"]
    Path("/run/sshd").mkdir(exist_ok=True)  # where it gives up its rights
    with ExitStack() as servers:
        for host, port in ports.items():
            checkout(folder / host / "drn-book")
            go = f'cd {folder / host} && export DRN_CACHE={folder / host / "cache"} && eval "$SSH_ORIGINAL_COMMAND"'
            options = {"Port": port, "ListenAddress": "127.0.0.1", "HostKey": key, "AuthorizedKeysFile": f"{key}.pub"}
            options |= {"PidFile": "none", "StrictModes": "no", "UsePAM": "no", "ForceCommand": go}
            words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
            servers.enter_context(
                daemon(["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", *words], folder / f"{host}.log")
            )
            config += [f"Host {host}", "HostName 127.0.0.1", f"Port {port}"]
        (folder / "config").write_text("\n".join(config) + "\n", encoding="utf-8")
        ssh = f"ssh -F {folder / 'config'}"
        for port in ports.values():
            wait_until(lambda port=port: answers(port), "sshd")
        variables = environment(folder / "cache", PARALLEL_SSH=ssh, RSYNC_RSH=ssh, PARALLEL_HOME=str(folder / "home"))
        bash(lines, main, variables)
    shares = [sum(1 for _ in (folder / host / "drn-book/data/results/tiny").glob("*.json")) for host in ports]
    assert sum(shares) == len(RUNS) and all(shares), f"the machines did {shares} runs"
    return main


def slurm(folder: Path, lines: str) -> Path:
    """A cluster of one node: munged as its own user, slurmctld and slurmd."""
    main, host, own = checkout(folder / "main"), socket.gethostname().split(".")[0], folder / "munge"
    own.mkdir(mode=0o755)
    (own / "key").write_bytes(os.urandom(128))
    (own / "key").chmod(0o400)
    words = [f"--{name}-file={own / name}" for name in ("key", "pid", "log", "seed")] + [f"--socket={own / 'socket'}"]
    user = []
    if os.geteuid() == 0:
        for path in (own, own / "key"):
            shutil.chown(path, "munge", "munge")
        user = ["runuser", "-u", "munge", "--"]
    settings = {
        "ClusterName": "check",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmctldPort": free_port(),
        "SlurmdPort": free_port(),
        "SlurmUser": getpass.getuser(),
        "SlurmdUser": getpass.getuser(),
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={own / 'socket'}",
        "CredType": "cred/munge",
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SelectType": "select/cons_tres",
        "MpiDefault": "none",
        "ReturnToService": 2,
        "NodeName": f"{host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} State=UNKNOWN",
        "PartitionName": f"all Nodes={host} Default=YES MaxTime=INFINITE State=UP",
    }
    file = folder / "slurm.conf"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    variables = environment(folder / "cache", SLURM_CONF=str(file))
    with ExitStack() as daemons:
        daemons.enter_context(daemon([*user, "munged", "--foreground", *words], folder / "munged.log"))
        wait_until((own / "socket").exists, "munged")
        for name in ("slurmctld", "slurmd"):
            daemons.enter_context(daemon([name, "-D", "-f", str(file)], folder / f"{name}.log", variables))
        idle = ["sinfo", "--noheader", "--format=%T"]
        wait_until(
            lambda: subprocess.run(idle, env=variables, capture_output=True, text=True).stdout == "idle\n", "slurmd"
        )
        bash(lines, main, variables)
    return main


def matrix(folder: Path, lines: str) -> Path:
    """The steps of both jobs, as a runner takes them: each job in a fresh checkout, its disk lost but for `path`."""
    main, jobs = checkout(folder / "main"), yaml.safe_load(lines)["jobs"]
    output, variables = folder / "output", environment(folder / "cache", study="tiny")
    for step in jobs["list"]["steps"]:
        if "run" in step and step.get("name") != "install":
            bash(step["run"], main, {**variables, "GITHUB_OUTPUT": str(output)})
    name, _, value = output.read_text(encoding="utf-8").strip().partition("=")
    assert jobs["list"]["outputs"] == {name: "${{ steps.left.outputs.commands }}"}
    for number, command in enumerate(json.loads(value)):
        job = checkout(folder / f"job{number}")
        for step in jobs["run"]["steps"]:
            if "run" in step and step.get("name") != "install":
                own = {**variables, "DRN_CACHE": str(folder / f"cache{number}")}
                bash(step["run"].replace("${{ matrix.command }}", command), job, own)
        pattern = jobs["run"]["steps"][-1]["with"]["path"].replace("${{ env.study }}", "tiny")
        for path in job.glob(pattern):  # the artifact keeps what follows the first wildcard's folder
            shutil.copytree(path, main / "from" / str(number) / path.relative_to(job / "data"))
    bash('for folder in from/*; do python -m book.studies tiny --merge "$folder"; done', main, variables)
    return main


def missing(way: str) -> list[str]:
    """The programs that a way needs and that are not here."""
    return [name for name in NEEDS[way] if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]


@contextmanager
def daemon(command: list[str], log: Path, variables: dict[str, str] | None = None) -> Iterator[None]:
    """A server that ends with the block; what it says is printed where the block fails."""
    with open(log, "wb") as handle:
        process = subprocess.Popen(command, env=variables, stdout=handle, stderr=subprocess.STDOUT)
    try:
        yield
    except BaseException:
        print(f"{log.name}: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}", file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not true():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not start within a minute")
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def check(way: str) -> None:
    """Carry the study out, and see that every run is there once and that nothing is left to do."""
    folder = Path(tempfile.mkdtemp(prefix=f"drn-{way}-"))
    folder.chmod(0o755)
    try:
        start = time.monotonic()
        main = globals()[way](folder, blocks()[way].replace(f"study={STUDY}", "study=tiny"))
        results = main / "data" / "results" / "tiny"
        found = sorted(path.name for path in results.iterdir() if not path.name.startswith("."))
        assert found == sorted(f"{run}.{kind}" for run in RUNS for kind in ("json", "npz")), found
        assert (main / "data" / "checkpoints" / "tiny" / "drn_a_18-s1.safetensors").is_file()
        command = [sys.executable, "-m", "book.studies", "tiny", "--list"]
        left = subprocess.run(command, cwd=main, env=environment(folder / "cache"), capture_output=True, check=True)
        assert left.stdout == b"", left.stdout
        print(f"{way}: {len(RUNS)} runs, each there once, in {time.monotonic() - start:.0f} s", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    ways = sys.argv[1:] or list(NEEDS)
    if unknown := sorted({*ways} - {*NEEDS}):
        print(f"there is no way {unknown[0]}: choose from {', '.join(NEEDS)}", file=sys.stderr)
        return 2
    failed = False
    for way in ways:
        if lacks := missing(way):
            print(f"{way} did not run: {', '.join(lacks)} not found here", file=sys.stderr)
            failed = True
        else:
            check(way)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
