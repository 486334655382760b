"""Answers questions about MLE-bench; run by the benchmark's own Python, never imported by gome.

Requests come on standard input, replies leave by a descriptor of their own, one JSON object a line.
Standard output is not used: the benchmark and what it imports print. Run it in a scratch folder,
since the benchmark writes `./cache` where it is imported.

What may be asked depends on the capability that the worker is started with. An operation that is
not in its table is not refused but absent: a rollout's worker has no way to a score.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import argparse
import difflib
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path

MESSAGE_CHARACTERS = 300
POINTER = b"version https://git-lfs"
_GRADER_FAILED = (
    "Submission invalid! The attempt to grade the submission has resulted in the following error "
    "message:"
)


class Refused(Exception):
    """What was asked has no answer; the message is for the user."""


def _registry(data_dir):
    from mlebench.registry import registry

    return registry.set_data_dir(data_dir)


def _competition(data_dir, name):
    registry = _registry(data_dir)
    known = registry.list_competition_ids()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f", did you mean `{near[0]}`?" if near else f"; there are {len(known)}"
        raise Refused(f"MLE-bench has no competition `{name}`{hint}")
    return registry.get_competition(name)


# -- the leaderboard ------------------------------------------------------------------------------


def _leaderboard(competition):
    """State (`ok`, `pointer`, `missing`, `unreadable`), rows, which way is better, thresholds."""
    from mlebench.data import get_leaderboard  # pyright: ignore[reportAttributeAccessIssue]

    unusable = {"teams": 0, "lower_is_better": None, "thresholds": None}
    path = Path(competition.leaderboard)
    if not path.is_file():
        return {"state": "missing", **unusable}
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            return {"state": "pointer", **unusable}
    try:
        table = get_leaderboard(competition)
        if not table["score"].astype(float).notna().all():
            raise ValueError("a score is missing")
        lower = bool(competition.grader.is_lower_better(table))
        ranks = competition.grader.rank_score(None, table)
        thresholds = {name: float(ranks[f"{name}_threshold"]) for name in _THRESHOLDS}
    except Exception:
        return {"state": "unreadable", **unusable}
    return {
        "state": "ok",
        "teams": len(table),
        "lower_is_better": lower,
        "thresholds": thresholds,
    }


_THRESHOLDS = ("gold", "silver", "bronze", "median")
_LEADERBOARD = {
    "pointer": "is a Git LFS pointer, not the table: run `git lfs pull` in the clone of MLE-bench",
    "missing": "does not exist: `git checkout` it in the clone of MLE-bench, then `git lfs pull`",
    "unreadable": "has no column `score` of numbers: restore it in the clone of MLE-bench",
}


# -- the data -------------------------------------------------------------------------------------


def _is_filled(folder):
    return folder.is_dir() and any(folder.iterdir())


def _lacking(competition):
    """What the benchmark wants of prepared data and does not find, as texts."""
    lacking = []
    for name, folder in (("public", competition.public_dir), ("private", competition.private_dir)):
        if not _is_filled(folder):
            what = "empty" if folder.is_dir() else "missing"
            lacking.append(f"its {name} folder is {what} (`{folder}`)")
    if not lacking:
        if not competition.answers.is_file():
            lacking.append(f"its answers are missing (`{competition.answers}`)")
        if not competition.sample_submission.is_file():
            lacking.append(f"its sample is missing (`{competition.sample_submission}`)")
    return lacking


def _require_prepared(competition):
    lacking = _lacking(competition)
    if lacking:
        raise Refused(
            f"the data of `{competition.id}` are not prepared: {' and '.join(lacking)}; run "
            f"`gome mlebench prepare {competition.id}`, or give the data folder by --data-dir"
        )


def _public_sample(competition):
    """The benchmark's sample; `None` if it is private, which it is of some that are published."""
    public, sample = competition.public_dir, competition.sample_submission
    return sample if sample.is_relative_to(public) else None


def _sealed(competition):
    """Existing paths from which answers could be read, or worked out.

    The raw data hold the labels of the examples that became the test set, and so does the archive.
    The benchmark's own folder is not among them: it holds no answers, and no sandbox shows it.
    """
    folder = competition.raw_dir.parent
    paths = [
        competition.private_dir,
        competition.raw_dir,
        *sorted(folder.glob("*.zip")),
        competition.answers,
        competition.gold_submission,
    ]
    kept = []
    for path in paths:
        if path.exists() and not any(path.is_relative_to(above) for above in kept):
            kept.append(path)
    return kept


# -- what a rollout may ask -----------------------------------------------------------------------


def competitions(data_dir, split):
    """Ids; `None` where the benchmark was installed without its lists of splits."""
    registry = _registry(data_dir)
    if split == "all":
        return registry.list_competition_ids()
    folder = registry.get_splits_dir()
    if not folder.is_dir():
        return None
    lists = {path.stem: path for path in folder.glob("*.txt")}
    name = "low" if split == "lite" else split
    if name not in lists:
        raise Refused(f"no split `{split}`: there are all, lite, {', '.join(sorted(lists))}")
    return lists[name].read_text(encoding="utf-8").split()


def info(data_dir, competition):
    found = _competition(data_dir, competition)
    _require_prepared(found)
    leaderboard = _leaderboard(found)
    sample = _public_sample(found)
    return {
        "id": found.id,
        "name": found.name,
        "description": found.description,
        "public": str(found.public_dir),
        "sample": None if sample is None else str(sample),
        "sealed": [str(path) for path in _sealed(found)],
        "teams": leaderboard["teams"],
        "lower_is_better": leaderboard["lower_is_better"],
    }


def validate(data_dir, competition, submission):
    """Whether it can be graded, and why not; the number that grading gives is dropped at once."""
    found, path = _competition(data_dir, competition), Path(submission)
    _require_prepared(found)
    if found.answers.suffix == ".csv" or not path.is_file() or path.suffix.lower() != ".csv":
        from mlebench.grade import validate_submission

        valid, message = validate_submission(path, found)
    else:
        valid, message = _try_to_grade(found, path)
    return {"valid": bool(valid), "message": _one_line(message)}


def _try_to_grade(competition, submission):
    """As the benchmark's `validate_submission`, which reads all answers as CSV (its issue 134)."""
    from mlebench.utils import load_answers, read_csv

    answers = load_answers(competition.answers)
    try:
        competition.grader.grade_fn(read_csv(submission), answers)
    except Exception as error:
        return False, str(error) or type(error).__name__
    return True, "Submission is valid."


def _one_line(message):
    text = " ".join(message.removeprefix(_GRADER_FAILED).split())
    return text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 1] + "…"


# -- what is asked of a closed run ----------------------------------------------------------------


def score(data_dir, competition, submission):
    from mlebench.grade import grade_csv

    found = _to_be_graded(data_dir, competition)
    state = _leaderboard(found)["state"]
    if state != "ok":
        raise Refused(f"the leaderboard of `{competition}` {_LEADERBOARD[state]}")
    return grade_csv(Path(submission), found).to_dict()


def absent(data_dir, competition):
    """Whether the leaderboard is not there, or a pointer; one that is damaged is not absent."""
    return _leaderboard(_competition(data_dir, competition))["state"] in ("missing", "pointer")


def score_unranked(data_dir, competition, submission):
    """The grader's score without a leaderboard to rank it on, as `grade_csv` comes by it."""
    from mlebench.utils import load_answers, read_csv

    found, path = _to_be_graded(data_dir, competition), Path(submission)
    exists, value = path.is_file() and path.suffix.lower() == ".csv", None
    if exists:
        value = found.grader(read_csv(path), load_answers(found.answers))
    return {"submission_exists": exists, "score": None if value is None else float(value)}


def _to_be_graded(data_dir, name):
    found = _competition(data_dir, name)
    if not (_is_filled(found.private_dir) and found.answers.is_file()):
        _require_prepared(found)
    return found


# -- what is asked of an installation -------------------------------------------------------------


def about(data_dir, packages):
    """Versions of Python and packages, and where the benchmark is, if it can be imported."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    try:
        import mlebench.grade
    except Exception as error:
        return {"versions": versions, "path": None, "error": f"{type(error).__name__}: {error}"}
    return {"versions": versions, "path": str(Path(mlebench.grade.__file__).parent), "error": ""}


def inventory(data_dir, competitions):
    """State of the leaderboard and of the data of each competition."""
    found = {}
    for name in competitions:
        competition = _competition(data_dir, name)
        leaderboard = _leaderboard(competition)
        folder = competition.raw_dir.parent
        prepared = (competition.public_dir, competition.private_dir)
        found[name] = {
            "leaderboard": leaderboard["state"],
            "teams": leaderboard["teams"],
            "thresholds": leaderboard["thresholds"],
            "lacking": _lacking(competition),
            "begun": any(path.is_dir() for path in (*prepared, competition.raw_dir)),
            "archive": any(folder.glob("*.zip")),
        }
    return found


OPERATIONS = {
    "rollout": {"competitions": competitions, "info": info, "validate": validate},
    "final": {"score": score, "absent": absent, "score_unranked": score_unranked},
    "doctor": {"about": about, "inventory": inventory, "competitions": competitions},
}


def _answer(capability, data_dir, line):
    try:
        request = json.loads(line)
        name = request.pop("operation")
        operations = OPERATIONS[capability]
        if name not in operations:
            raise Refused(f"a worker for `{capability}` knows no `{name}`")
        return {"value": operations[name](data_dir, **request)}
    except (Exception, SystemExit) as error:
        return {"error": {"kind": type(error).__name__, "message": str(error)}}


def _channels(number):
    """Requests and replies, out of reach of what prints, reads or starts processes."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    # By lines: what was printed before it dies is told.
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
    os.set_inheritable(number, False)
    return requests, os.fdopen(number, "w", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--capability", choices=sorted(OPERATIONS), required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--replies", type=int, required=True)
    told = parser.parse_args()
    requests, replies = _channels(told.replies)
    for line in requests:
        answer = _answer(told.capability, told.data_dir, line)
        replies.write(json.dumps(answer) + "\n")
        replies.flush()


if __name__ == "__main__":
    sys.exit(main())
