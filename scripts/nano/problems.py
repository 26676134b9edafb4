"""Word problems of the nano world: a story, a question, and the exact chain of small steps that answers it.

Every number in a story, every intermediate value and every answer lies in 2..99, so each step is one of a few thousand
facts (sums, differences, the times table and its quotients) that the base model meets many times in training.
A problem's `key` is its chain of equations without names or wording: splitting by a hash of the key makes training and
test problems different in their arithmetic, not only in their names.
"""

import hashlib
import re
from dataclasses import dataclass, field

LOW, HIGH = 2, 99

BOYS = "Tom Ben Sam Max Leo Dan Omar Ravi Hugo Ivan".split()
GIRLS = "Ana Mia Eva Lucy Nora Zoe Lena Aya Rosa Kate".split()
THINGS = ("apples pears plums eggs coins cards books pens shells stones beads stamps cakes balls nuts cups "
          "flowers candles keys toys").split()
HOLDERS = "boxes bags baskets jars packs".split()
GOODS = [("pen", "pens"), ("book", "books"), ("cap", "caps"), ("cup", "cups"), ("ball", "balls"), ("kite", "kites"),
         ("lamp", "lamps"), ("drum", "drums"), ("rope", "ropes"), ("bowl", "bowls")]
MAKERS = [("A bakery", "cakes"), ("A machine", "cups"), ("A factory", "toys"), ("A workshop", "candles"),
          ("A printer", "cards"), ("A farm", "eggs")]
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth"]
TIMES = {2: "twice", 3: "3 times", 4: "4 times", 5: "5 times"}


class Reject(Exception):
    """The numbers drawn so far leave 2..99 or do not divide: draw again."""


@dataclass
class Step:
    """One equation `a op b = c` and the clause of the story it comes from (no capital, no full stop)."""
    a: int
    op: str
    b: int
    c: int
    fact: str

    def equation(self):
        return f"{self.a}{self.op}{self.b}={self.c}"

    def inverse(self):
        """The equation that undoes the step: what a careful reader checks with."""
        undo = {"+": "-", "-": "+", "*": "/", "/": "*"}[self.op]
        return f"{self.c}{undo}{self.b}={self.a}"


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
    story: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    question: str = ""
    goal: str = ""
    answer_form: str = ""

    def say(self, sentence):
        self.story.append(sentence)

    def calc(self, a, op, b, fact):
        """Append the step a op b; refuse numbers outside the world's, and a step that repeats or undoes an earlier one."""
        if op == "/" and a % b:
            raise Reject
        c = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[op]
        if not all(LOW <= x <= HIGH for x in (a, b, c)):
            raise Reject
        step = Step(a, op, b, c, fact)
        if any(step.equation() in (s.equation(), s.inverse()) for s in self.steps):
            raise Reject
        self.steps.append(step)
        return c

    def ask(self, question, goal, answer_form):
        self.question, self.goal, self.answer_form = question, goal, answer_form

    @property
    def answer(self):
        return self.steps[-1].c

    @property
    def text(self):
        return " ".join(self.story + [self.question])

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


def divisor(rng, value):
    """A divisor of value in 2..12 that leaves a quotient of at least 2."""
    found = [d for d in range(2, 13) if value % d == 0 and value // d >= LOW]
    if not found:
        raise Reject
    return rng.choice(found)


# --- one person's things, event after event ---------------------------------------------------------------------------

def event_plus(p, rng, who, things, value):
    name, he, him = who
    k = rng.randint(2, 40)
    friend = rng.choice([x for x in BOYS + GIRLS if x != name])
    sentence, fact = rng.choice([
        (f"Then {he} buys {k} more.", f"{name} buys {k} more"),
        (f"Then {he} finds {k} more.", f"{name} finds {k} more"),
        (f"Then {friend} gives {him} {k} more.", f"{friend} gives {k} more"),
    ])
    p.say(sentence)
    return p.calc(value, "+", k, fact)


def event_minus(p, rng, who, things, value):
    name, he, _ = who
    k = rng.randint(2, 40)
    friend = rng.choice([x for x in BOYS + GIRLS if x != name])
    sentence, fact = rng.choice([
        (f"Then {he} gives {k} to {friend}.", f"{name} gives away {k}"),
        (f"Then {he} loses {k} of them.", f"{name} loses {k}"),
        (f"Then {he} sells {k} of them.", f"{name} sells {k}"),
    ])
    p.say(sentence)
    return p.calc(value, "-", k, fact)


def event_times(p, rng, who, things, value):
    name, he, _ = who
    k = rng.choice([2, 2, 3, 3, 4, 5])
    p.say(f"Then {he} wins a game and has {TIMES[k]} as many.")
    return p.calc(value, "*", k, f"{name} has {TIMES[k]} as many")


def event_buy_packs(p, rng, who, things, value):
    name, he, _ = who
    k, m, holder = rng.randint(2, 9), rng.randint(2, 12), rng.choice(HOLDERS)
    p.say(f"Then {he} buys {k} {holder} of {m} {things} each.")
    got = p.calc(k, "*", m, f"{k} {holder} of {m} are bought")
    return p.calc(value, "+", got, f"{name} gets {got} more")


def event_give_each(p, rng, who, things, value):
    name, he, _ = who
    k, m = rng.randint(2, 9), rng.randint(2, 12)
    p.say(f"Then {he} gives {m} {things} to each of {k} friends.")
    gone = p.calc(k, "*", m, f"{k} friends get {m} each")
    return p.calc(value, "-", gone, f"{name} gives away {gone}")


EVENTS = {1: [event_plus, event_plus, event_minus, event_minus, event_times], 2: [event_buy_packs, event_give_each]}


def running(p, rng, n):
    """One person starts with some things; events change the number; at times the end is shared out."""
    who, things = person(rng), rng.choice(THINGS)
    name, he, _ = who
    left = n
    if rng.random() < 0.4:
        k, m, holder = rng.randint(2, 9), rng.randint(2, 12), rng.choice(HOLDERS)
        p.say(f"{name} has {k} {holder} with {m} {things} each.")
        value = p.calc(k, "*", m, f"{k} {holder} hold {m} each")
        left -= 1
    else:
        value = rng.randint(5, 80)
        p.say(f"{name} has {value} {things}.")
    share = left >= 1 and rng.random() < 0.2
    left -= share
    while left:
        cost = 2 if left >= 2 and rng.random() < 0.4 else 1
        value = rng.choice(EVENTS[cost])(p, rng, who, things, value)
        left -= cost
    if share:
        k = divisor(rng, value)
        p.say(f"Then {he} puts them all into {k} boxes, the same number in each.")
        p.calc(value, "/", k, f"{value} {things} go into {k} boxes")
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
        return p.calc(value, "/", 2, f"{y} has half as many as {x}")
    if kind == "times":
        k = rng.choice([2, 2, 3, 4, 5])
        p.say(f"{y} has {TIMES[k]} as many {things} as {x}.")
        return p.calc(value, "*", k, f"{y} has {TIMES[k]} as many as {x}")
    k = rng.randint(2, 40)
    p.say(f"{y} has {k} {kind} {things} than {x}.")
    return p.calc(value, "+" if kind == "more" else "-", k, f"{y} has {k} {kind} than {x}")


def compare(p, rng, n):
    """A chain of people, each compared with the one before; the last is asked for, or some of them together."""
    sums = rng.choice([0, 1] if n < 4 else [0, 1, 2]) if n > 1 else 0
    chain = n - sums
    if sums == 2 and chain != 2:
        sums, chain = 1, n - 1
    names, things = people(rng, chain + 1), rng.choice(THINGS)
    values = [rng.randint(4, 60)]
    p.say(f"{names[0]} has {values[0]} {things}.")
    for x, y in zip(names, names[1:]):
        values.append(relation(p, rng, x, y, values[-1], things))
    if sums == 0:
        p.ask(f"How many {things} does {names[-1]} have?", f"the number of {things} {names[-1]} has",
              f"{names[-1]} has {{}} {things}.")
        return
    picked = [0, 1, 2] if sums == 2 else [0, chain]
    who = " and ".join(names[i] for i in picked)
    total, said = values[picked[0]], names[picked[0]]
    for i in picked[1:]:
        total = p.calc(total, "+", values[i], f"{said} and {names[i]} are added")
        said = f"{said} and {names[i]}"
    p.ask(f"How many {things} do {who} have together?", f"the number of {things} {who} have together",
          f"Together they have {{}} {things}.")


# --- shopping, making, reading, the bus -------------------------------------------------------------------------------

def shop(p, rng, n):
    """Prices times numbers, added up, and the change."""
    who = person(rng)
    name, he, _ = who
    (one, many), (one2, many2) = rng.sample(GOODS, 2)
    price, count = rng.randint(2, 12), rng.randint(2, 9)
    p.say(f"A {one} costs {price} coins.")
    two_kinds = n >= 4 or (n == 3 and rng.random() < 0.5)
    if two_kinds:
        price2, count2 = rng.randint(2, 12), rng.randint(2, 9)
        p.say(f"A {one2} costs {price2} coins.")
        p.say(f"{name} buys {count} {many} and {count2} {many2}.")
    else:
        p.say(f"{name} buys {count} {many}.")
    paid = p.calc(count, "*", price, f"{count} {many} cost {price} each")
    left = n - 1
    if two_kinds:
        second = p.calc(count2, "*", price2, f"{count2} {many2} cost {price2} each")
        paid = p.calc(paid, "+", second, f"the {many} and the {many2} are added")
        left -= 2
    extras = left if left and rng.random() < 0.4 else max(left - 1, 0)
    for good, _ in rng.sample([g for g in GOODS if g[0] not in (one, one2)], extras):
        k = rng.randint(2, 30)
        p.say(f"{he.capitalize()} also buys a {good} for {k} coins.")
        paid = p.calc(paid, "+", k, f"the {good} costs {k}")
        left -= 1
    if left:
        money = rng.randint(10, HIGH)
        p.say(f"{he.capitalize()} had {money} coins.")
        p.calc(money, "-", paid, f"{name} had {money} coins and pays {paid}")
        p.ask(f"How many coins does {name} have left?", f"the number of coins {name} has left",
              f"{name} has {{}} coins left.")
    else:
        p.ask(f"How many coins does {name} pay?", f"the number of coins {name} pays", f"{name} pays {{}} coins.")


def rate(p, rng, n):
    """So many an hour, for some hours; some are sold; the rest is packed."""
    maker, things = rng.choice(MAKERS)
    speed = rng.randint(2, 12)
    p.say(f"{maker} makes {speed} {things} an hour.")
    left = n
    if n >= 2 and rng.random() < 0.6:
        h1, h2 = rng.randint(2, 6), rng.randint(2, 6)
        p.say(f"It works {h1} hours in the morning and {h2} hours in the evening.")
        hours = p.calc(h1, "+", h2, f"it works {h1} and {h2} hours")
        left -= 1
    else:
        hours = rng.randint(2, 12)
        p.say(f"It works {hours} hours.")
    made = p.calc(speed, "*", hours, f"it makes {speed} an hour for {hours} hours")
    left -= 1
    packed = left >= 1 and rng.random() < 0.4
    left -= packed
    for i in range(left):
        k = rng.randint(2, 30)
        verb = rng.choice(["sold", "broken", "given away"])
        p.say(f"Then {k} {things} are {verb}.")
        made = p.calc(made, "-", k, f"{k} are {verb}")
    if packed:
        k = divisor(rng, made)
        p.say(f"The {things} are packed into {k} boxes, the same number in each.")
        p.calc(made, "/", k, f"{made} {things} go into {k} boxes")
        p.ask(f"How many {things} are in each box?", f"the number of {things} in each box",
              f"There are {{}} {things} in each box.")
    else:
        p.ask(f"How many {things} are there now?", f"the number of {things} now", f"There are {{}} {things} now.")


def reading(p, rng, n):
    """Pages a day, days, and the pages of the book that are left."""
    name, he, _ = person(rng)
    a, d = rng.randint(2, 12), rng.randint(2, 9)
    p.say(f"{name} reads {a} pages a day for {d} days.")
    second = n >= 4 or (n == 3 and rng.random() < 0.3)
    if second:
        a2, d2 = rng.randint(2, 12), rng.randint(2, 9)
        p.say(f"Then {he} reads {a2} pages a day for {d2} days.")
    read = p.calc(a, "*", d, f"{name} reads {a} a day for {d} days")
    left = n - 1
    if second:
        more = p.calc(a2, "*", d2, f"{name} reads {a2} a day for {d2} days")
        read = p.calc(read, "+", more, f"{read} and {more} pages are added")
        left -= 2
    while left > 1:
        k = rng.randint(2, 40)
        p.say(f"Then {he} reads {k} more pages.")
        read = p.calc(read, "+", k, f"{name} reads {k} more")
        left -= 1
    if left:
        pages = rng.randint(20, HIGH)
        p.say(f"The book has {pages} pages.")
        p.calc(pages, "-", read, f"the book has {pages} pages and {read} are read")
        p.ask("How many pages are left?", "the number of pages left", "There are {} pages left.")
    else:
        p.ask(f"How many pages does {name} read?", f"the number of pages {name} reads", f"{name} reads {{}} pages.")


def bus(p, rng, n):
    """People get on and off, stop after stop."""
    vehicle = rng.choice(["bus", "train", "ship"])
    value = rng.randint(10, 70)
    p.say(f"A {vehicle} starts with {value} people.")
    for i in range(n):
        k, on = rng.randint(2, 40), rng.random() < 0.5
        p.say(f"At the {ORDINALS[i]} stop {k} people get {'on' if on else 'off'}.")
        value = p.calc(value, "+" if on else "-", k, f"at the {ORDINALS[i]} stop {k} get {'on' if on else 'off'}")
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
