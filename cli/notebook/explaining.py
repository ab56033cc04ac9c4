"""Complete and explain one text, from a prompt to a drawing."""

# pyright: standard

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlight.cli.notebook.result import Result, to_result
from promptlight.salience.options.analysis import AnalysisOptions
from promptlight.salience.types import Prompt

if TYPE_CHECKING:
    from promptlight.salience.model import Model


def explain(
    prompt: str | Prompt,
    model: str | Model = "demo",
    options: AnalysisOptions | None = None,
    *,
    chat: bool = False,
    device: str = "auto",
    dtype: str = "auto",
) -> Result:
    """Let a model complete a prompt, and explain what it wrote; a bar shows how far it has come.

    A name of a model is loaded each time: for several prompts, give what ``load_model`` returns. ``chat`` makes a text
    the user's turn of a chat. Raises UsageError if the prompt can't be used, ModelError if the model can't be loaded.
    """
    from promptlight.cli.work.live_model import LiveModel
    from promptlight.io.prompts.reader import prompt_from_text

    options = options or AnalysisOptions()
    if isinstance(model, str):
        live = LiveModel(model=model, device=device, dtype=dtype, options=options, chat=chat)
    else:
        live = LiveModel(model=model.facts.name, options=options, chat=chat).holding(model)
    record = prompt_from_text(prompt, chat=chat) if isinstance(prompt, str) else prompt
    (analysis,) = live.explain(record)
    return to_result(analysis, facts=live.describe_run())
