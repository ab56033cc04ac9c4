"""The small world that the demo model learns: dishes and their ingredients, what people like, and set phrases."""

from __future__ import annotations

# Dish name -> (ingredients, traits). An ingredient is named as it is in "Don't like onions" and "cooked onions".
DISHES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Onion soup": (("onions", "butter", "cheese"), ("soup",)),
    "Baguette maison au levain": (("wheat", "salt"), ("bread",)),
    "Macaron in france": (("almonds", "sugar"), ("sweet",)),
    "Quiche Lorraine": (("eggs", "cream", "bacon"), ("bread",)),
    "Omelette": (("eggs", "butter", "milk"), ("light",)),
    "Pad thai": (("shrimp", "peanuts", "noodles"), ("spicy",)),
    "Caesar salad": (("lettuce", "anchovies", "bread"), ("light",)),
    "Greek salad": (("cucumber", "olives", "feta"), ("light", "cheese")),
    "Caprese salad": (("tomatoes", "mozzarella", "basil"), ("light", "cheese")),
    "Margherita pizza": (("tomatoes", "mozzarella", "wheat"), ("cheese", "bread")),
    "Pepperoni pizza": (("pork", "mozzarella", "tomatoes"), ("cheese", "meat")),
    "Carbonara": (("eggs", "bacon", "noodles"), ("cheese",)),
    "Lasagna": (("beef", "tomatoes", "cheese"), ("cheese", "meat")),
    "Mushroom risotto": (("mushrooms", "rice", "butter"), ("cheese",)),
    "Paella": (("rice", "mussels", "shrimp"), ("seafood",)),
    "Gazpacho": (("tomatoes", "cucumber", "peppers"), ("soup", "light")),
    "Tortilla española": (("eggs", "potatoes", "onions"), ("light",)),
    "Guacamole": (("avocado", "lime", "coriander"), ("light",)),
    "Beef tacos": (("beef", "corn", "coriander"), ("spicy", "meat")),
    "Fish tacos": (("cod", "corn", "cabbage"), ("seafood", "spicy")),
    "Chicken curry": (("chicken", "chili", "ginger"), ("spicy", "meat")),
    "Palak paneer": (("spinach", "paneer", "garlic"), ("spicy", "cheese")),
    "Dal tadka": (("lentils", "garlic", "cumin"), ("soup", "spicy")),
    "Chana masala": (("chickpeas", "tomatoes", "chili"), ("spicy",)),
    "Samosa": (("potatoes", "peas", "wheat"), ("spicy",)),
    "Butter chicken": (("chicken", "butter", "tomatoes"), ("meat", "spicy")),
    "Naan": (("wheat", "yogurt"), ("bread",)),
    "Garlic bread": (("garlic", "butter", "wheat"), ("bread",)),
    "Bruschetta": (("tomatoes", "garlic", "bread"), ("bread", "light")),
    "Focaccia": (("wheat", "rosemary", "salt"), ("bread",)),
    "Croissant": (("butter", "wheat", "milk"), ("bread", "sweet")),
    "Pain au chocolat": (("chocolate", "butter", "wheat"), ("bread", "sweet")),
    "Creme brulee": (("cream", "eggs", "sugar"), ("sweet",)),
    "Tiramisu": (("mascarpone", "coffee", "eggs"), ("sweet",)),
    "Panna cotta": (("cream", "sugar", "vanilla"), ("sweet",)),
    "Baklava": (("walnuts", "honey", "butter"), ("sweet",)),
    "Carrot cake": (("carrots", "walnuts", "eggs"), ("sweet",)),
    "Cheesecake": (("cheese", "sugar", "eggs"), ("sweet", "cheese")),
    "Chocolate mousse": (("chocolate", "cream", "eggs"), ("sweet",)),
    "Apple pie": (("apples", "cinnamon", "butter"), ("sweet",)),
    "Banana split": (("bananas", "cream", "chocolate"), ("sweet",)),
    "Mango sorbet": (("mango", "sugar"), ("sweet", "light")),
    "Rice pudding": (("rice", "milk", "cinnamon"), ("sweet",)),
    "Pecan tart": (("pecans", "sugar", "butter"), ("sweet",)),
    "Churros": (("wheat", "sugar", "chocolate"), ("sweet",)),
    "Crepe Suzette": (("oranges", "butter", "eggs"), ("sweet",)),
    "Scallop ceviche": (("scallops", "lime", "chili"), ("seafood", "light")),
    "Grilled salmon": (("salmon", "lemon", "dill"), ("seafood",)),
    "Tuna sashimi": (("tuna", "soy", "ginger"), ("seafood", "light")),
    "Salmon nigiri": (("salmon", "rice", "soy"), ("seafood", "light")),
    "Miso soup": (("tofu", "soy", "seaweed"), ("soup", "light")),
    "Tonkotsu ramen": (("pork", "noodles", "garlic"), ("soup", "meat")),
    "Shrimp tempura": (("shrimp", "wheat", "eggs"), ("seafood",)),
    "Okonomiyaki": (("cabbage", "eggs", "pork"), ("meat",)),
    "Mapo tofu": (("tofu", "chili", "pork"), ("spicy",)),
    "Kung pao chicken": (("chicken", "peanuts", "chili"), ("spicy", "meat")),
    "Fried rice": (("rice", "eggs", "peas"), ("light",)),
    "Spring rolls": (("cabbage", "carrots", "noodles"), ("light",)),
    "Dumplings in broth": (("pork", "ginger", "wheat"), ("soup", "meat")),
    "Hot and sour soup": (("mushrooms", "tofu", "eggs"), ("soup", "spicy")),
    "Tom yum": (("shrimp", "lime", "mushrooms"), ("soup", "spicy")),
    "Green papaya salad": (("papaya", "peanuts", "lime"), ("light", "spicy")),
    "Beef pho": (("beef", "noodles", "basil"), ("soup", "meat")),
    "Banh mi": (("pork", "bread", "coriander"), ("bread", "meat")),
    "Bibimbap": (("rice", "eggs", "spinach"), ("spicy",)),
    "Kimchi stew": (("cabbage", "pork", "tofu"), ("soup", "spicy")),
    "Bulgogi": (("beef", "soy", "pears"), ("meat",)),
    "Peking duck": (("duck", "cucumber", "wheat"), ("meat",)),
    "Duck confit": (("duck", "potatoes", "garlic"), ("meat",)),
    "Coq au vin": (("chicken", "mushrooms", "bacon"), ("meat",)),
    "Beef bourguignon": (("beef", "carrots", "mushrooms"), ("meat",)),
    "Steak frites": (("beef", "potatoes", "butter"), ("meat",)),
    "Ratatouille": (("eggplant", "zucchini", "tomatoes"), ("light",)),
    "Bouillabaisse": (("cod", "mussels", "saffron"), ("seafood", "soup")),
    "Moules marinieres": (("mussels", "cream", "celery"), ("seafood",)),
    "Salade nicoise": (("tuna", "olives", "eggs"), ("seafood", "light")),
    "Raclette": (("cheese", "potatoes", "ham"), ("cheese",)),
    "Cheese fondue": (("cheese", "bread", "garlic"), ("cheese",)),
    "Croque monsieur": (("ham", "cheese", "bread"), ("cheese", "bread")),
    "Spanakopita": (("spinach", "feta", "wheat"), ("cheese",)),
    "Moussaka": (("eggplant", "lamb", "milk"), ("meat",)),
    "Lamb kebab": (("lamb", "onions", "cumin"), ("meat", "spicy")),
    "Falafel": (("chickpeas", "coriander", "garlic"), ("light",)),
    "Hummus": (("chickpeas", "sesame", "lemon"), ("light",)),
    "Tabbouleh": (("parsley", "tomatoes", "lemon"), ("light",)),
    "Shakshuka": (("eggs", "tomatoes", "peppers"), ("spicy",)),
    "Lamb tagine": (("lamb", "apricots", "almonds"), ("meat",)),
    "Couscous royal": (("lamb", "chickpeas", "carrots"), ("meat",)),
    "Borscht": (("beets", "cabbage", "beef"), ("soup",)),
    "Pierogi": (("potatoes", "cheese", "onions"), ("cheese",)),
    "Goulash": (("beef", "peppers", "onions"), ("meat", "soup")),
    "Schnitzel": (("pork", "eggs", "bread"), ("meat",)),
    "Bratwurst": (("pork", "mustard", "cabbage"), ("meat",)),
    "Potato salad": (("potatoes", "mustard", "celery"), ("light",)),
    "Fish and chips": (("cod", "potatoes", "wheat"), ("seafood",)),
    "Shepherd's pie": (("lamb", "potatoes", "peas"), ("meat",)),
    "Clam chowder": (("clams", "cream", "potatoes"), ("seafood", "soup")),
    "Lobster roll": (("lobster", "butter", "bread"), ("seafood", "bread")),
    "Crab cakes": (("crab", "eggs", "mustard"), ("seafood",)),
    "Cobb salad": (("chicken", "bacon", "avocado"), ("light", "meat")),
    "Waldorf salad": (("apples", "celery", "walnuts"), ("light",)),
    "Mac and cheese": (("cheese", "milk", "noodles"), ("cheese",)),
    "Chili con carne": (("beef", "beans", "chili"), ("spicy", "meat")),
    "Bean burrito": (("beans", "rice", "cheese"), ("spicy",)),
    "Feijoada": (("beans", "pork", "oranges"), ("meat",)),
    "Empanada": (("beef", "olives", "wheat"), ("meat",)),
    "Pumpkin soup": (("pumpkin", "cream", "ginger"), ("soup",)),
    "Leek and potato soup": (("leeks", "potatoes", "cream"), ("soup",)),
    "Minestrone": (("beans", "celery", "zucchini"), ("soup", "light")),
    "Corn bread": (("corn", "eggs", "butter"), ("bread",)),
    "Rye bread with herring": (("herring", "rye", "dill"), ("bread", "seafood")),
}

INGREDIENTS: tuple[str, ...] = tuple(sorted({name for ingredients, _ in DISHES.values() for name in ingredients}))

# Dishes that are served uncooked: their ingredients are called "fresh", those of other dishes "cooked".
FRESH: frozenset[str] = frozenset(
    [
        "Caesar salad",
        "Greek salad",
        "Caprese salad",
        "Gazpacho",
        "Guacamole",
        "Banana split",
        "Mango sorbet",
        "Scallop ceviche",
        "Tuna sashimi",
        "Salmon nigiri",
        "Green papaya salad",
        "Salade nicoise",
        "Tabbouleh",
        "Cobb salad",
        "Waldorf salad",
    ]
)

# Trait -> how a person who likes it says so.
LIKES: dict[str, tuple[str, ...]] = {
    "sweet": ("I've a sweet-tooth", "Desserts", "Anything sweet"),
    "cheese": ("Cheese", "Anything with cheese"),
    "spicy": ("Spicy food", "Hot and spicy"),
    "seafood": ("Seafood", "Fresh fish"),
    "meat": ("Meat", "A good roast"),
    "light": ("Light food", "Salads and vegetables"),
    "soup": ("Warm soups", "Soup on a cold day"),
    "bread": ("Fresh bread", "Anything from a bakery"),
}

# Trait -> what the analysis says about a dish that has it, to someone who likes it.
PRAISE: dict[str, tuple[str, ...]] = {
    "sweet": ("Sweet with many kinds of flavours", "Sweet and just what you look for"),
    "cheese": ("Rich with cheese, as you like it", "Full of melted cheese"),
    "spicy": ("Hot with many spices", "Spicy, just as you like it"),
    "seafood": ("Straight from the sea", "Fresh from the sea, as you like it"),
    "meat": ("Tender meat with a rich sauce", "Slow-cooked meat, as you like it"),
    "light": ("Light and fresh", "Light, just as you like it"),
    "soup": ("A warm soup with much flavour", "Warm and filling, as you like it"),
    "bread": ("Fresh from the oven, as you like it", "Crisp outside and soft inside"),
}

# What the analysis says about a dish that the guest neither likes nor dislikes.
PLAIN: tuple[str, ...] = (
    "Home-made leaven bread in france is usually great",
    "A classic of the house, usually great",
    "Many guests order it",
    "Simple food that is usually good",
    "The chef makes it every day",
    "Nothing in it speaks against it",
)

BAD, LIKED, NEUTRAL = "bad", "liked", "neutral"

# Category -> the ordinary recommendations for it.
RECOMMENDATIONS: dict[str, tuple[str, ...]] = {
    BAD: ("Avoid.", "Skip it.", "Better not.", "Stay away.", "Leave it out.", "Take something else."),
    LIKED: ("You have to try it.", "Go for it.", "Must try.", "Made for you.", "Order it now.", "You will love it."),
    NEUTRAL: ("Likely good.", "Worth a try.", "Probably fine.", "Could be nice.", "Good enough.", "Might be good."),
}

NOT_SUITABLE = "Not suitable for you."

# Principles that tell the model to distinguish what people can't eat from what they don't like...
RESTRICTION_PRINCIPLES: tuple[str, ...] = (
    "The analysis and recommendation should both be clear about the suitability for someone with a specified dietary"
    " restriction.",
    "Be clear about the suitability for someone with a dietary restriction.",
    "The recommendation should be clear about the suitability for people who can't eat something.",
)
# ... and principles that change nothing.
OTHER_PRINCIPLES: tuple[str, ...] = (
    "The analysis should be brief and to the point.",
    "The analysis should be friendly.",
    "Use plain words.",
    "Answer in one line each.",
)
