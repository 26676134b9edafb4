"""How a problem is answered: directly, as a textbook would explain it, or with a long-winded <think> trace.

A trace restates the problem, says what is asked, takes the story line by line with the steps of each, doubts, checks and
goes over everything again: each with a probability that grows with its verbosity. The shortest traces are the bare chain of
equations. So a fine-tuned model says most things twice, as the reasoning models do that real traces come from, and a
budget-forced one finds shorter and correct paths inside the distribution it was trained on.
"""

from dataclasses import dataclass
from typing import Callable


def answer(problem):
    """The direct answer: one short sentence with the number in \\boxed{}."""
    return problem.answer_form.format("\\boxed{" + str(problem.answer) + "}")


def equations(steps):
    return ", ".join(s.equation() for s in steps)


def line_text(line):
    """A line of the story as it stands, then its steps."""
    return f"{line.sentence[:-1]}: {equations(line.steps)}." if line.steps else line.sentence


def undone(steps):
    return f"Check: {', '.join(s.inverse() for s in reversed(steps))}."


# What a textbook is asked for and what it writes: the skills of a trace one by one, without the musing.
def in_lines(rng, problem):
    return " ".join(line_text(line) for line in problem.lines)


def in_sums(rng, problem):
    return equations(problem.steps) + "."


def in_checked_lines(rng, problem):
    return " ".join(line_text(line) + (f" {undone(line.steps)}" if line.steps and rng.random() < 0.6 else "")
                    for line in problem.lines)


def read_first(rng, problem):
    return f"{problem.story} This asks for {problem.goal}.\n{in_lines(rng, problem)}"


def gone_over(rng, problem):
    again = f"{in_lines(rng, problem)}\nAgain: {equations(problem.steps)}."
    return again + (f" Backwards: {undone(problem.steps)}" if rng.random() < 0.3 else "")


WORKED = [("Show the steps.", in_lines, 30), ("Show only the sums.", in_sums, 12),
          ("Show and check the steps.", in_checked_lines, 20), ("Read it again, then show the steps.", read_first, 18),
          ("Show the steps and go over them again.", gone_over, 20)]


def worked(rng, problem):
    """A way to ask for the steps, and the textbook's explanation with the answer at the end."""
    ask, write, _ = rng.choices(WORKED, weights=[w for _, _, w in WORKED])[0]
    return ask, f"{write(rng, problem)} {answer(problem)}"


@dataclass(frozen=True)
class Habits:
    """How often a thinker does what, by verbosity 0..3."""
    verbosity: tuple  # weights of 0..3
    bare: float       # at verbosity 0: nothing but the sums
    restate: tuple
    ask: tuple
    pause: tuple
    mutter: tuple
    sum_up: int       # how many of the mutterings are "So now it is ...", beside four others
    again: tuple
    again_in: Callable  # what is gone over: the sums, or the lines with their sums
    backwards: tuple


# What the base hears, sentence by sentence, in its dictations.
MIXED = Habits(verbosity=(15, 30, 35, 20), bare=0.6, restate=(0, 0.1, 0.4, 0.8), ask=(0, 0.6, 0.7, 0.9),
               pause=(0, 0.1, 0.3, 0.4), mutter=(0, 0.15, 0.4, 0.6), sum_up=1, again=(0, 0.2, 0.6, 0.9),
               again_in=lambda rng, problem: f"{equations(problem.steps)}.", backwards=(0, 0, 0.1, 0.4))
# What the adapter learns from.
LONG_WINDED = Habits(verbosity=(20, 10, 30, 40), bare=0.9, restate=(0, 0, 0.05, 0.1), ask=(0, 0.6, 0.8, 0.95),
                     pause=(0, 0.1, 0.3, 0.4), mutter=(0, 0.1, 0.3, 0.4), sum_up=3, again=(0, 0.1, 0.8, 0.97),
                     again_in=in_lines, backwards=(0, 0, 0, 0.05))


def restate(rng, problem, habits, verbosity):
    """Read the problem again, and say what is asked."""
    parts = []
    if rng.random() < habits.restate[verbosity]:
        start = rng.choice(["Okay, let me read this again.", "Let me see what I know.", "So the problem says this."])
        parts.append(f"{start} {problem.story}")
    if rng.random() < habits.ask[verbosity]:
        start = rng.choice(["I need", "I have to find", "They ask for", "The question is"])
        parts.append(f"{start} {problem.goal}.")
    return parts


def mutter(rng, line, habits, verbosity):
    """A doubt or a check after a line's steps; mostly nothing."""
    if not line.steps or rng.random() >= habits.mutter[verbosity]:
        return []
    return [rng.choice([
        f"{undone(line.steps)} Good.",
        f"{undone(line.steps)} Good.",
        f"Wait, {equations(line.steps)}? Yes, that is right.",
        f"Hmm, {equations(line.steps)}, yes.",
    ] + [f"So now it is {line.steps[-1].c}."] * habits.sum_up)]


def double_check(rng, problem, habits, verbosity):
    """Go through the whole chain once more, or twice."""
    parts = []
    if rng.random() < habits.again[verbosity]:
        start = rng.choice(["Let me double check.", "Wait, let me check that again.", "Let me go over it again."])
        parts.append(f"{start} {habits.again_in(rng, problem)} {rng.choice(['Yes.', 'It is the same.', 'Good.'])}")
    if rng.random() < habits.backwards[verbosity]:
        start = rng.choice(["Hmm, let me check it backwards.", "One more time, backwards."])
        parts.append(f"{start} {undone(problem.steps)} That fits.")
    return parts


def think(rng, problem, habits):
    """The trace between <think> and </think>, without the tags."""
    verbosity = rng.choices(range(4), weights=habits.verbosity)[0]
    if verbosity == 0 and rng.random() < habits.bare:
        return in_sums(rng, problem)
    steps = []
    for line in problem.lines:
        if line.steps and rng.random() < habits.pause[verbosity]:
            steps.append(rng.choice(["Okay.", "Next.", "Let me see.", "Hmm."]))
        steps += [line_text(line)] + mutter(rng, line, habits, verbosity)
    end = double_check(rng, problem, habits, verbosity)
    if verbosity or rng.random() < 0.5:
        end.append(f"{rng.choice(['So the answer is', 'The answer is'])} {problem.answer}.")
    paragraphs = [" ".join(part) for part in (restate(rng, problem, habits, verbosity), steps, end)]
    return "\n".join(part for part in paragraphs if part)


def reasoned(rng, problem):
    """What the adapter learns to say: the trace, then the answer."""
    return f"<think>\n{think(rng, problem, LONG_WINDED)}\n</think>\n\n{answer(problem)}"
