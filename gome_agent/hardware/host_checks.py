"""Checks of the machine around the card, of the model's provider and of the plan."""

from __future__ import annotations

from gome_agent.hardware.facts import Facts
from gome_agent.hardware.findings import Finding, failure, gibibytes, ok, unknown
from gome_agent.hardware.profiles import Profile

_DISK_BYTES = 20 * 2**30
_DATA_COPIES = 2
_DAY = 86_400.0
_SCRIPTS_A_RUN = 5


def processors(facts: Facts, hardware: Profile) -> Finding | None:
    """As many processors as the profile says, also after the control group's quota."""
    cores, quota = facts.host.cores, facts.host.quota
    if quota is not None and quota < cores:
        says = f"{cores} processors are seen, the control group pays for {quota:g}"
        fix = f"raise the quota (docker run --cpus {cores}): else each of {cores} threads waits"
        return failure("processors", says, fix, needed=quota < hardware.cores)
    if cores < hardware.cores:
        says = f"{cores}, the profile counts on {hardware.cores}"
        fix = "expect slower scripts, or use a larger machine; threads are set from the profile"
        return failure("processors", says, fix, needed=False)
    return ok("processors", str(cores))


def main_memory(facts: Facts, hardware: Profile) -> Finding | None:
    """As much memory as the profile says, also after the control group's limit."""
    ram, limit = facts.host.ram, facts.host.memory_limit
    if ram is None:
        return unknown("memory", "the system does not tell it")
    usable = ram if limit is None else min(ram, limit)
    # What is sold as 220 GB is a little less to the kernel.
    if usable < 0.9 * hardware.ram_gib * 1000**3:
        group = "" if limit is None or limit >= ram else f", of {gibibytes(ram)} in the machine"
        says = f"{gibibytes(usable)}{group}; the profile counts on {hardware.ram_gib} GB"
        fix = "raise the limit (docker run --memory), or expect tasks with large data to fail"
        return failure("memory", says, fix, needed=False)
    return ok("memory", gibibytes(usable))


def disk(facts: Facts, hardware: Profile) -> Finding | None:
    """Space for runs, and for data that scripts unpack."""
    host = facts.host
    wanted = max(_DISK_BYTES, _DATA_COPIES * (host.data or 0))
    if host.disk_free < wanted:
        says = f"{gibibytes(host.disk_free)} free, {gibibytes(wanted)} are wanted"
        return failure("disk", says, "free some space, or work on a larger disk")
    return ok("disk", f"{gibibytes(host.disk_free)} free")


def data(facts: Facts, hardware: Profile) -> Finding | None:
    """The data folder is there and can be added up."""
    host = facts.host
    if host.data_problem.endswith("is not a folder"):
        return failure("data", host.data_problem, "name the folder of the prepared data")
    if host.data_problem:
        return unknown("data", host.data_problem)
    return None if host.data is None else ok("data", gibibytes(host.data))


def clock(facts: Facts, hardware: Profile) -> Finding | None:
    """The clock is not in the past: certificates of providers would be refused."""
    behind = facts.host.newest_file - facts.host.clock
    if behind > _DAY:
        says = f"the clock is {behind / _DAY:.0f} days before this program was installed"
        return failure("clock", says, "set it: timedatectl set-ntp true")
    return ok("clock", "not in the past")


def keys(facts: Facts, hardware: Profile) -> Finding | None:
    """The model can be asked, as far as its name and the environment tell."""
    have = ", ".join(facts.host.keys) or "none"
    if facts.model_problem is None:
        return ok("model keys", f"set: {have}; name a --model to check one")
    if facts.model_problem:
        fix = "export the key, or mend the name of the model (docs/models.md)"
        return failure("model keys", facts.model_problem, fix)
    return ok("model keys", f"{facts.asked.model} has what it needs")


def endpoints(facts: Facts, hardware: Profile) -> Finding | None:
    """Addresses of servers that were named can be reached."""
    if not facts.endpoints:
        return None
    for address, problem in facts.endpoints.items():
        if problem:
            fix = "start the server, mend its address, or open the firewall"
            return failure("endpoint", f"{address}: {problem}", fix)
    return ok("endpoint", f"{', '.join(facts.endpoints)} can be reached")


def plan(facts: Facts, hardware: Profile) -> Finding | None:
    """The clock of a run pays for several scripts."""
    seconds, script = facts.asked.seconds, facts.asked.seconds_per_run
    says = f"{seconds / 3600:.3g} h of a run, {script / 60:.3g} min of a script"
    if seconds < script:
        return failure("time", says, "give the run more, or one script less (--seconds-per-run)")
    if seconds < _SCRIPTS_A_RUN * script:
        fix = "few scripts fit into the run: less for one lets it try more"
        return failure("time", says, fix, needed=False)
    return ok("time", says)


def sandbox(facts: Facts, hardware: Profile) -> Finding | None:
    """Scripts run, behind walls."""
    if not facts.sandbox:
        return failure(
            "sandbox",
            facts.no_sandbox or "none was tried",
            "mend the interpreter (--python), or see docs",
        )
    if facts.sandbox == "process":
        says = "process: no walls. " + " ".join(facts.not_covered)
        return failure("sandbox", says, "install bubblewrap, or use docker:IMAGE", needed=False)
    return ok("sandbox", f"{facts.sandbox}. Not covered: {' '.join(facts.not_covered)}")


def weights(facts: Facts, hardware: Profile) -> Finding | None:
    """Pretrained weights that scripts can load without a network."""
    if not hardware.gpu:
        return None
    found = facts.host.weights
    if not found:
        fix = "put them below DIR/weights of the environment of --python (docs/hardware.md)"
        return failure("weights", "none: scripts have no network to fetch any", fix, needed=False)
    return ok("weights", ", ".join(found))


CHECKS = (
    *(processors, main_memory, disk, data, clock),
    *(sandbox, weights, keys, endpoints, plan),
)
