"""The catalogue's directives about data and features."""

from __future__ import annotations

from gome_agent.reasoners.expert import evidence_features
from gome_agent.reasoners.expert.entries import (
    Entry,
    entry,
    has_numbers,
    has_pairs,
    has_words,
    when,
)
from gome_agent.reasoners.expert.plan import SMOOTH, TREES

PLAIN_COLUMNS = dict.fromkeys(
    ("ratios", "products", "splines", "row_statistics", "clusters", "frequencies"), False
)

FEATURES: tuple[Entry, ...] = (
    entry(
        "data",
        "Fill missing numbers with a constant far outside their range",
        when(lambda p, r: r.missing > 0 and p.family in TREES, missing="constant"),
        evidence_features.constant_fill,
    ),
    entry(
        "data",
        "Fill missing numbers with the column median",
        when(lambda p, r: p.missing != "median", missing="median"),
        evidence_features.median_fill,
    ),
    entry(
        "data",
        "Clip numeric columns to their 0.5% and 99.5% quantiles",
        when(has_numbers, clip_outliers=True),
        evidence_features.clip_outliers,
    ),
    entry(
        "data",
        "Leave numeric columns as they are: no clipping and no logarithms",
        when(has_numbers, clip_outliers=False, log_skewed=False),
        evidence_features.leave_numbers,
    ),
    entry(
        "features",
        "Leave the scale of numeric columns as it is",
        when(
            lambda p, r: has_numbers(p, r) and (p.family in TREES or r.homogeneous), scaling="none"
        ),
        evidence_features.scaling("none"),
    ),
    entry(
        "features",
        "Scale numeric columns to zero mean and unit variance",
        when(has_numbers, scaling="standard"),
        evidence_features.scaling("standard"),
    ),
    entry(
        "features",
        "Make numeric columns more normal with a power transform",
        when(has_numbers, scaling="power"),
        evidence_features.scaling("power"),
    ),
    entry(
        "features",
        "Map numeric columns to normal quantiles",
        when(has_numbers, scaling="quantile"),
        evidence_features.scaling("quantile"),
    ),
    entry(
        "features",
        "Take logarithms of skewed numeric columns",
        when(lambda p, r: r.skew > 1, log_skewed=True),
        evidence_features.log_skewed,
    ),
    entry(
        "features",
        "Encode categorical columns as one-hot indicators",
        when(has_words, categorical="onehot"),
        evidence_features.categorical("onehot"),
    ),
    entry(
        "features",
        "Encode categorical columns as integer codes",
        when(has_words, categorical="ordinal"),
        evidence_features.categorical("ordinal"),
    ),
    entry(
        "features",
        "Encode categorical columns by the mean target of each level",
        when(has_words, categorical="target"),
        evidence_features.categorical("target"),
    ),
    entry(
        "features",
        "Turn graded categories into ranks in the order that the description gives",
        lambda p, r: {"orders": r.orders} if r.orders else None,
        evidence_features.ranks,
    ),
    entry(
        "features",
        "Add how common each category is",
        when(lambda p, r: r.categorical > 0, frequencies=True),
        evidence_features.frequencies,
    ),
    entry(
        "features",
        "Add an indicator for each column that has missing numbers",
        when(lambda p, r: r.missing > 0 and r.numeric > 0, missing_flags=True),
        evidence_features.missing_flags,
    ),
    entry(
        "features",
        "Add ratios of the strongest numeric columns",
        when(has_pairs, ratios=True),
        evidence_features.ratios,
    ),
    entry(
        "features",
        "Add products of the strongest numeric columns",
        when(has_pairs, products=True),
        evidence_features.products,
    ),
    entry(
        "features",
        "Expand numeric columns into splines",
        when(lambda p, r: has_numbers(p, r) and p.family in SMOOTH, splines=True),
        evidence_features.splines,
    ),
    entry(
        "features",
        "Add statistics of each row's numeric columns",
        when(has_pairs, row_statistics=True),
        evidence_features.row_statistics,
    ),
    entry(
        "features",
        "Add distances to the centres of k-means clusters",
        when(has_pairs, clusters=True),
        evidence_features.clusters,
    ),
    entry(
        "features",
        "Remove the derived columns",
        when(lambda p, r: True, **PLAIN_COLUMNS),
        evidence_features.remove_derived,
    ),
    entry(
        "features",
        "Keep only the better half of the columns by a univariate test",
        when(lambda p, r: r.numeric + r.categorical >= 4, reduction="select"),
        evidence_features.reduction("select"),
    ),
    entry(
        "features",
        "Project the columns onto their principal components",
        when(lambda p, r: r.numeric + r.categorical >= 4, reduction="pca"),
        evidence_features.reduction("pca"),
    ),
    entry(
        "features",
        "Keep every column: no selection and no projection",
        when(lambda p, r: True, reduction="none"),
        evidence_features.reduction("none"),
    ),
    entry(
        "features",
        "Cross the strongest categorical columns with each other",
        lambda p, r: {"crosses": r.crossable} if r.crossable and p.categorical != "drop" else None,
        evidence_features.crosses,
    ),
    entry(
        "features",
        "Leave categorical columns uncrossed",
        when(lambda p, r: True, crosses=()),
        evidence_features.no_crosses,
    ),
    entry(
        "features",
        "Let boosted trees split off sets of categories",
        when(lambda p, r: has_words(p, r) and p.family == "boosting", categorical="native"),
        evidence_features.native,
    ),
    entry(
        "features",
        "Turn dates into year, month, weekday and elapsed days",
        lambda p, r: {"dates": r.dates} if r.dates else None,
        evidence_features.dates,
    ),
    entry(
        "features",
        "Turn texts into the main directions of their tf-idf",
        lambda p, r: {"texts": r.texts} if r.texts else None,
        evidence_features.texts,
    ),
    entry(
        "data",
        "Leave out columns that name rows or never change",
        lambda p, r: {"drop": tuple({**dict.fromkeys(p.drop + r.idle)})} if r.idle else None,
        evidence_features.drop_idle,
    ),
    entry(
        "data",
        "Leave out columns that the model does not use",
        lambda p, r: {"drop": tuple({**dict.fromkeys(p.drop + r.unused)})} if r.unused else None,
        evidence_features.drop_unused,
    ),
    entry(
        "data",
        "Use every column",
        when(lambda p, r: True, drop=()),
        evidence_features.drop_nothing,
    ),
    entry(
        "data",
        "Leave missing numbers to the boosted trees",
        when(lambda p, r: r.missing > 0 and p.family == "boosting", missing="keep"),
        evidence_features.keep_missing,
    ),
)
