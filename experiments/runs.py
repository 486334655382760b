"""One real run from names to files: compose the agent, run it, leave something to look at."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import optimizers
from experiments import placing
from experiments.spec import build_reasoner, build_strategy
from experiments.submitting import grade as grade, summarise, versions, write_json as write_json
from gome_agent import loop, records, sandbox
from gome_agent.briefing import LONGEST
from gome_agent.budget import Budget
from gome_agent.choosing import require_blind
from gome_agent.evaluator import Evaluator, SandboxEvaluator
from gome_agent.hardware.limits import script_limits
from gome_agent.hardware.profiles import profile
from gome_agent.hardware.slots import GpuSlots, parse_gpus
from gome_agent.holding import held
from gome_agent.journal import JOURNAL as JOURNAL, Journal, JournalError
from gome_agent.models import Model
from gome_agent.models.recorded import Recorded
from gome_agent.reasoners.base import HasVocabulary
from gome_agent.sandbox.base import Limits, Sandbox
from gome_agent.secrets import redaction
from gome_agent.tasks import registry
from gome_agent.tasks.base import Task
from optimizers import cached, hashed_ngrams
from optimizers.budget import Spent, parse_budget

STEPS = "steps"
WHERE = ("python", "sandbox", "gpus", "gpu_slots", "benchmark", "data_dir", "workers")
"""Settings that decide where a run goes on, not what it does: they may change when it does."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run; saved with it."""

    task: str
    strategy: str = "gome"
    reasoner: str = "expert"
    steps: int = 12
    seed: int = 0
    seconds: float = float("inf")
    """Wall clock of the whole run."""
    budget: str = ""
    """Further limits of it, as `optimizers.budget.parse_budget` reads them."""
    seconds_per_run: float = 120.0
    """Wall clock of one script; longer, but not beyond twice, after some were too slow."""
    memory_gib: float = 4.0
    diagnoses: int = 1
    """Diagnoses before each directed step; more than one needs a rule that aggregates."""
    in_flight: int = 1
    """Steps that are under way side by side; more than one needs a policy that can."""
    workers: int | None = None
    """Candidates that are really made at once; decides nothing."""
    repairs: int = 0
    """How often a candidate that fails is repaired within its step."""
    refines: bool = False
    """Whether a candidate that succeeds is tuned once."""
    rehearse: int = 0
    """Rows of a sample on which scripts are tried first; 0: they are not."""
    sandbox: str | None = None
    """Name of a backend; the strongest that works here if `None`."""
    model: str = ""
    """Language models by role, for reasoners that ask one."""
    python: str = ""
    """Interpreter of the scripts; ours if empty."""
    hardware: str = ""
    """Profile of the machine, which reasoners are told and limits are taken from; none if empty."""
    weights: tuple[str, ...] = ()
    """Pretrained weights that scripts can load; found when the run begins."""
    gpus: str = ""
    """GPUs that scripts take turns on, e.g. `0,1`, or `none`; if empty, the first one where the
    profile has a card, else none."""
    gpu_slots: int = 1
    """Scripts on one GPU at once."""
    benchmark: str = ""
    """Folder in which MLE-bench is installed, for tasks of it; the usual one if empty."""
    data_dir: str = ""
    """Prepared data of MLE-bench; those of the installation if empty."""
    facts: bool = True
    """Whether prompts tell what is known of a competition beyond the benchmark's description."""

    @property
    def slots(self) -> GpuSlots | None:
        has_card = bool(self.hardware and profile(self.hardware).gpu)
        gpus = parse_gpus(self.gpus or ("0" if has_card else ""))
        return GpuSlots(gpus, self.gpu_slots) if gpus else None

    @property
    def limits(self) -> Limits:
        if self.hardware:
            return script_limits(profile(self.hardware), LONGEST * self.seconds_per_run)
        return Limits(
            wall_seconds=LONGEST * self.seconds_per_run,
            cpu_seconds=2 * LONGEST * self.seconds_per_run,
            memory_bytes=int(self.memory_gib * 2**30),
        )


@dataclass(frozen=True)
class Watching:
    """Who is told of a run, and what is put around its evaluator."""

    on_start: Callable[[RunConfig, Task, Sandbox], None] = lambda config, task, backend: None
    """Before the first step."""
    on_step: Callable[[records.Step], None] = lambda step: None
    """After every settled one."""
    wrap_evaluator: Callable[[Evaluator], Evaluator] = lambda evaluator: evaluator
    """A cache or a recorder around the sandbox evaluator."""


_UNWATCHED = Watching()


def execute(
    config: RunConfig, out: Path, watching: Watching = _UNWATCHED, task: Task | None = None
) -> dict[str, Any]:
    """Run a strategy on a task and leave journal, best script, submission and summary in `out`.

    Args:
      config: what to run.
      out: folder, created; must not hold an earlier run.
      watching: who is told.
      task: one that cannot be loaded by its name; such a run cannot be resumed.

    Returns:
      The summary, as saved in `summary.json`.

    Raises:
      SpecError, BudgetError, DiagnosesError, SelectorError, UnknownTask, UnknownProfile,
        SlotsError, JournalError, RunHeld, SandboxUnavailable: before anything is run.
    """
    plan = _Plan.of(placing.with_weights(config), task)
    out.mkdir(parents=True, exist_ok=True)
    redact = redaction(os.environ)
    with held(out), Journal.create(out / JOURNAL, redact=redact) as journal:
        journal.append("started", plan.told())
        return _carry_out(plan, out, journal, 0.0, watching)


def resume(
    out: Path, watching: Watching = _UNWATCHED, where: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Go on with a run that was killed or interrupted, on the clock that is left.

    What was finished is taken from the journal; a run that came to its end is left as it is.

    Args:
      out: folder of the run.
      watching: who is told.
      where: new values of settings in `WHERE`, kept for the next time; the others are as they were.

    Returns:
      The summary.

    Raises:
      Diverged: the run does something else than before: other versions, or other data.
      SlotsError: `where` names cards that cannot be.
      JournalError, RunHeld, SandboxUnavailable: it cannot be gone on with.
    """
    where = dict(where or {})
    if decisive := sorted(where.keys() - WHERE):
        raise JournalError(
            f"{', '.join(decisive)} cannot change when a run goes on, since they decide what it "
            f"does: begin another run. These can: {', '.join(WHERE)}"
        )
    redact = redaction(os.environ)
    with held(_folder(out)) as before, Journal.resume(out / JOURNAL, redact=redact) as journal:
        ended, summary = journal.last("finished"), out / "summary.json"
        if ended and ended.payload["ended_by"] != loop.INTERRUPTED and summary.is_file():
            return json.loads(summary.read_text(encoding="utf-8"))
        plan = _Plan.of(replace(_config_of(journal), **where))
        told = {"versions": versions(), "clock": before, "where": where}
        journal.append("resumed", {**told, "sandbox": plan.told()["sandbox"]})
        return _carry_out(plan, out, journal, before, watching)


def replay(earlier: Path, out: Path, watching: Watching = _UNWATCHED) -> dict[str, Any]:
    """Decide a run once more from its journal: no model is asked and no script is run.

    Args:
      earlier: folder of a run that came to its end.
      out: folder for the replay, created.
      watching: who is told.

    Returns:
      The summary; that of the earlier run, but for the clock after its last step.

    Raises:
      Diverged: anything is decided otherwise, or is not in the journal.
      JournalError, RunHeld: as `execute`.
    """
    redact = redaction(os.environ)
    with Journal.open(_folder(earlier) / JOURNAL) as told:
        plan = _Plan.of(_config_of(told), runs_scripts=False)
        out.mkdir(parents=True, exist_ok=True)
        recording = told.as_recording(strict=True)
        created = Journal.create(out / JOURNAL, replays=recording, redact=redact)
        with held(out), created as journal:
            if (earlier / STEPS).is_dir():
                shutil.copytree(earlier / STEPS, out / STEPS)
            journal.append("started", plan.told())
            return _carry_out(plan, out, journal, 0.0, watching)


@dataclass(frozen=True)
class _Plan:
    """A run whose names were understood, before anything is run."""

    config: RunConfig
    task: Task
    strategy: optimizers.Strategy
    model: Model | None
    budget: Budget
    slots: GpuSlots | None
    limits: Limits
    backend: Sandbox

    @classmethod
    def of(cls, config: RunConfig, task: Task | None = None, *, runs_scripts: bool = True) -> _Plan:
        """Raise as `execute`; where no script is run, interpreter and cards need not be there."""
        benchmark = Path(config.benchmark) if config.benchmark else None
        data_dir = Path(config.data_dir) if config.data_dir else None
        task = task or registry.load(config.task, benchmark, data_dir, told=config.facts)
        strategy = build_strategy(config.strategy)
        _require_aggregation(strategy, config.diagnoses)
        require_blind(strategy.selector)
        optimizers.require_in_flight(strategy.policy, config.in_flight)
        model = _build_model(config.model) if config.model else None
        build_reasoner(config.reasoner, model)
        budget = parse_budget(config.budget, steps=config.steps, seconds=config.seconds)
        slots, limits = config.slots, config.limits
        if runs_scripts:
            backend = placing.find_sandbox(config, task)
        else:
            backend = sandbox.detect(config.sandbox)
        return cls(config, task, strategy, model, budget, slots, limits, backend)

    def told(self) -> dict[str, Any]:
        """For the journal."""
        metric = self.task.facts.metric
        backend = {"name": self.backend.name, "not_covered": list(self.backend.not_covered)}
        return {
            "config": asdict(self.config),
            "metric": metric.name,
            "higher_is_better": metric.higher_is_better,
            "sandbox": backend,
            "versions": versions(),
        }


def _carry_out(
    plan: _Plan, out: Path, journal: Journal, before: float, watching: Watching
) -> dict[str, Any]:
    config, task, recording = plan.config, plan.task, journal.recording
    used = max(before, 0.0 if recording is None else recording.seconds)
    public = out / "public"
    task.prepare(public)
    journal.flush()
    watching.on_start(config, task, plan.backend)
    model = None
    if plan.model is not None:
        spent = (Spent() if recording is None else recording.spent)._replace(seconds=used)
        replayed = recording is not None and recording.strict
        model = Recorded(None if replayed else _capped(plan.model, plan.budget, spent), journal)
    reasoner = build_reasoner(config.reasoner, model)
    ends = time.monotonic() + plan.budget.seconds - used
    evaluator = SandboxEvaluator(
        task,
        plan.backend,
        plan.limits,
        public,
        out / STEPS,
        config.rehearse,
        slots=plan.slots,
        seconds_left=lambda: ends - time.monotonic(),
    )
    evaluator.remember(journal)
    agent = loop.Agent(
        task=task,
        strategy=plan.strategy,
        reasoner=reasoner,
        evaluator=watching.wrap_evaluator(evaluator),
        journal=journal,
        budget=plan.budget,
        public=public,
        seed=config.seed,
        embed=None if isinstance(reasoner, HasVocabulary) else cached(hashed_ngrams()),
        diagnoses=config.diagnoses,
        in_flight=config.in_flight,
        workers=config.workers,
        repairs=config.repairs,
        refines=config.refines,
        seconds_per_run=config.seconds_per_run,
        seconds_before=used,
        machine=placing.machine(config),
        on_step=watching.on_step,
    )
    result = agent.run()
    summary = summarise(config, task, result, journal, out)
    journal.append("finished", summary)
    return summary


def _build_model(text: str) -> Model:
    from gome_agent.models import build_model

    return build_model(text)


def _capped(model: Any, budget: Budget, spent: Spent) -> Model:
    from gome_agent.models import Capped

    return Capped(model, budget, spent)


def _folder(run: Path) -> Path:
    if not (run / JOURNAL).is_file():
        raise JournalError(f"no journal in `{run}`: is it the folder of a run?")
    return run


def _config_of(journal: Journal) -> RunConfig:
    started = journal.last("started")
    if started is None:
        raise JournalError("the journal holds no run: it was killed before it began; start anew")
    told: dict[str, Any] = {
        name: float("inf") if value == "inf" else value
        for name, value in started.payload["config"].items()
    }
    for event in journal.events("resumed"):
        told |= event.payload.get("where", {})
    return RunConfig(**{**told, "weights": tuple(told.get("weights", ()))})


def _require_aggregation(strategy: optimizers.Strategy, diagnoses: int) -> None:
    """Refuse several diagnoses where the rule takes one; traced only, so that it costs nothing.

    Raises:
      DiagnosesError: names the way out.
    """

    def step(directions):
        run = optimizers.init(strategy, jnp.zeros(1), jax.random.key(0), steps=1)
        expansion, run = optimizers.ask(strategy, run)
        return optimizers.propose(strategy, run, expansion, directions)

    if diagnoses > 1:
        jax.eval_shape(step, jax.ShapeDtypeStruct((diagnoses, 1), jnp.float32))
