"""The part of the explorer that opens windows over the open prompt: its scores, all its targets, another prompt."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from rich.console import Console, RenderableType
from textual.binding import Binding, BindingType

from promptlight.cli.explorer._asking import Asking
from promptlight.cli.explorer.library import Library
from promptlight.cli.explorer.scene import Scene, carry_target
from promptlight.cli.explorer.screens import Painter, Picker, Window
from promptlight.cli.views.comparison import render_comparison
from promptlight.cli.views.facts import describe_quantised, spell_both_facts, spell_facts
from promptlight.cli.views.heatmap import render_matrix_view, render_reading
from promptlight.cli.views.hints import Hints
from promptlight.cli.work.stored_results import SectionNames
from promptlight.cli.work.stored_trust import StoredTrust
from promptlight.io.results.facts import RunFacts
from promptlight.io.results.listing import Listed
from promptlight.salience.errors import PromptlightError
from promptlight.salience.text.printable import one_line
from promptlight.salience.types import Analysis

N_LISTED = 20  # strongest sources in the details


class Windows(Asking):
    """The scene of one of a library's prompts, and windows over it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "details", "details: more sources, what the scores are, how far to trust them"),
        Binding("x", "matrix", "a matrix of all targets"),
        Binding("c", "compare", "compare with another prompt"),
    ]

    def __init__(self, library: Library, *, names: SectionNames | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.library = library
        self.names = names or SectionNames(None)

    def _find_facts(self, analysis: Analysis) -> RunFacts | None:
        return self.library.find_facts(analysis.completion.prompt.id)

    def _push(self, title: str, paint: Painter) -> None:
        self.push_screen(Window(title, paint, self.color_system))

    # ---- one prompt --------------------------------------------------------------------------------------------------

    @cached_property
    def _trust(self) -> StoredTrust:
        return StoredTrust(self.library.folder)

    def action_details(self) -> None:
        """List more of the strongest sources, and say what ``show`` says below them."""
        if self.scene is None:
            return
        explanation, look = self.scene.explanation, self.look
        method, way = explanation.salience.method, explanation.way
        trust = self._trust.describe(explanation.analysis, method, explanation.targets, way)
        facts = self._find_facts(explanation.analysis)
        remarks, origin = (describe_quantised(facts), trust), spell_facts(facts)

        def paint(console: Console) -> RenderableType:
            return render_reading(explanation, console, look, n_top=N_LISTED, remarks=remarks, origin=origin)

        self._push("Details", paint)

    def action_matrix(self) -> None:
        """Show all targets at once, as ``show --matrix`` does."""
        if self.scene is None:
            return
        explanation, look = self.scene.choose_all().explanation, self.look

        def paint(console: Console) -> RenderableType:
            return render_matrix_view(explanation, console, look, hints=Hints.NOBODY)

        self._push("All targets", paint)

    # ---- two prompts -------------------------------------------------------------------------------------------------

    def action_compare(self) -> None:
        """Choose a second prompt and compare the two."""
        scene = self.scene
        if scene is None:
            return

        def compare(listed: Listed | None) -> None:
            result = self.library.load(listed) if listed else None
            if isinstance(result, Analysis):
                facts = self._find_facts(scene.analysis), self._find_facts(result)
                self.show_comparison(scene, self.names.give(result), facts)

        self.push_screen(Picker(self.library, scene.analysis.completion.prompt.id), compare)

    def show_comparison(self, scene: Scene, analysis: Analysis, facts: tuple[RunFacts | None, RunFacts | None]) -> None:
        """Show both side by side in a window, and where each comes from."""
        try:
            before, after = scene.explanation, carry_target(scene, analysis).explanation
        except PromptlightError as error:
            self.notify(one_line(str(error)), severity="error", markup=False)
            return
        look, origins = self.look, list(spell_both_facts(*facts))

        def paint(console: Console) -> RenderableType:
            return render_comparison(before, after, console, look, origins=origins)

        self._push("Before and after", paint)
