"""The catalogue: what the expert can change about a plan, and what speaks for it.

Each entry is a directive, the change of the plan that carries it out (None where it does not
apply), and its evidence in a reading. Strengths are expected relative reductions of the error:
rules of thumb set by hand and revised after ablations on the bundled tasks, so that a result there
is in part fitted: what is left to show is how well they rank, which `gome study reliability`
measures.
"""

from __future__ import annotations

from collections.abc import Mapping

from gome_agent.reasoners.expert.catalogue_ensembles import ENSEMBLES
from gome_agent.reasoners.expert.catalogue_features import FEATURES
from gome_agent.reasoners.expert.catalogue_models import MODELS
from gome_agent.reasoners.expert.entries import Entry as Entry

CATALOGUE: tuple[Entry, ...] = (*FEATURES, *MODELS, *ENSEMBLES)
"""Every directive that the expert knows, in a fixed order."""

BY_IDENTITY: Mapping[tuple[str, str], Entry] = {
    entry.directive.to_core().identity: entry for entry in CATALOGUE
}
"""The catalogue by what makes two directives the same."""
