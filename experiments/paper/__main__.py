"""`python -m experiments.paper [--pdf]`: what the paper generates, and the paper."""

from __future__ import annotations

import argparse
import sys

from experiments.paper import build


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.paper", description=__doc__)
    parser.add_argument("--pdf", action="store_true", help="also run LaTeX and check its log")
    pdf = parser.parse_args().pdf
    try:
        build.generate()
        problems = build.typeset() if pdf else []
    except (LookupError, ValueError, FileNotFoundError, build.NoLatex) as error:
        print(f"paper: {error}", file=sys.stderr)
        return 2
    for problem in problems:
        print(f"paper: {problem}", file=sys.stderr)
    if not problems:
        print(f"{build.PDF if pdf else build.GENERATED} is up to date")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
