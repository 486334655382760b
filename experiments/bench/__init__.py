"""Paired benchmarks: what a step costs here, and what it costs in other libraries."""
