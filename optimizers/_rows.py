"""Rows of a tree of arrays whose leading axis is the node."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def select(condition, if_true, if_false):
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), if_true, if_false)


def row(tree, index):
    # A single row is not looked up: in a batch, lookups and writes cost a tenth of a whole step.
    return jax.tree.map(lambda rows: rows[0 if rows.shape[0] == 1 else index], tree)


def set_row(tree, index, row):
    """Write `row` at `index`; -1 writes nowhere."""

    def write(rows, value):
        if rows.shape[0] == 1:
            return jnp.where(index == 0, jnp.asarray(value, rows.dtype), rows)
        where = jnp.where(index < 0, rows.shape[0], index)
        return rows.at[where].set(value, mode="drop")

    return jax.tree.map(write, tree, row)
