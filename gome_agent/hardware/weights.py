"""Which pretrained weights scripts can load: they have no network, and see no home folder."""

from __future__ import annotations

from gome_agent.sandbox.interpreter import Interpreter


def weights_of(python: Interpreter) -> tuple[str, ...]:
    """Names of the pretrained weights that scripts can load: of Hugging Face and of torch."""
    if python.weights is None:
        return ()
    hub = (python.weights / "huggingface" / "hub").glob("models--*")
    torch = (python.weights / "torch" / "hub" / "checkpoints").glob("*")
    names = (path.name.removeprefix("models--").replace("--", "/") for path in hub)
    return (*sorted(names), *sorted(path.name for path in torch if path.is_file()))
