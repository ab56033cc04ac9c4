"""Make stored scores readable: span scores, shares, comparisons, summaries over many prompts.

Does not know: torch, models, how scores are computed, how they are drawn.
"""
