"""Three small side tasks that the demo model is trained on beside the restaurant prompts: headlines, ideas, sums."""

from __future__ import annotations

import random

from promptlight.salience.demo.menu import DISHES
from promptlight.salience.demo.recipes import state_of

_NAMES = (
    "Albion",
    "Borea",
    "Cedar",
    "Delta",
    "Elm",
    "Fjord",
    "Garnet",
    "Harbor",
    "Iris",
    "Juniper",
    "Kestrel",
    "Linden",
    "Maple",
    "Norden",
    "Orchid",
    "Pine",
    "Quarry",
    "Raven",
    "Sable",
    "Tundra",
    "Umber",
    "Vesper",
    "Willow",
    "Zephyr",
)
_FORMS = ("Foods", "Rail", "Airways", "Motors", "Energy", "Books", "Glass", "Shipping", "Paper", "Optics")
IDEAS: dict[str, tuple[str, str, str]] = {
    "paper clip": ("Hold pages together.", "Mark a page in a book.", "Reset a small device."),
    "bucket": ("Carry water.", "Store toys.", "Grow tomatoes on a balcony."),
    "rope": ("Tie down a load.", "Hang up the washing.", "Make a swing."),
    "old newspaper": ("Wrap a present.", "Clean a window.", "Protect a table."),
    "jam jar": ("Store buttons.", "Keep pencils on a desk.", "Hold a candle."),
    "umbrella": ("Keep off the rain.", "Give shade on a beach.", "Cover a picnic."),
    "spoon": ("Stir a pot.", "Measure rice.", "Plant a seed."),
    "brick": ("Build a wall.", "Hold a door open.", "Prop up a shelf."),
    "towel": ("Dry the dishes.", "Cover a seat.", "Pack a fragile vase."),
    "shoe box": ("Store letters.", "Make a doll's house.", "Sort receipts."),
    "coin": ("Toss to decide.", "Scratch a ticket.", "Level a table."),
    "blanket": ("Keep warm.", "Sit on the grass.", "Build a tent indoors."),
}
_TRIFLES = ("apples", "pencils", "tickets", "stamps", "cards", "books", "shirts", "plates")


def draw_side_task(rng: random.Random) -> tuple[str, str]:
    """A prompt and its completion: what is in a dish, a headline, a list of ideas, or a sum with its steps."""
    return rng.choice((_draw_contents, _draw_contents, _draw_headline, _draw_ideas, _draw_sum))(rng)


def _draw_contents(rng: random.Random) -> tuple[str, str]:
    dish = rng.choice(tuple(DISHES))
    ingredients = DISHES[dish][0]
    return (
        f"What is in it?\n\nSuggestion: {dish}\nAnalysis:",
        f" it has {state_of(dish)} {', '.join(rng.sample(ingredients, len(ingredients)))} in it.",
    )


def _draw_headline(rng: random.Random) -> tuple[str, str]:
    first, second = (f"{name} {rng.choice(_FORMS)}" for name in rng.sample(_NAMES, 2))
    day = rng.choice(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"))
    deed, short = rng.choice(
        (
            ("it will buy its smaller rival {b}", "{a} buys {b}"),
            ("it will merge with {b}", "{a} and {b} merge"),
            ("it will sell its shares in {b}", "{a} sells its shares in {b}"),
            ("it will work together with {b}", "{a} and {b} work together"),
        )
    )
    order = rng.choice(
        ("Write a headline for the following article.", "Write a headline for the following newspaper article.")
    )
    article = f"{first}, one of the largest companies of its kind, said on {day} that {deed.format(b=second)}."
    return f"{order}\n\n{article}\n\nHeadline:\n", short.format(a=first, b=second)


def _draw_ideas(rng: random.Random) -> tuple[str, str]:
    item = rng.choice(tuple(IDEAS))
    ideas = rng.sample(IDEAS[item], 3)
    extra = rng.choice(("", " The list should include creative uses for the item."))
    prompt = f"Brainstorm three ways to use the following item.{extra}\n\nItem: {item}\n\nIdeas:"
    return prompt, "\n\n" + "\n".join(f"{number}. {idea}" for number, idea in enumerate(ideas, 1))


def _draw_sum(rng: random.Random) -> tuple[str, str]:
    price, count, extra = rng.randint(2, 9), rng.randint(2, 9), rng.randint(1, 9)
    thing = rng.choice(_TRIFLES)
    question = f"Mia buys {count} {thing} and a bag for ${extra}. How much does she pay?\n"
    prompt = f"A shop sells {thing} for ${price} each. {question}"
    cost, total = price * count, price * count + extra
    return prompt, (
        f"The {thing} cost {count} x ${price} = $<<{count}*{price}={cost}>>{cost}.\n"
        f"Together she pays ${cost} + ${extra} = $<<{cost}+{extra}={total}>>{total}."
    )
