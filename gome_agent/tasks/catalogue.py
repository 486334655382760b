"""The bundled tasks, one entry each.

Every data set ships inside a package that is installed with gome and whose licence allows it; each
entry's `source` says where the data come from. All are small, so that a five-fold cross-validation
of a boosted tree takes seconds on one core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gome_agent.tasks import metrics
from gome_agent.tasks.base import TaskFacts
from gome_agent.tasks.bundled import ID, Recipe
from gome_agent.tasks.sources import data_file

if TYPE_CHECKING:
    from pandas import DataFrame

GRADES = {
    "cut": ("Fair", "Good", "Very Good", "Premium", "Ideal"),
    "color": ("J", "I", "H", "G", "F", "E", "D"),
    "clarity": ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
}
"""How diamonds are graded, worst first."""

_DIAMONDS_SOURCE = (
    "Prices of some 54,000 round cut diamonds, collected for ggplot2 (MIT) by H. Wickham; the copy "
    "inside plotnine (MIT) is read, exact duplicates dropped."
)


def _read(package: str, name: str, **options: Any) -> DataFrame:
    import pandas

    # No column in use has more than seven decimals; rounding undoes the last bit in which parsers
    # of different pandas releases differ.
    return pandas.read_csv(data_file(package, name), **options).round(7)


def _digits() -> DataFrame:
    table = _read("sklearn", "digits.csv.gz", header=None).astype(int)
    table.columns = [f"pixel_{i // 8}_{i % 8}" for i in range(64)] + ["digit"]
    return table


def _diamonds() -> DataFrame:
    return _read("plotnine", "diamonds.csv").drop_duplicates()


def _housing() -> DataFrame:
    table = _read("plotnine", "txhousing.csv").drop(columns="date")  # Year and month once more.
    table = table.rename(columns={"median": "median_price"})
    return table.dropna(subset=["median_price"])


def _visits() -> DataFrame:
    table = _read("statsmodels", "randhie.csv")
    table["visited"] = (table.pop("mdvis") > 0).astype(int)
    return table


DIGITS = Recipe(
    facts=TaskFacts(
        name="digits",
        title="Handwritten digits",
        kind="multiclass",
        metric=metrics.ACCURACY,
        id_column=ID,
        target="digit",
        prediction_columns=("digit",),
        classes=tuple(str(c) for c in range(10)),
        source="Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998; UCI "
        "Machine Learning Repository, CC BY 4.0), its test part; the copy inside scikit-learn "
        "(BSD-3-Clause) is read.",
    ),
    text="""
Each row is one handwritten digit as an image of 8 by 8 pixels. `pixel_R_C` is the ink in row R
(0 is the top) and column C (0 is the left), an integer from 0 to 16. `digit` is the digit, 0 to 9.
""",
    raw=_digits,
    train_rows=1000,
    test_rows=797,
    seed=1,
    ordered={},
)

DIAMONDS = Recipe(
    facts=TaskFacts(
        name="diamonds",
        title="Price of diamonds",
        kind="regression",
        metric=metrics.RMSE,
        id_column=ID,
        target="price",
        prediction_columns=("price",),
        source=_DIAMONDS_SOURCE,
    ),
    text="""
Each row is one round cut diamond. `price` is in US dollars.

- `carat`: weight
- `cut`: quality of the cut: Fair, Good, Very Good, Premium, Ideal (worst to best)
- `color`: J, I, H, G, F, E, D (worst to best)
- `clarity`: I1, SI2, SI1, VS2, VS1, VVS2, VVS1, IF (worst to best)
- `x`, `y`, `z`: length, width and depth in mm (0 where it was not measured)
- `depth`: total depth in percent, 2 z / (x + y)
- `table`: width of the top relative to the widest point, in percent
""",
    raw=_diamonds,
    train_rows=12_000,
    test_rows=10_000,
    seed=2,
    ordered=GRADES,
)

CUT = Recipe(
    facts=TaskFacts(
        name="cut",
        title="Quality of a diamond's cut",
        kind="multiclass",
        metric=metrics.LOG_LOSS,
        id_column=ID,
        target="cut",
        prediction_columns=tuple(sorted(GRADES["cut"])),
        classes=tuple(sorted(GRADES["cut"])),
        source=_DIAMONDS_SOURCE,
    ),
    text="""
Each row is one round cut diamond, whose cut was graded from its shape. `cut` is the quality of the
cut: Fair, Good, Very Good, Premium or Ideal (worst to best). Submit the probability of each.

- `carat`: weight
- `color`: J, I, H, G, F, E, D (worst to best)
- `clarity`: I1, SI2, SI1, VS2, VS1, VVS2, VVS1, IF (worst to best)
- `price`: in US dollars
- `x`, `y`, `z`: length, width and depth in mm (0 where it was not measured)
- `depth`: total depth in percent, 2 z / (x + y)
- `table`: width of the top relative to the widest point, in percent
""",
    raw=_diamonds,
    train_rows=6_000,
    test_rows=10_000,
    seed=3,
    ordered={name: grades for name, grades in GRADES.items() if name != "cut"},
)

HOUSING = Recipe(
    facts=TaskFacts(
        name="housing",
        title="Median house prices in Texas",
        kind="regression",
        metric=metrics.RMSLE,
        id_column=ID,
        target="median_price",
        prediction_columns=("median_price",),
        source="Monthly housing market of 46 areas of Texas, 2000-2015, from the Real Estate "
        "Center at Texas A&M University, as distributed with ggplot2 (MIT); the copy inside "
        "plotnine (MIT) is read, months without a median price dropped.",
    ),
    text="""
Each row is the housing market of one area of Texas in one month. `median_price` is the median sale
price in US dollars. Some values are missing.

- `city`: name of the area
- `year`, `month`
- `sales`: number of sales
- `volume`: total value of the sales in US dollars
- `listings`: number of active listings
- `inventory`: months it would take to sell all listings at the current pace
""",
    raw=_housing,
    train_rows=4_000,
    test_rows=3_900,
    seed=4,
    ordered={},
)

VISITS = Recipe(
    facts=TaskFacts(
        name="visits",
        title="Who sees a doctor",
        kind="binary",
        metric=metrics.AUC,
        id_column=ID,
        target="visited",
        prediction_columns=("visited",),
        classes=("0", "1"),
        source="RAND Health Insurance Experiment (public domain), the subset of Cameron and "
        "Trivedi, Microeconometrics (2005); the copy inside statsmodels (BSD-3-Clause) is read.",
    ),
    text="""
Each row is one person in one year of a health insurance experiment, in which families were given
insurance plans that differ in what they pay themselves. `visited` is 1 if the person saw a doctor
in that year as an outpatient. A person can appear in several rows.

- `lncoins`: log(coinsurance rate + 1), the rate in percent
- `idp`: 1 if the plan has an individual deductible
- `lpi`: log(max(1, yearly participation incentive))
- `fmde`: 0 if `idp` is 1, else log(max(1, maximum dollar expenditure / (0.01 coinsurance rate)))
- `physlm`: 1 if the person has a physical limitation
- `disea`: number of chronic diseases
- `hlthg`, `hlthf`, `hlthp`: 1 if the person rates their health good, fair, poor (none: excellent)
""",
    raw=_visits,
    train_rows=8_000,
    test_rows=12_000,
    seed=5,
    ordered={},
)

RECIPES = {recipe.facts.name: recipe for recipe in (DIGITS, DIAMONDS, CUT, HOUSING, VISITS)}
"""All bundled tasks by name."""
