"""Products with the output head, forward and backward: rows times a table with one row for each token.

 - With a few rows on a CPU, the table comes first in the product, which is two to three times faster.
 - The backward product is a sum over all tokens. In order, over 262,144 tokens, float32 loses digits (1e-5 with one to
   three rows). A sum of blocks' sums keeps them (below 1e-6).

Shapes: R rows, V vocabulary, D width.
"""

from __future__ import annotations

from torch import Tensor

FEW_ROWS = 8
TOKEN_BLOCK = 1024


def multiply_by_head(rows: Tensor, head: Tensor) -> Tensor:
    """Rows [R, D] times the head [V, D], both of one dtype: [R, V]."""
    if rows.device.type == "cpu" and 1 < len(rows) <= FEW_ROWS:
        return (head @ rows.T).T.contiguous()
    return rows @ head.T


def backward_head(head: Tensor, gradient: Tensor) -> Tensor:
    """Through ``multiply_by_head``: gradient by the product [R, V] -> by the rows [R, D], in the head's dtype."""
    size = TOKEN_BLOCK if head.device.type == "cpu" else len(head)  # other devices don't sum in order
    by_rows = head.new_zeros(len(gradient), head.shape[1])
    for start in range(0, len(head), size):
        by_rows += gradient[:, start : start + size].to(head.dtype) @ head[start : start + size]
    return by_rows
