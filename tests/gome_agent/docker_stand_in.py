"""A program with the words of the `docker` client that runs its containers in bubblewrap.

It knows exactly the options that the sandbox uses and refuses every other one and every missing
one, so it checks the command line; what it cannot show is that the real daemon keeps its promises.
The "image" is this machine's own `/usr` and interpreter. First argument: a folder for its state.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path


def main() -> None:
    state, command, *arguments = sys.argv[1:]
    folder = Path(state) / "containers"
    folder.mkdir(exist_ok=True)
    with (Path(state) / "calls.jsonl").open("a") as log:
        log.write(json.dumps([command, *arguments, {"env": dict(os.environ)}]) + "\n")
    match command:
        case "info":
            print("0.0")
        case "image":
            sys.exit(arguments != ["inspect", "stand-in"])
        case "ps":
            for file in folder.iterdir():
                print(file.name, json.loads(file.read_text())["label"].partition("=")[2])
        case "rm":
            remove(folder / arguments[-1])
        case "run":
            sys.exit(run(folder, arguments))
        case _:
            sys.exit(f"unknown command {command}")


def remove(file: Path) -> None:
    if not file.exists():
        sys.exit("Error response from daemon: No such container")
    process = json.loads(file.read_text())["pid"]
    if process:
        os.killpg(process, signal.SIGKILL)
    file.unlink(missing_ok=True)


def run(folder: Path, arguments: list[str]) -> int:
    """Start a container and wait for its end, like `docker run --rm --interactive`."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for flag in ("rm", "interactive", "read-only"):
        parser.add_argument(f"--{flag}", action="store_true", required=True)
    fixed = {
        **{"pull": "never", "log-driver": "none", "network": "none", "ipc": "private"},
        **{"cap-drop": "ALL", "security-opt": "no-new-privileges", "workdir": "/"},
        **{"entrypoint": "", "hostname": "sandbox"},
    }
    for flag, value in fixed.items():
        parser.add_argument(f"--{flag}", required=True, choices=[value])
    for flag in ("name", "label", "user", "memory", "memory-swap", "pids-limit", "shm-size"):
        parser.add_argument(f"--{flag}", required=True)
    for flag in ("ulimit", "mount", "env", "tmpfs"):
        parser.add_argument(f"--{flag}", action="append", required=True)
    parser.add_argument("--gpus")
    parser.add_argument("image", choices=["stand-in"])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args(arguments)
    assert asked.memory == asked.memory_swap
    user, group = asked.user.split(":")
    assert int(user) > 0

    bubble = ["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
    bubble += ["--cap-drop", "ALL", "--uid", user, "--gid", group, "--clearenv"]
    for path in ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache"):
        if os.path.islink(path):
            bubble += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            bubble += ["--ro-bind", path, path]
    # Before the interpreter, which may be installed below one of them.
    for target, _, options in (text.partition(":") for text in asked.tmpfs):
        size = dict(part.split("=") for part in options.split(",") if "=" in part)["size"]
        bubble += ["--size", size, "--perms", "1777", "--tmpfs", target]
    executable = asked.command[0]
    for path in {
        sys.prefix,
        sys.base_prefix,
        os.path.realpath(sys.base_prefix),
        *links(executable),
    }:
        bubble += [] if Path(path).is_relative_to("/usr") else ["--ro-bind", path, path]
    bubble += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]
    bubble += ["--size", asked.shm_size, "--perms", "1777", "--tmpfs", "/dev/shm"]
    for text in asked.mount:
        bubble += mount(text, int(user))
    for pair in asked.env:
        bubble += ["--setenv", *pair.split("=", 1)]
    bubble += ["--setenv", "PATH", "/usr/bin:/bin"]
    bubble += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", asked.workdir, "--"]

    file = folder / asked.name
    file.write_text(json.dumps({"label": asked.label, "pid": 0}))
    # The daemon, not the client, is the parent of a container.
    process = subprocess.Popen([*bubble, *asked.command], start_new_session=True)
    file.write_text(json.dumps({"label": asked.label, "pid": process.pid}))
    code = process.wait()
    file.unlink(missing_ok=True)
    return code


def mount(text: str, user: int) -> list[str]:
    fields: dict[str, str] = {}
    for part in text.split(","):
        key, _, fields[key] = part.partition("=")
    if fields["type"] == "tmpfs":
        sealed = ["--size", fields["tmpfs-size"], "--perms", fields["tmpfs-mode"]]
        return [*sealed, "--tmpfs", fields["target"]]
    if "readonly" in fields:
        return ["--ro-bind", fields["source"], fields["target"]]
    assert os.stat(fields["source"]).st_uid == user, "the work folder is not the user's"
    if os.geteuid() == 0:  # who is `user` in there is us out here
        for parent, folders, files in os.walk(fields["source"]):
            for name in (".", *folders, *files):
                os.chown(os.path.join(parent, name), 0, 0, follow_symlinks=False)
    return ["--bind", fields["source"], fields["target"]]


def links(path: str) -> list[str]:
    found: list[str] = []
    while os.path.islink(path):
        found.append(os.path.dirname(os.path.dirname(path)))
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return found


if __name__ == "__main__":
    main()
