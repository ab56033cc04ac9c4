"""Draw the pictures in the docs with the commands that they show: ``python -m tests.support.pictures``."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from tests.support.paths import ROOT
from tests.support.warm import WarmProcess

PICTURES = ROOT / "docs" / "pictures"
WORDS = ("--target-by", "word", "--target", "You have to try it")
RECOMMENDATION = ("--target", "Recommendation")
VIEWS = {  # name of the picture -> the command between `promptlight` and --svg
    "real": ("show", "gemma-tutorial", *RECOMMENDATION),
    "ways": ("show", "gemma-tutorial", "--id", "dish-constitution", "--way", "all"),
    "show": ("show", "RESULTS", "--id", "dish-mistake", "--by", "word", *WORDS),
    "lines": ("show", "RESULTS", "--id", "dish-mistake", *WORDS),
    "underline": ("show", "RESULTS", "--id", "dish-fixed", "--by", "word", *RECOMMENDATION, "--marking", "underline"),
    "matrix": ("show", "RESULTS", "--id", "dish-mistake", "--matrix", "--by", "word", "--target-by", "word"),
    "compare": (
        "compare",
        "RESULTS",
        "--id",
        "dish-mistake",
        "--with",
        "dish-fixed",
        *RECOMMENDATION,
        "--width",
        "120",
    ),
    "shap": ("show", "SHAP", *RECOMMENDATION),
    "why": ("why", "RESULTS", "--id", "dish-fixed"),
    "each": ("try", "RESULTS", "--id", "dish-fixed", "--each", "line"),
}
RUNS = {  # results folder of a view -> the command that makes it, before -o
    "RESULTS": ("run", "examples/prompts.jsonl"),
    "SHAP": ("run", "examples/prompts.jsonl", "--id", "dish-mistake", "--method", "shap", "--targets", "line"),
}
REAL_VIEW = ("show", "REAL", "--id", "dish-mistake", *RECOMMENDATION)  # of `make real`
REPORT_VIEW = "#id=dish-mistake&explain=line&shade=line&target=2"
WAYS_VIEW = "#id=dish-constitution&explain=line&shade=line&target=2&way=all"


def main() -> None:
    """Draw them all."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        results = {name: make_results(name, Path(folder)) for name in RUNS}
        for name in VIEWS:
            draw_view(name, results, PICTURES / f"{name}.svg")
        draw_explorer(PICTURES / "explore.svg")
        draw_report(results["RESULTS"], PICTURES)
        draw_served(results["RESULTS"], PICTURES)


def make_results(name: str, folder: Path) -> Path:
    """Make the results folder that views call by this name."""
    promptlight(*RUNS[name], "-o", folder / name, "--device", "cpu")
    return folder / name


def draw_view(name: str, results: Mapping[str, Path], path: Path) -> None:
    """Draw one terminal view."""
    arguments = [results.get(part, part) for part in VIEWS[name]]
    promptlight(*arguments, "--svg", path, "--overwrite")


def draw_explorer(path: Path) -> None:
    """Draw the app on the results of a real Gemma, after a key and a click."""
    from promptlight.cli.explorer.app import Explorer
    from promptlight.cli.explorer.library import Library
    from promptlight.cli.options.question import Asking
    from promptlight.cli.views.svg import place_texts
    from promptlight.cli.work.live_model import LiveModel
    from promptlight.io.results.folders import find_folder

    library = Library(find_folder("gemma-tutorial"))
    app = Explorer(library, question=Asking().question(), live=LiveModel(device="cpu"), color_system="truecolor")

    async def draw() -> None:
        async with app.run_test(size=(112, 38)) as pilot:
            await pilot.press("end")
            await pilot.pause()
            rows = [line.plain for line in app.view.page.lines]
            (row,) = (row for row, line in enumerate(rows) if "cooked onions" in line)
            await pilot.click("#text", offset=(rows[row].index("cooked"), row - app.view.page.scroll_offset.y))
            await pilot.pause()
            path.write_text(place_texts(app.export_screenshot(title="promptlight explore")), encoding="utf-8")

    asyncio.run(draw())


def draw_report(results: Path, folder: Path) -> None:
    """Draw the page as a browser shows it: one prompt, one with the ways through the model's own words, and all."""
    from playwright.sync_api import sync_playwright

    page_file = results.parent / "report.html"
    promptlight("report", results, "-o", page_file, "--sections", ROOT / "examples" / "sections.toml")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
        page.goto(page_file.as_uri() + REPORT_VIEW)
        page.screenshot(path=folder / "report.png")
        page.set_viewport_size({"width": 1280, "height": 1500})
        page.goto(page_file.as_uri() + WAYS_VIEW)
        page.screenshot(path=folder / "report-ways.png")
        real_file = results.parent / "real.html"
        promptlight("report", "gemma-tutorial", "-o", real_file, *RECOMMENDATION, "--overview")
        page.set_viewport_size({"width": 1200, "height": 1000})
        page.goto(real_file.as_uri())
        page.screenshot(path=folder / "report-overview.png", full_page=True)
        browser.close()


def draw_served(results: Path, folder: Path) -> None:
    """Draw the served page after its reader has corrected line 9 of the tutorial's prompt: both answers."""
    from playwright.sync_api import sync_playwright

    from promptlight.cli.notebook.serving import serve

    copied = shutil.copytree(results, results.parent / "served")
    with serve(copied, device="cpu") as served, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
        page.goto(f"{served.link}{REPORT_VIEW}")
        page.get_by_role("button", name="Change this prompt").click()
        prompt = page.get_by_label("The whole prompt")
        prompt.fill(prompt.input_value().replace("You have to try it.", "Avoid.", 1))
        for label, text in (("Note", "example 1 corrected"), ("Your name", "Ada")):
            page.locator("label:visible", has_text=label).locator("input").fill(text)
        page.get_by_role("button", name="Write again").click()
        page.get_by_text("dish-mistake~1 is done.").wait_for(timeout=120_000)
        page.goto(f"{served.link}{REPORT_VIEW}&with=dish-mistake~1&with-target=2")
        page.reload()
        page.get_by_text("ready").wait_for()
        page.screenshot(path=folder / "serve.png")
        browser.close()


def promptlight(*arguments: object) -> None:
    """The path of the command."""
    run = WarmProcess(arguments, folder=ROOT)
    _, complained = run.communicate(timeout=600)
    assert run.returncode == 0, complained


def read_picture(path: Path) -> str:
    """The text in an SVG without digits: the last digits of scores differ between machines."""
    root = ElementTree.parse(path).getroot()
    texts = ("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))
    return re.sub(r"[\d\s\xa0]", "", "".join(texts))


if __name__ == "__main__":
    main()
