"""How much there is to download for each competition of MLE-bench Lite."""

from __future__ import annotations

from collections.abc import Iterable

GIGABYTES = {
    "aerial-cactus-identification": 0.025,
    "aptos2019-blindness-detection": 10.2,
    "denoising-dirty-documents": 0.06,
    "detecting-insults-in-social-commentary": 0.002,
    "dog-breed-identification": 0.75,
    "dogs-vs-cats-redux-kernels-edition": 0.85,
    "histopathologic-cancer-detection": 7.8,
    "jigsaw-toxic-comment-classification-challenge": 0.06,
    "leaf-classification": 0.036,
    "mlsp-2013-birds": 0.59,
    "new-york-city-taxi-fare-prediction": 5.7,
    "nomad2018-predict-transparent-conductors": 0.006,
    "plant-pathology-2020-fgvc7": 0.8,
    "random-acts-of-pizza": 0.003,
    "ranzcr-clip-catheter-line-classification": 13.1,
    "siim-isic-melanoma-classification": 116.0,
    "spooky-author-identification": 0.002,
    "tabular-playground-series-dec-2021": 0.7,
    "tabular-playground-series-may-2022": 0.57,
    "text-normalization-challenge-english-language": 0.01,
    "text-normalization-challenge-russian-language": 0.01,
    "the-icml-2013-whale-challenge-right-whale-redux": 0.29,
}
"""As the benchmark's README lists them."""


def download(competitions: Iterable[str]) -> float:
    """GB to download for those whose size is known."""
    return sum(GIGABYTES.get(competition, 0.0) for competition in competitions)


def needed(competitions: Iterable[str]) -> float:
    """GB that preparing takes at most, of those whose size is known.

    Archives and prepared data stay; the extracted raw data are there for one competition at a time.

    >>> round(needed(["leaf-classification", "spooky-author-identification"]), 3)
    0.112
    """
    known = [GIGABYTES[name] for name in competitions if name in GIGABYTES]
    return 2 * sum(known) + max(known, default=0.0)
