"""Prompts for the switcher: problems, and questions of the same lengths that the base answers at once.

Were chat short and problems long, counting tokens would tell them apart and a switcher's figures would mean nothing. So a
chat prompt is made to the length of a problem that is drawn and thrown away, and much of it is the same words: stories whose
end asks for something else.
"""

import re

import chat
import problems
import traces

ABOUT = ["I am happy!", "I feel great today.", "I had a good day.", "I am sad.", "I feel sad today.", "I had a bad day.",
         "I have a question.", "I need help.", "Please help me.", "Great, thanks."]


def length(text):
    """Words and punctuation marks: near enough to tokens, and no tokenizer is needed."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def remark(rng):
    """A sentence of small talk that asks for nothing."""
    kind = rng.randrange(4)
    if kind == 0:
        return f"I {rng.choice(['like', 'really like'])} {rng.choice(chat.LIKES)}{rng.choice('.!')}"
    if kind == 1:
        return f"I am {rng.choice(problems.BOYS + problems.GIRLS)}."
    return rng.choice(ABOUT if kind == 2 else [g + "." for g in chat.GREETINGS])


def talk(rng, question, words):
    """The question behind as much small talk as it takes to reach a length."""
    said = [f"{rng.choice(chat.GREETINGS)}, nano."]
    while length(" ".join(said + [question])) < words:
        said.append(remark(rng))
    return " ".join(said + [question])


def talk_fact(rng, split, words):
    question, reply, _ = chat.fact(rng)
    return talk(rng, question, words), reply, "fact"


def talk_count(rng, split, words):
    listed = rng.sample(problems.THINGS, rng.randint(2, 5))
    return talk(rng, f"How many words are here: {', '.join(listed)}?", words), f"There are {len(listed)} words.", "chat"


def talk_self(rng, split, words):
    """What the base knows of itself, where there is one way to say it."""
    prompts, replies = rng.choice([t for t in chat.TALK if len(t[1]) == 1 and len(t[0]) > 1 and "?" in t[0][0]])
    return talk(rng, rng.choice(prompts), words), replies[0], "chat"


def story_fact(rng, split, words):
    """A problem's story, and then another question."""
    question, reply, _ = chat.fact(rng)
    return f"{some_problem(rng, split).story} {question}", reply, "fact"


def story_again(rng, split, words):
    p = some_problem(rng, split)
    return f"{p.text} Read it to me again.", p.text, "chat"


def some_problem(rng, split):
    return problems.make_problem(rng, rng.randint(2, 4), split)


CHAT = [(talk_fact, 30), (story_fact, 30), (talk_count, 15), (talk_self, 10), (story_again, 15)]


def problem_row(rng, split):
    p = some_problem(rng, split)
    return len(p.steps), "math", p.text, traces.answer(p)


def chat_row(rng, split):
    """(0, domain, prompt, reply), the prompt as long as a problem, give or take a word."""
    words = length(some_problem(rng, split).text)
    while True:
        maker = rng.choices([m for m, _ in CHAT], weights=[w for _, w in CHAT])[0]
        prompt, reply, domain = maker(rng, split, words)
        if abs(length(prompt) - words) <= 1 and chat.in_test(prompt) == (split == "test"):
            return 0, domain, prompt, reply
