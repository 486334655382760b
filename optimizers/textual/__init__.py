"""Textual gradients: words on the host, weights in JAX.

A diagnosis says, of some *directives* (canonical statements of what to change), how much each is
expected to help. The lexicon gives every directive a slot of a fixed-capacity vector, so that a
diagnosis becomes an element of the vector space over directives, and an update rule does to it what
it does to any gradient. Signs follow optax: a directive expected to help by `s` has gradient `-s`
(the loss falls along it), so rules that subtract the gradient produce *positive* updates for what
should be done, and `decode` ranks by them.

No language model is involved here. `encode` is bookkeeping: it decides what enters, merges and
leaves, and returns that as events, which `replay` folds to the same lexicon. `decode` is its
inverse. `embed_gradient` and `rank` are the same pair in a second basis, the space of an embedding.
"""

from optimizers.textual._dense import (
    assert_rotation_equivariant as assert_rotation_equivariant,
    embed_gradient as embed_gradient,
    rank as rank,
)
from optimizers.textual._directive import Directive as Directive, Suggestion as Suggestion
from optimizers.textual._embedding import (
    Embedder as Embedder,
    cached as cached,
    hashed_ngrams as hashed_ngrams,
    unit_rows as unit_rows,
)
from optimizers.textual._encoding import (
    Encoding as Encoding,
    decode as decode,
    encode as encode,
    mask as mask,
)
from optimizers.textual._events import (
    Admitted as Admitted,
    Event as Event,
    Evicted as Evicted,
    Mentioned as Mentioned,
    Merged as Merged,
    event_from_dict as event_from_dict,
    evicted_slots as evicted_slots,
)
from optimizers.textual._lexicon import Entry as Entry, Lexicon as Lexicon, replay as replay
