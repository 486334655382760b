"""The `gome` command: dispatch only. Each command imports what it needs when it is called."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from experiments import machine_cli, resume_cli
from experiments.mlebench.cli import app as mlebench

app = typer.Typer(
    name="gome",
    help="Reasoning as gradient: update rules for agents that do machine-learning engineering.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(mlebench)

Out = Annotated[Path, typer.Option("--out", help="Folder for the results; created.")]
RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")]


@app.command()
def tasks() -> None:
    """List the bundled tasks."""
    from experiments import display

    display.tasks()


@app.command()
def run(
    out: Out,
    task: Annotated[
        str, typer.Argument(help="Name of a task; see `gome tasks`. Not with --replay.")
    ] = "",
    strategy: Annotated[
        str,
        typer.Option(
            help="Rule, policy or strategy with arguments, e.g. 'momentum(decay=0.8)', "
            "'aide(drafts=5)', or 'package.module:object'."
        ),
    ] = "gome",
    reasoner: Annotated[
        str | None,
        typer.Option(
            help="'expert', 'prompted', or 'unreliable(expert, rho=0.3)'; 'prompted' if there is "
            "a model."
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Any of litellm's, by role if you like: "
            "'openai/gpt-5;judge=openai/gpt-5-mini(reasoning_effort=low)'."
        ),
    ] = "",
    steps: Annotated[int, typer.Option(min=1, help="Candidates to evaluate.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same decisions.")] = 0,
    seconds: Annotated[float, typer.Option(min=1, help="Wall clock of the whole run.")] = float(
        "inf"
    ),
    budget: Annotated[
        str, typer.Option(help="Further limits, e.g. 'evaluations=50,calls=90,money=2.5'.")
    ] = "",
    seconds_per_run: Annotated[
        float, typer.Option(min=1, help="Wall clock of one script.")
    ] = 120.0,
    diagnoses: Annotated[
        int, typer.Option(min=1, help="Diagnoses a step, for 'consensus(...)' rules.")
    ] = 1,
    in_flight: Annotated[
        int,
        typer.Option(min=1, help="Steps side by side, e.g. with 'gome(policy=traces(count=3))'."),
    ] = 1,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Candidates really made at once; decides nothing."),
    ] = None,
    repairs: Annotated[
        int, typer.Option(min=0, help="Repairs of a failed candidate within its step.")
    ] = 0,
    refine: Annotated[
        bool, typer.Option("--refine", help="Tune each candidate that succeeds once.")
    ] = False,
    rehearse: Annotated[
        int,
        typer.Option(min=0, help="Rows of a sample on which scripts are tried before a full run."),
    ] = 0,
    sandbox: Annotated[
        str | None, typer.Option(help="Backend; the strongest that works here by default.")
    ] = None,
    python: Annotated[
        str, typer.Option(help="Interpreter of the scripts, e.g. of `gome solutions install`.")
    ] = "",
    hardware: Annotated[
        str, typer.Option(help="Profile of the machine, e.g. 'v100-16'; models are told of it.")
    ] = "",
    gpus: Annotated[
        str,
        typer.Option(
            help="GPUs that scripts take turns on: '0,1', 'none'; the profile's first by default."
        ),
    ] = "",
    gpu_slots: Annotated[int, typer.Option(min=1, help="Scripts on one GPU at once.")] = 1,
    benchmark: Annotated[
        str, typer.Option(help="Folder in which MLE-bench is installed, if not the usual one.")
    ] = "",
    data_dir: Annotated[
        str, typer.Option(help="Prepared data of MLE-bench, if not those of the installation.")
    ] = "",
    no_facts: Annotated[
        bool, typer.Option("--no-facts", help="Tell only what MLE-bench's descriptions say.")
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option(help="A run to decide again from its journal: no model, no scripts."),
    ] = None,
) -> None:
    """Optimise a task: write, run and improve real scripts until the budget ends."""
    from experiments import display
    from experiments.runs import RunConfig

    if (replay is None) == (not task):
        raise typer.BadParameter("give the name of a task, or --replay DIR", param_hint="TASK")
    if replay is not None:
        resume_cli.end(display.replay(replay, out))
    config = RunConfig(
        task=task,
        strategy=strategy,
        reasoner=reasoner or ("prompted" if model else "expert"),
        model=model,
        steps=steps,
        seed=seed,
        seconds=seconds,
        budget=budget,
        seconds_per_run=seconds_per_run,
        diagnoses=diagnoses,
        in_flight=in_flight,
        workers=workers,
        repairs=repairs,
        refines=refine,
        rehearse=rehearse,
        sandbox=sandbox,
        python=python,
        hardware=hardware,
        gpus=gpus,
        gpu_slots=gpu_slots,
        benchmark=benchmark,
        data_dir=os.path.abspath(data_dir) if data_dir else "",
        facts=not no_facts,
    )
    resume_cli.end(display.run(config, out))


app.command()(resume_cli.resume)


@app.command()
def grade(directory: RunFolder) -> None:
    """Score a finished run on the held-out answers; tells the medal."""
    from experiments import display

    display.grade(directory)


@app.command()
def report(
    directory: RunFolder,
    to: Annotated[Path | None, typer.Option(help="File; DIR/report.html by default.")] = None,
) -> None:
    """Write one self-contained HTML page about a run, finished or not."""
    from experiments import display

    display.report(directory, to)


@app.command()
def costs(
    directory: RunFolder,
    steps: Annotated[bool, typer.Option("--steps", help="One line a step.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Every call and all sums, as JSON.")] = False,
) -> None:
    """Say what the calls of language models were for, their tokens and their money."""
    from experiments import display

    display.costs(directory, by_step=steps, as_json=json)


@app.command()
def calibrate(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="DIR_OR_FILE...", help="Runs of one reasoner, or published traces."),
    ],
    cost: Annotated[
        float, typer.Option(help="Price of a directed step in undirected ones, all included.")
    ] = 2.0,
    budget: Annotated[
        float | None, typer.Option(help="In undirected steps; without it, first steps compare.")
    ] = None,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(help="Runs whose steps all count as undirected; may be repeated."),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR=LENGTH", help="Step length of a run, for a step-size A/B."),
    ] = None,
    noise_free: Annotated[
        bool, typer.Option("--noise-free", help="Take scores at face value without replicates.")
    ] = False,
    first: Annotated[
        int | None, typer.Option(min=1, help="Only so many steps of each trace, the first ones.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Estimate how reliable a reasoner was, and on which side of the crossover it is."""
    from experiments.calibration.show import show
    from experiments.display import CONSOLE

    show(
        paths,
        baseline=baseline or [],
        arms=arm or [],
        noise_free=noise_free,
        first=first,
        cost=cost,
        budget=budget,
        as_json=json,
        console=CONSOLE,
    )


@app.command()
def check(
    rule: Annotated[
        str, typer.Argument(help="Rule with arguments, e.g. 'adam(learning_rate=0.1)'.")
    ],
    basis: Annotated[
        str, typer.Option(help="What the coordinates are: 'directives' or 'embedding'.")
    ] = "directives",
) -> None:
    """Show a rule's character: the laws it obeys, with counter-examples where it does not."""
    from experiments import display

    display.check(rule, basis)


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="Name of a study, 'list' or 'all'.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the results; created.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small version, in a minute.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a setting; may be repeated."),
    ] = None,
) -> None:
    """Run a study, or what is left of it: table, figure and manifest."""
    from experiments import display

    if name == "list":
        display.studies()
        return
    if out is None:
        raise typer.BadParameter("`gome study NAME` needs --out DIR", param_hint="--out")
    status = display.study(name, out, quick=quick, settings=settings or [])
    if status:
        raise typer.Exit(status)


@app.command()
def compare(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TASK_OR_WORLD", help="A task, or a world such as 'sphere(dim=40, rho=0.2)'."
        ),
    ],
    strategies: Annotated[
        str,
        typer.Option(help="Two or more as for `gome run`, e.g. 'gome;aide(drafts=5);best_of_n'."),
    ],
    out: Out,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Most candidates of a run; as many as the budget if not given."),
    ] = None,
    budget: Annotated[
        str, typer.Option(help="Limits of a run, e.g. 'evaluations=50,money=2.5,seconds=12h'.")
    ] = "",
    seeds: Annotated[int, typer.Option(min=2, help="Paired runs of each strategy.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    baseline: Annotated[
        str | None, typer.Option(help="What the others are compared with; the first one.")
    ] = None,
    reasoner: Annotated[str, typer.Option(help="On a task; as for `gome run`.")] = "expert",
    cost: Annotated[
        float | None,
        typer.Option(help="On a world: price of a diagnosed step in undirected ones, as money."),
    ] = None,
    per_call: Annotated[
        str, typer.Option(help="Price of a reasoner's call, e.g. 'tokens=2000,money=0.01'.")
    ] = "",
    seconds_per_run: Annotated[
        float, typer.Option(min=1, help="Wall clock of one script.")
    ] = 120.0,
    sandbox: Annotated[str | None, typer.Option(help="Backend, on a task.")] = None,
) -> None:
    """Compare strategies on a task or a synthetic world: paired runs at one budget."""
    from experiments.comparison.compare import Comparison, default_steps
    from experiments.comparison.show import show
    from experiments.spec import split

    names = split(strategies)
    config = Comparison(
        target=target.strip(),
        strategies=names,
        baseline=baseline.strip() if baseline else next(iter(names), ""),
        steps=default_steps(budget) if steps is None else steps,
        budget=budget,
        seeds=seeds,
        seed=seed,
        reasoner=reasoner,
        cost=cost,
        per_call=per_call,
        seconds_per_run=seconds_per_run,
        sandbox=sandbox,
    )
    status = show(config, out)
    if status:
        raise typer.Exit(status)


app.command()(machine_cli.doctor)
app.add_typer(machine_cli.solutions, name="solutions")


def main() -> None:
    """Entry point: errors of the user's are one message, not a traceback."""
    # What a library warns of is for whoever typed the command: no file, no line.
    warnings.formatwarning = lambda message, *_: f"gome: {message}\n"
    sys.path.insert(0, os.getcwd())  # where a user's `module:object` lives, as with `python -m`
    try:
        app()
    except SystemExit as ended:
        if ended.code == resume_cli.INTERRUPTED:
            # Replies on their way are not waited for again: threads would be, at a usual exit.
            with contextlib.suppress(OSError):  # the terminal may be gone
                sys.stdout.flush()
            os._exit(resume_cli.INTERRUPTED)
        raise
    except Exception as error:
        if not _is_for_users(error):
            raise
        print(f"gome: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("gome: interrupted", file=sys.stderr)
        sys.exit(resume_cli.INTERRUPTED)


def _is_for_users(error: Exception) -> bool:
    """Whether the error was written for the user: one of our own classes, or a missing file."""
    ours = ("experiments", "gome_agent", "optimizers", "gome_theory", "simulators")
    return type(error).__module__.split(".")[0] in ours or isinstance(error, FileNotFoundError)


if __name__ == "__main__":
    main()
