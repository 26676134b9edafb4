"""How a problem is answered: directly, as a textbook would explain it, or with a long-winded <think> trace.

A trace restates the problem, says what is asked, takes the steps one by one, doubts, checks and checks again: each with
a probability that grows with its verbosity. The shortest traces are the bare chain of equations, so that a budget-forced
model finds a short and correct path inside the distribution it was trained on.
"""

CONNECTORS = [["First, ", "First, ", "Let me start. ", "Okay, "], ["Next, ", "Then ", "After that, ", "Now "]]


def capital(text):
    return text[0].upper() + text[1:]


def answer(problem):
    """The direct answer: one short sentence with the number in \\boxed{}."""
    return problem.answer_form.format("\\boxed{" + str(problem.answer) + "}")


def sentence(rng, index, step):
    """A step in prose: the clause it comes from, then the equation."""
    start = rng.choice(CONNECTORS[index > 0]) if rng.random() < 0.7 else ""
    fact = step.fact if start and not start.endswith(". ") else capital(step.fact)
    return f"{start}{fact}, so {step.equation()}."


def equations(problem):
    return ", ".join(s.equation() for s in problem.steps)


def worked(rng, problem):
    """A textbook's explanation: steps in plain prose, or only the equations, then the answer."""
    if rng.random() < 0.25:
        body = equations(problem) + "."
    else:
        body = " ".join(sentence(rng, i, s) for i, s in enumerate(problem.steps))
    return f"{body} {answer(problem)}"


def restate(rng, problem, verbosity):
    """Read the problem again, and say what is asked."""
    parts = []
    if rng.random() < (0, 0.15, 0.5, 0.8)[verbosity]:
        start = rng.choice(["Okay, let me read this again.", "Let me see what I know.", "So the problem says this."])
        parts.append(start + " " + " ".join(problem.story))
    if rng.random() < (0, 0.6, 0.7, 0.9)[verbosity]:
        start = rng.choice(["I need", "I have to find", "They ask for", "The question is"])
        parts.append(f"{start} {problem.goal}.")
    return parts


def mutter(rng, step, verbosity):
    """A doubt or a check after a step; mostly nothing."""
    if rng.random() >= (0, 0.15, 0.4, 0.6)[verbosity]:
        return []
    return [rng.choice([
        f"Check: {step.inverse()}, good.",
        f"Check: {step.inverse()}, good.",
        f"Wait, {step.fact}? Yes, that is right.",
        f"Hmm, {step.equation()}, yes.",
        f"So now it is {step.c}.",
    ])]


def double_check(rng, problem, verbosity):
    """Go through the whole chain once more, at the most verbose twice."""
    parts = []
    if rng.random() < (0, 0.2, 0.6, 0.9)[verbosity]:
        start = rng.choice(["Let me double check.", "Wait, let me check that again.", "Let me go over it again."])
        parts.append(f"{start} {equations(problem)}. {rng.choice(['Yes.', 'It is the same.', 'Good.'])}")
    if rng.random() < (0, 0, 0.1, 0.4)[verbosity]:
        start = rng.choice(["Hmm, let me check it backwards.", "One more time, backwards."])
        back = ", ".join(s.inverse() for s in reversed(problem.steps))
        parts.append(f"{start} {back}. That fits.")
    return parts


def think(rng, problem):
    """The trace between <think> and </think>, without the tags."""
    verbosity = rng.choices(range(4), weights=(15, 30, 35, 20))[0]
    if verbosity == 0 and rng.random() < 0.6:
        return equations(problem) + "."
    steps = []
    for i, step in enumerate(problem.steps):
        steps += [sentence(rng, i, step)] + mutter(rng, step, verbosity)
    end = double_check(rng, problem, verbosity)
    if verbosity or rng.random() < 0.5:
        end.append(f"{rng.choice(['So the answer is', 'The answer is'])} {problem.answer}.")
    paragraphs = [" ".join(part) for part in (restate(rng, problem, verbosity), steps, end)]
    return "\n".join(part for part in paragraphs if part)


def reasoned(rng, problem):
    """What the adapter learns to say: the trace, then the answer."""
    return f"<think>\n{think(rng, problem)}\n</think>\n\n{answer(problem)}"
