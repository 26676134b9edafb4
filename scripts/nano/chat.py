"""Short chat, facts and one-step sums: what the base answers directly, in a sentence.

Each maker returns (prompt, reply, domain). Prompts are templates over small tables, so there are a few thousand of them;
`in_test` holds some of them out by the hash of their text.
"""

import hashlib

from problems import BOYS, GIRLS, HIGH, LOW, THINGS, amount

CAPITALS = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo", "Egypt": "Cairo", "Peru": "Lima",
            "Norway": "Oslo", "Greece": "Athens", "Kenya": "Nairobi", "Cuba": "Havana", "China": "Beijing",
            "India": "New Delhi", "Germany": "Berlin", "Portugal": "Lisbon", "Poland": "Warsaw", "Iran": "Tehran"}
COLOURS = {"the sky": "blue", "grass": "green", "snow": "white", "coal": "black", "a lemon": "yellow", "blood": "red",
           "a carrot": "orange", "milk": "white", "a ripe tomato": "red", "the sun": "yellow", "chocolate": "brown"}
LEGS = {"a dog": 4, "a cat": 4, "a spider": 8, "an ant": 6, "a bird": 2, "a horse": 4, "a fly": 6, "a cow": 4}
SOUNDS = {"dog": "barks", "cat": "meows", "cow": "moos", "duck": "quacks", "lion": "roars", "bird": "sings",
          "frog": "croaks", "bee": "buzzes", "horse": "neighs", "sheep": "bleats"}
OPPOSITES = [("hot", "cold"), ("big", "small"), ("tall", "short"), ("fast", "slow"), ("day", "night"), ("up", "down"),
             ("old", "young"), ("happy", "sad"), ("wet", "dry"), ("light", "dark"), ("open", "closed"), ("hard", "soft"),
             ("early", "late"), ("full", "empty"), ("rich", "poor"), ("left", "right"), ("loud", "quiet"),
             ("good", "bad"), ("thick", "thin"), ("strong", "weak")]
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
COUNTS = {"days are in a week": 7, "months are in a year": 12, "hours are in a day": 24, "minutes are in an hour": 60,
          "fingers are on one hand": 5, "sides has a triangle": 3, "sides has a square": 4, "wheels has a car": 4,
          "weeks are in a year": 52, "letters has the alphabet": 26, "seasons are in a year": 4}
LIKES = "music,tea,summer,winter,rain,books,cats,dogs,apples,games,the sea,school,football,bread,the moon".split(",")
GREETINGS = ["Hello", "Hi", "Hey", "Good morning", "Good evening", "Good day"]
TALK = [
    (["How are you?", "How are you today?", "How do you do?", "Are you well?"],
     ["I am fine, thank you. How can I help you?", "Very well, thank you. What can I do for you?"]),
    (["Thank you!", "Thanks!", "Thanks a lot.", "Thank you very much.", "Great, thanks."],
     ["You are welcome!", "You are welcome. Is there anything else?"]),
    (["Bye!", "Goodbye.", "See you later.", "Good night.", "I have to go now."],
     ["Goodbye!", "Goodbye, and have a nice day!"]),
    (["Who are you?", "What is your name?", "What are you?", "Tell me about yourself."],
     ["I am nano, a very small language model.", "My name is nano. I am a very small language model."]),
    (["Can you help me?", "I need help.", "Please help me.", "I have a question."],
     ["Of course. What do you want to know?", "Yes, gladly. What is it?"]),
    (["What can you do?", "What do you know?", "How can you help me?"],
     ["I can chat a little, tell you simple facts and solve short word problems."]),
    (["Tell me a joke.", "Do you know a joke?", "Make me laugh."],
     ["Why did the bee stay home? It was too buzzy.", "What has hands but cannot clap? A clock."]),
    (["I am sad.", "I feel sad today.", "I had a bad day."],
     ["I am sorry to hear that. I hope tomorrow is better.", "I am sorry. Do you want to talk about it?"]),
    (["I am happy!", "I feel great today.", "I had a good day."], ["That is great to hear!", "I am glad to hear that!"]),
    (["How old are you?", "When were you made?"], ["I am quite new, and very small."]),
    (["Where do you live?", "Where are you?"], ["I live in your computer."]),
    (["Do you sleep?", "Are you tired?", "Do you eat?"], ["No, I am only a program."]),
]


def in_test(prompt):
    """True for the one chat prompt in eight that is held out of training."""
    return hashlib.sha256(prompt.encode()).digest()[0] < 32


def polite(rng, question):
    """The question as people would put it: bare, greeted or asked kindly."""
    lower = question[0].lower() + question[1:]
    return rng.choice([question, question, f"{rng.choice(GREETINGS)}! {question}", f"Please tell me, {lower}",
                       f"Quick question: {lower}", f"{question} Thanks!"])


def small_talk(rng):
    kind = rng.random()
    if kind < 0.6:
        prompts, replies = rng.choice(TALK)
        prompt = rng.choice(prompts)
        if rng.random() < 0.4:
            prompt = f"{rng.choice(GREETINGS)}{rng.choice(['!', ', nano.', '.'])} {prompt}"
        return prompt, rng.choice(replies), "chat"
    name, hello = rng.choice(BOYS + GIRLS), rng.choice(GREETINGS)
    if kind < 0.75:
        return f"{hello}, {rng.choice(['I am', 'my name is'])} {name}.", f"{hello}, {name}! Nice to meet you.", "chat"
    if kind < 0.85:
        return f"Say {hello.lower()} to {name}.", f"{hello}, {name}!", "chat"
    if kind < 0.9:
        return hello + rng.choice(["!", ".", ", nano!"]), f"{hello}! How can I help you?", "chat"
    like = rng.choice(LIKES)
    return rng.choice([f"I like {like}.", f"Do you like {like}?", f"I really like {like}!"]), \
        f"I think {like} can be very nice.", "chat"


def fact(rng):
    kind = rng.randrange(9)
    if kind == 0:
        country, city = rng.choice(sorted(CAPITALS.items()))
        q, a = f"What is the capital of {country}?", f"The capital of {country} is {city}."
        if rng.random() < 0.3:
            q, a = f"In which country is {city}?", f"{city} is in {country}."
    elif kind == 1:
        thing, colour = rng.choice(sorted(COLOURS.items()))
        q, a = f"What colour is {thing}?", f"{thing[0].upper()}{thing[1:]} is {colour}."
    elif kind == 2:
        animal, legs = rng.choice(sorted(LEGS.items()))
        q, a = f"How many legs has {animal}?", f"{animal[0].upper()}{animal[1:]} has {legs} legs."
    elif kind == 3:
        animal, sound = rng.choice(sorted(SOUNDS.items()))
        q, a = f"What does a {animal} do?", f"A {animal} {sound}."
    elif kind == 4:
        pair = rng.choice(OPPOSITES)
        x, y = pair if rng.random() < 0.5 else pair[::-1]
        q, a = f"What is the opposite of {x}?", f"The opposite of {x} is {y}."
    elif kind == 5:
        table, word = (DAYS, "day") if rng.random() < 0.5 else (MONTHS, "month")
        i = rng.randrange(len(table))
        if rng.random() < 0.5:
            q, a = f"Which {word} comes after {table[i]}?", f"After {table[i]} comes {table[(i + 1) % len(table)]}."
        else:
            q, a = f"Which {word} comes before {table[i]}?", f"Before {table[i]} comes {table[i - 1]}."
    elif kind == 6:
        what, n = rng.choice(sorted(COUNTS.items()))
        q, a = f"How many {what}?", f"The answer is {n}."
    elif kind == 7:
        n = rng.randint(LOW, HIGH)
        q, a = f"Is {n} even or odd?", f"{n} is {'odd' if n % 2 else 'even'}."
    else:
        x, y = rng.sample(range(LOW, HIGH + 1), 2)
        big = rng.random() < 0.5
        q = f"Which is {'larger' if big else 'smaller'}, {x} or {y}?"
        a = f"{(max if big else min)(x, y)} is {'larger' if big else 'smaller'}."
    return polite(rng, q), a, "fact"


def equation(rng):
    """One equation of the world, all kinds of steps alike: (a, op, b, c)."""
    op = rng.choice("++--*/")
    if op in "+-":
        b = amount(rng) if rng.random() < 0.6 else rng.randint(LOW, HIGH - LOW)
        a = rng.randint(LOW, HIGH - b)
        return (a, "+", b, a + b) if op == "+" else (a + b, "-", b, a)
    if rng.random() < 0.7:
        a, b = rng.randint(2, 9), rng.randint(2, 9)
    else:
        b = rng.choice([2, 2, 3])
        a = rng.randint(2, HIGH // b)
    return (a, "*", b, a * b) if op == "*" else (a * b, "/", b, a)


def one_sum(rng):
    a, op, b, c = equation(rng)
    word = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}[op]
    kind = rng.randrange(4)
    if kind == 0:
        q = f"What is {a} {word} {b}?"
    elif kind == 1:
        q = f"What is {a}{op}{b}?"
    elif kind == 2:
        q = f"How much is {a} {word} {b}?"
    else:
        q = f"{a}{op}{b}=?"
    return q, rng.choice([f"{a}{op}{b}={c}.", f"{c}.", f"It is {c}."]), "sum"


def next_equation(rng, a):
    """An equation that starts from a, with the operands stories use."""
    while True:
        op = rng.choice("+++---*/")
        b = amount(rng) if op in "+-" else rng.randint(2, 9)
        if op == "/" and a % b:
            continue
        c = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[op]
        if LOW <= c <= HIGH:
            return a, op, b, c


def drill(rng, length):
    """A page of a sum book: equations, each going on from the result of the one before, with a fresh start now and then.
    Only the operator and the operand are news: little of the lesson is spent on guessing random numbers."""
    page = [equation(rng)]
    while len(page) < length:
        page.append(equation(rng) if rng.random() < 0.15 else next_equation(rng, page[-1][3]))
    q = rng.choice(["Write some sums.", "Show me some sums.", "Practise sums with me."])
    return q, ", ".join("{}{}{}={}".format(*e) for e in page) + ".", "sum"


def count_words(rng):
    """A short list to repeat or count: copying, in miniature."""
    words = rng.sample(THINGS, rng.randint(2, 5))
    listed = ", ".join(words)
    if rng.random() < 0.5:
        return f"Repeat this: {listed}.", f"{listed}.", "chat"
    return f"How many words are here: {listed}?", f"There are {len(words)} words.", "chat"


def chat_turn(rng, test=False):
    """A chat or fact turn; held-out prompts only when `test`, never otherwise."""
    while True:
        turn = rng.choice([small_talk, small_talk, fact, fact, fact, count_words])(rng)
        if in_test(turn[0]) == test:
            return turn
