"""A plan: the choices behind one tabular pipeline, as a value that can be checked and changed.

The plan is the expert's parameter space. A script that the expert writes carries its plan in the
last line of its docstring, so that the expert keeps no state: `Plan.from_script` reads it back.
Not covered: anything that is not a table with one row an example (images, text, time series with
dependent rows), and any choice that is not a field below.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Family = Literal[
    "linear", "knn", "svm", "nystroem", "gp", "forest", "extra_trees", "boosting", "mlp", "torch"
]
TREES = frozenset({"forest", "extra_trees", "boosting"})
SMOOTH = frozenset({"linear", "knn", "svm", "nystroem", "gp", "mlp", "torch"})
"""Families that care about the scale of their inputs."""
Level = Annotated[int, Field(ge=-2, le=2)]
"""A hyper-parameter on a ladder of five: 0 is the usual value."""

_PLAN_LINE = re.compile(r"^plan: (\{.*\})$", re.MULTILINE)


class NoPlan(ValueError):
    """A script that carries no readable plan: it was not written by the expert, or was changed."""


class Plan(BaseModel):
    """Choices of a pipeline. The defaults are the plain baseline."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # data
    missing: Literal["median", "mean", "constant", "keep"] = "median"
    """Fill for missing numbers; `constant` is a value far outside the range, and `keep` leaves
    them to boosted trees."""
    clip_outliers: bool = False
    """Clip numbers to their 0.5% and 99.5% quantiles."""
    drop: tuple[str, ...] = ()
    """Columns that are left out."""
    dates: tuple[str, ...] = ()
    """Columns that become year, month, weekday, hour and elapsed days."""
    texts: tuple[str, ...] = ()
    """Columns that become tf-idf, projected on its main directions."""

    # features
    scaling: Literal["none", "standard", "power", "quantile"] = "standard"
    log_skewed: bool = False
    """log(1 + x) of the non-negative columns with a long right tail."""
    categorical: Literal["drop", "onehot", "ordinal", "target", "native"] = "drop"
    """`native` is for boosted trees, which split off sets of levels; others get one-hot."""
    orders: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(column, levels from lowest to highest): these columns become ranks."""
    crosses: tuple[tuple[str, str], ...] = ()
    """Pairs of columns whose combined values become a categorical column."""
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
    rate: Level = 0
    """Step size of boosting."""
    l2: Level = 0
    """Shrinkage of the leaves in boosting."""
    columns: Annotated[int, Field(ge=-2, le=0)] = 0
    """Share of the columns that a split of a boosted tree may use; 0 is all."""
    early_stopping: bool = False
    """Hold back a tenth of the rows and stop when they are no longer predicted better."""
    class_weights: bool = False
    log_target: bool = False

    # ensemble
    bag: bool = False
    """Mean of models fitted to different subsets of the rows."""
    seeds: bool = False
    """Mean of models fitted to all rows from different seeds."""
    partners: Annotated[tuple[Family, ...], Field(max_length=3)] = ()
    """Families whose predictions are combined with those of the main model."""
    blend: Literal["mean", "weights", "stack"] = "mean"
    """How they are combined: alike, with weights found out of fold (Caruana et al. 2004), or by a
    linear model of out-of-fold predictions (Wolpert 1992)."""

    # workflow
    calibrate: bool = False
    """Of the main model."""
    clip_predictions: bool = False
    """Keep predictions inside the range of the training target."""
    folds: Annotated[int, Field(ge=2, le=10)] = 5

    @model_validator(mode="before")
    @classmethod
    def _one_partner(cls, told: Any) -> Any:
        """Plans used to have one `partner`, or the word "none"."""
        if isinstance(told, dict) and "partner" in told:
            told = dict(told)
            old = told.pop("partner")
            told.setdefault("partners", () if old == "none" else (old,))
        return told

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
