"""The command `python -m gome_agent.models.serving`."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from gome_agent.models.offline import ExpertResponder
from gome_agent.models.serving import FaultError, ScriptedServer, parse_faults
from gome_agent.tasks import registry


def main(arguments: list[str] | None = None) -> None:
    """Serve the offline expert for one task until interrupted; prints the URL first."""
    parser = argparse.ArgumentParser(
        prog="python -m gome_agent.models.serving", description=main.__doc__
    )
    parser.add_argument("--task", required=True, help="a bundled task, such as digits")
    parser.add_argument(
        "--public", required=True, type=Path, help="its public folder; made if absent"
    )
    parser.add_argument("--faults", default="", help="e.g. '429:1,ok*3,500,slow:2,cut'")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        faults = parse_faults(options.faults)
        task = registry.load(options.task)
    except (FaultError, registry.UnknownTask) as error:
        parser.error(str(error))
    if not (options.public / "train.csv").is_file():
        task.prepare(options.public)
    server = ScriptedServer(ExpertResponder(task, options.public), faults, port=options.port)
    print(server.url, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
