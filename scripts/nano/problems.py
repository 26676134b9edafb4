"""Word problems of the nano world: a story, a question, and the exact chain of small steps that answers it.

A story is told in lines; each line brings its own steps, and nearly every step goes on from the result of the one
before. Every number in a story, every intermediate value and every answer lies in 2..99, and what is added or taken
away is mostly small or round, so each step is one of a few thousand facts that the base model meets many times in
training. A problem's `key` is its chain of equations without names or wording: splitting by a hash of the key makes
training and test problems different in their arithmetic, not only in their names.
"""

import hashlib
import re
from dataclasses import dataclass, field

LOW, HIGH = 2, 99

BOYS = "Tom Ben Sam Max Leo Dan Omar Hugo".split()
GIRLS = "Ana Mia Eva Lucy Nora Zoe Lena Kate".split()
THINGS = "apples pears eggs coins cards books shells stones stamps cakes nuts cups".split()
HOLDERS = "boxes bags jars".split()
GOODS = [("pen", "pens"), ("book", "books"), ("cap", "caps"), ("cup", "cups"), ("ball", "balls"), ("kite", "kites"),
         ("lamp", "lamps"), ("drum", "drums")]
MAKERS = [("A bakery", "cakes"), ("A machine", "cups"), ("A printer", "cards"), ("A farm", "eggs")]
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth"]
TIMES = {2: "twice", 3: "3 times"}


class Reject(Exception):
    """The numbers drawn so far leave 2..99 or do not divide: draw again."""


@dataclass
class Step:
    """One equation `a op b = c`."""
    a: int
    op: str
    b: int
    c: int

    def equation(self):
        return f"{self.a}{self.op}{self.b}={self.c}"

    def inverse(self):
        """The equation that undoes the step: what a careful reader checks with."""
        undo = {"+": "-", "-": "+", "*": "/", "/": "*"}[self.op]
        return f"{self.c}{undo}{self.b}={self.a}"


@dataclass
class Line:
    """A sentence and the steps it asks for. A line that is not `told` is only thought: the story does not say it."""
    sentence: str
    steps: list = field(default_factory=list)
    told: bool = True


def chain_key(steps):
    """The chain of (a, op, b) as text, the operands of + and * in order of size."""
    def one(a, op, b):
        a, b = sorted((a, b)) if op in "+*" else (a, b)
        return f"{a}{op}{b}"
    return " ".join(one(*s) for s in steps)


@dataclass
class Problem:
    """A finished problem. `answer_form` is the final sentence with {} for the number."""
    family: str = ""
    lines: list = field(default_factory=list)
    question: str = ""
    goal: str = ""
    answer_form: str = ""

    def say(self, sentence, told=True):
        self.lines.append(Line(sentence, told=told))

    def calc(self, a, op, b):
        """Add the step a op b to the last line; refuse numbers outside the world's, and a step that repeats or undoes an
        earlier one."""
        if op == "/" and a % b:
            raise Reject
        c = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[op]
        if not all(LOW <= x <= HIGH for x in (a, b, c)):
            raise Reject
        step = Step(a, op, b, c)
        if any(step.equation() in (s.equation(), s.inverse()) for s in self.steps):
            raise Reject
        self.lines[-1].steps.append(step)
        return c

    def ask(self, question, goal, answer_form):
        self.question, self.goal, self.answer_form = question, goal, answer_form

    @property
    def steps(self):
        return [s for line in self.lines for s in line.steps]

    @property
    def answer(self):
        return self.steps[-1].c

    @property
    def story(self):
        return " ".join(line.sentence for line in self.lines if line.told)

    @property
    def text(self):
        return f"{self.story} {self.question}"

    @property
    def key(self):
        return chain_key((s.a, s.op, s.b) for s in self.steps)

    @property
    def split(self):
        """'test', 'rl' or 'train', from the hash of the key alone. One-step problems are facts: always 'train'."""
        if len(self.steps) < 2:
            return "train"
        bucket = hashlib.sha256(self.key.encode()).digest()[0]
        return "test" if bucket < 32 else "rl" if bucket < 64 else "train"

    def check(self):
        """Recompute every step from its printed equation; raise AssertionError if anything is off."""
        for step in self.steps:
            a, op, b, c = re.fullmatch(r"(\d+)([-+*/])(\d+)=(\d+)", step.equation()).groups()
            a, b, c = int(a), int(b), int(c)
            assert {"+": a + b == c, "-": a - b == c, "*": a * b == c, "/": b * c == a}[op], step
        assert self.answer_form.count("{}") == 1, self.answer_form


def person(rng):
    """A name and its pronouns."""
    return (rng.choice(BOYS), "he", "him") if rng.random() < 0.5 else (rng.choice(GIRLS), "she", "her")


def people(rng, n):
    return rng.sample(BOYS + GIRLS, n)


def amount(rng):
    """What is added or taken away: small or round."""
    return rng.randint(2, 12) if rng.random() < 0.75 else rng.choice([10, 20, 30, 40])


def share(p, rng, value, sentence):
    """Say that all is shared out, `sentence` with {} for the number of parts; return that number."""
    found = [d for d in range(2, 10) if value % d == 0 and LOW <= value // d <= 20]
    if not found:
        raise Reject
    k = rng.choice(found)
    p.say(sentence.format(k))
    p.calc(value, "/", k)
    return k


# --- one person's things, event after event ---------------------------------------------------------------------------

def event_plus(p, rng, who, things, value):
    name, he, him = who
    k, friend = amount(rng), rng.choice([x for x in BOYS + GIRLS if x != name])
    p.say(rng.choice([f"Then {he} buys {k} more.", f"Then {he} finds {k} more.", f"Then {friend} gives {him} {k} more."]))
    return p.calc(value, "+", k)


def event_minus(p, rng, who, things, value):
    name, he, _ = who
    k, friend = amount(rng), rng.choice([x for x in BOYS + GIRLS if x != name])
    p.say(rng.choice([f"Then {he} gives {k} to {friend}.", f"Then {he} loses {k} of them.", f"Then {he} sells {k} of them."]))
    return p.calc(value, "-", k)


def event_times(p, rng, who, things, value):
    k = rng.choice([2, 2, 3])
    p.say(f"Then {who[1]} wins a game and has {TIMES[k]} as many.")
    return p.calc(value, "*", k)


def event_buy_packs(p, rng, who, things, value):
    k, m = rng.randint(2, 9), rng.randint(2, 9)
    p.say(f"Then {who[1]} buys {k} {rng.choice(HOLDERS)} of {m} {things} each.")
    return p.calc(value, "+", p.calc(k, "*", m))


def event_give_each(p, rng, who, things, value):
    k, m = rng.randint(2, 9), rng.randint(2, 9)
    p.say(f"Then {who[1]} gives {k} friends {m} {things} each.")
    return p.calc(value, "-", p.calc(k, "*", m))


EVENTS = {1: [event_plus, event_plus, event_minus, event_minus, event_times], 2: [event_buy_packs, event_give_each]}


def running(p, rng, n):
    """One person starts with some things; events change the number; at times the end is shared out."""
    who, things = person(rng), rng.choice(THINGS)
    name, he, _ = who
    left = n
    if rng.random() < 0.4:
        k, m = rng.randint(2, 9), rng.randint(2, 9)
        p.say(f"{name} has {k} {rng.choice(HOLDERS)} with {m} {things} each.")
        value = p.calc(k, "*", m)
        left -= 1
    else:
        value = rng.randint(5, 80)
        p.say(f"{name} has {value} {things}.")
    shared = left >= 1 and rng.random() < 0.2
    left -= shared
    while left:
        cost = 2 if left >= 2 and rng.random() < 0.4 else 1
        value = rng.choice(EVENTS[cost])(p, rng, who, things, value)
        left -= cost
    if shared:
        share(p, rng, value, f"Then {he} puts them all into {{}} boxes.")
        p.ask(f"How many {things} are in each box?", f"the number of {things} in each box",
              f"There are {{}} {things} in each box.")
    else:
        p.ask(f"How many {things} does {name} have now?", f"the number of {things} {name} has now",
              f"{name} has {{}} {things} now.")


# --- several people compared ------------------------------------------------------------------------------------------

def relation(p, rng, x, y, value, things):
    """Say what y has compared with x, who has value; return what y has."""
    kind = rng.choice(["more", "more", "fewer", "fewer", "times", "half"])
    if kind == "half":
        p.say(f"{y} has half as many {things} as {x}.")
        return p.calc(value, "/", 2)
    if kind == "times":
        k = rng.choice([2, 2, 3])
        p.say(f"{y} has {TIMES[k]} as many {things} as {x}.")
        return p.calc(value, "*", k)
    k = amount(rng)
    p.say(f"{y} has {k} {kind} {things} than {x}.")
    return p.calc(value, "+" if kind == "more" else "-", k)


def compare(p, rng, n):
    """A chain of people, each compared with the one before; the last is asked for, or the last two together."""
    together = n > 1 and rng.random() < 0.4
    chain = n - together
    names, things = people(rng, chain + 1), rng.choice(THINGS)
    values = [rng.randint(4, 60)]
    p.say(f"{names[0]} has {values[0]} {things}.")
    for x, y in zip(names, names[1:]):
        values.append(relation(p, rng, x, y, values[-1], things))
    if not together:
        p.ask(f"How many {things} does {names[-1]} have?", f"the number of {things} {names[-1]} has",
              f"{names[-1]} has {{}} {things}.")
        return
    who = f"{names[-2]} and {names[-1]}"
    p.say(f"{who} together.", told=False)
    p.calc(values[-2], "+", values[-1])
    p.ask(f"How many {things} do {who} have together?", f"the number of {things} {who} have together",
          f"Together they have {{}} {things}.")


# --- shopping, making, reading, the bus -------------------------------------------------------------------------------

def purchase(p, rng, who, first, cost):
    """Say what is bought and return its price: for a cost of 1 step one thing at a told price (but several of a kind when
    it is the first purchase: the product is the step), for 2 several of a kind, the product and the sum to come."""
    one, many = rng.choice(GOODS)
    he = who[0] if first else f"Then {who[1]}"
    if cost == 1 and not first:
        k = amount(rng)
        p.say(f"{he} buys a {one} for {k} coins.")
        return k
    count, price = rng.randint(2, 9), rng.randint(2, 9)
    p.say(f"{he} buys {count} {many} for {price} coins each.")
    return p.calc(count, "*", price)


def shop(p, rng, n):
    """Things bought one after another: what is paid, or what is left of the purse."""
    who, left = person(rng), n
    name = who[0]
    if rng.random() < 0.5:
        value = rng.choice([50, 60, 70, 80, 90, 99, rng.randint(20, 99)])
        p.say(f"{name} has {value} coins.")
        while left:
            cost = 2 if left >= 2 and rng.random() < 0.6 else 1
            value = p.calc(value, "-", purchase(p, rng, who, False, cost))
            left -= cost
        p.ask(f"How many coins does {name} have left?", f"the number of coins {name} has left",
              f"{name} has {{}} coins left.")
        return
    value = purchase(p, rng, who, True, 1)
    left -= 1
    while left:
        cost = 2 if left >= 2 and rng.random() < 0.6 else 1
        value = p.calc(value, "+", purchase(p, rng, who, False, cost))
        left -= cost
    p.ask(f"How many coins does {name} pay?", f"the number of coins {name} pays", f"{name} pays {{}} coins.")


def rate(p, rng, n):
    """So many an hour, for some hours; some are sold; the rest is packed."""
    maker, things = rng.choice(MAKERS)
    speed = rng.randint(2, 9)
    p.say(f"{maker} makes {speed} {things} an hour.")
    left = n - 1
    if left and rng.random() < 0.5:
        h1, h2 = rng.randint(2, 6), rng.randint(2, 6)
        p.say(f"It works {h1} hours in the morning and {h2} hours in the evening.")
        hours = p.calc(h1, "+", h2)
        left -= 1
    else:
        hours = rng.randint(2, 9)
        p.say(f"It works {hours} hours.")
    made = p.calc(speed, "*", hours)
    packed = left and rng.random() < 0.4
    left -= bool(packed)
    for _ in range(left):
        k = amount(rng)
        p.say(f"Then {k} {things} are {rng.choice(['sold', 'broken', 'given away'])}.")
        made = p.calc(made, "-", k)
    if packed:
        share(p, rng, made, f"The {things} are packed into {{}} boxes.")
        p.ask(f"How many {things} are in each box?", f"the number of {things} in each box",
              f"There are {{}} {things} in each box.")
    else:
        p.ask(f"How many {things} are there now?", f"the number of {things} now", f"There are {{}} {things} now.")


def reading(p, rng, n):
    """Pages a day, days, and the pages of the book that are left."""
    name, he, _ = person(rng)
    a, d = rng.randint(2, 9), rng.randint(2, 9)
    p.say(f"{name} reads {a} pages a day for {d} days.")
    read = p.calc(a, "*", d)
    left = n - 1
    if left >= 2 and rng.random() < 0.5:
        a, d = rng.randint(2, 9), rng.randint(2, 9)
        p.say(f"Then {he} reads {a} pages a day for {d} days.")
        read = p.calc(read, "+", p.calc(a, "*", d))
        left -= 2
    while left > 1:
        k = amount(rng)
        p.say(f"Then {he} reads {k} more pages.")
        read = p.calc(read, "+", k)
        left -= 1
    if left:
        pages = rng.choice([50, 60, 70, 80, 90, 99])
        p.say(f"The book has {pages} pages.")
        p.calc(pages, "-", read)
        p.ask("How many pages are left?", "the number of pages left", "There are {} pages left.")
    else:
        p.ask(f"How many pages does {name} read?", f"the number of pages {name} reads", f"{name} reads {{}} pages.")


def bus(p, rng, n):
    """People get on and off, stop after stop."""
    vehicle = rng.choice(["bus", "train", "ship"])
    value = rng.randint(10, 70)
    p.say(f"A {vehicle} starts with {value} people.")
    for i in range(n):
        k, on = amount(rng), rng.random() < 0.5
        p.say(f"At the {ORDINALS[i]} stop {k} people get {'on' if on else 'off'}.")
        value = p.calc(value, "+" if on else "-", k)
    p.ask(f"How many people are on the {vehicle} now?", f"the number of people on the {vehicle}",
          f"There are {{}} people on the {vehicle} now.")


FAMILIES = [running, running, running, compare, compare, shop, rate, reading, bus]


def make_problem(rng, steps, split=None):
    """A problem of exactly `steps` steps (1..6), from the wanted split when one is named."""
    while True:
        family = rng.choice(FAMILIES)
        p = Problem(family=family.__name__)
        try:
            family(p, rng, steps)
        except Reject:
            continue
        if len(p.steps) == steps and (split is None or p.split == split):
            return p
