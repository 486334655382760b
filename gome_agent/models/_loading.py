"""litellm, loaded when it is first needed, and what of it is set."""

from __future__ import annotations

import difflib
import os
from functools import cache
from types import ModuleType

from gome_agent.models.base import ModelMisconfigured


@cache
def load() -> ModuleType:
    """litellm, told not to fetch its price table, not to read a `.env` file, and not to print.

    Raises:
      ModelMisconfigured: it is not installed.
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    try:
        import litellm
        import tenacity  # noqa: F401
    except ImportError as error:
        raise ModelMisconfigured(
            f"language models need `pip install 'gome[llm]'`: {error}"
        ) from error
    litellm.suppress_debug_info = True  # else each error prints advice to standard output
    return litellm


def nearest(name: str) -> str:
    """A hint at the model of the same provider with the most similar name; empty if none is."""
    provider, slash, model = name.rpartition("/")
    litellm = load()
    names = litellm.models_by_provider.get(provider, ()) if provider else litellm.model_cost
    known = sorted(known.removeprefix(f"{provider}/") for known in names)
    near = difflib.get_close_matches(model, known, n=1, cutoff=0.6)
    return f" Did you mean `{provider}{slash}{near[0]}`?" if near and near[0] != model else ""


def unknown_provider(name: str, litellm: ModuleType) -> str:
    """One sentence on a model whose name begins with no provider, with the nearest that exists."""
    provider, _, _ = name.partition("/")
    known = sorted(str(getattr(p, "value", p)) for p in litellm.provider_list)
    near = difflib.get_close_matches(provider, known, n=1, cutoff=0.6)
    hint = f" Did you mean `{near[0]}`?" if near and "/" in name else ""
    return (
        f"`{name}` names no provider that litellm knows.{hint} Write PROVIDER/MODEL, such as "
        "openai/gpt-5 or anthropic/claude-sonnet-4-5."
    )
