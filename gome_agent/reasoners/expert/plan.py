"""A plan: the choices behind one tabular pipeline, as a value that can be checked and changed.

The plan is the expert's parameter space. A script that the expert writes carries its plan in the
last line of its docstring, so that the expert keeps no state: `Plan.from_script` reads it back.
Not covered: anything that is not a table with one row an example (images, text, time series with
dependent rows), and any choice that is not a field below.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Family = Literal["linear", "knn", "svm", "forest", "extra_trees", "boosting", "mlp"]
Partner = Literal["none", "linear", "extra_trees", "boosting", "svm", "mlp"]
Level = Annotated[int, Field(ge=-2, le=2)]
"""A hyper-parameter on a ladder of five: 0 is the usual value."""

_PLAN_LINE = re.compile(r"^plan: (\{.*\})$", re.MULTILINE)


class NoPlan(ValueError):
    """A script that carries no readable plan: it was not written by the expert, or was changed."""


class Plan(BaseModel):
    """Choices of a pipeline. The defaults are the plain baseline."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # data
    missing: Literal["median", "mean", "constant"] = "median"
    """Fill for missing numbers; `constant` is a value far outside the range."""
    clip_outliers: bool = False
    """Clip numbers to their 0.5% and 99.5% quantiles."""

    # features
    scaling: Literal["none", "standard", "power", "quantile"] = "standard"
    log_skewed: bool = False
    """log(1 + x) of the non-negative columns with a long right tail."""
    categorical: Literal["drop", "onehot", "ordinal", "target"] = "drop"
    orders: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(column, levels from lowest to highest): these columns become ranks."""
    frequencies: bool = False
    """Add how common each category is."""
    missing_flags: bool = False
    ratios: bool = False
    products: bool = False
    splines: bool = False
    row_statistics: bool = False
    clusters: bool = False
    """Add the distances to the centres of k-means clusters."""
    reduction: Literal["none", "select", "pca"] = "none"

    # model
    family: Family = "linear"
    capacity: Level = 0
    """Leaves, depth, neighbours (fewer is more), hidden units."""
    regularisation: Level = 0
    rounds: Annotated[int, Field(ge=0, le=3)] = 1
    """Number of trees, boosting rounds (with a smaller learning rate), or training epochs."""
    class_weights: bool = False
    log_target: bool = False

    # ensemble
    bag: bool = False
    """Mean of models fitted to different subsets of the rows."""
    partner: Partner = "none"
    """Family whose predictions are averaged with those of the main model."""

    # workflow
    calibrate: bool = False
    clip_predictions: bool = False
    """Keep predictions inside the range of the training target."""
    folds: Annotated[int, Field(ge=2, le=10)] = 5

    def change(self, **fields: object) -> Plan:
        """This plan with some fields replaced, validated.

        >>> Plan().change(family="boosting").family
        'boosting'
        """
        return Plan.model_validate({**self.model_dump(), **fields})

    def to_line(self) -> str:
        """The line that a script carries: only what differs from the baseline.

        >>> Plan(family="knn", bag=True).to_line()
        'plan: {"family":"knn","bag":true}'
        """
        chosen = self.model_dump(mode="json", exclude_defaults=True)
        return "plan: " + json.dumps(chosen, separators=(",", ":"))

    @classmethod
    def from_script(cls, script: str) -> Plan:
        """Read the plan back from a script.

        Raises:
          NoPlan: the script has no plan line, or one that is not a plan.

        >>> Plan.from_script('plan: {"family":"knn"}') == Plan(family="knn")
        True
        """
        found = _PLAN_LINE.findall(script)
        if not found:
            raise NoPlan(
                "the script has no line `plan: {...}`, so that the expert cannot tell which "
                "choices made it: the expert can only change scripts that it wrote itself"
            )
        try:
            return cls.model_validate_json(found[0])
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            raise NoPlan(
                f"the script's plan line cannot be read: {first['msg']} at `{where}`"
            ) from error
