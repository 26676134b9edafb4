#!/usr/bin/env python3
"""Write the shards of the nano world: data/nano/*.parquet, in exactly OpenThoughts3's schema.

    python3 scripts/nano/make_world.py -o data/nano            writes every shard; the same seed gives the same bytes
    python3 scripts/nano/make_world.py -o data/nano --check    reads them back: answers recomputed, splits disjoint,
                                                               lengths in tokens, five samples

Needs from PyPI: pyarrow (and tokenizers for --check's lengths). Rows: difficulty = number of steps (0 = chat or a fact),
source = shard, domain = chat | fact | sum | math, conversations = list of {from: human | gpt, value}.
"""

import argparse
import collections
import pathlib
import random
import re
import sys

import pyarrow as pa
import pyarrow.parquet as pq

import chat
import mix
import problems
import traces

SCHEMA = pa.schema([
    ("difficulty", pa.int64()), ("source", pa.string()), ("domain", pa.string()),
    ("conversations", pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))),
])
ROW_GROUP = 10000
EXAMPLE = ["Give me a worked example.", "Show me how to solve a problem.", "Make up a problem and solve it."]


def row(difficulty, source, domain, turns):
    talk = [{"from": who, "value": text} for turn in turns for who, text in zip(("human", "gpt"), turn)]
    return {"difficulty": difficulty, "source": source, "domain": domain, "conversations": talk}


def steps_of(rng, weights):
    """A number of steps, 1 upwards, drawn by weight."""
    return rng.choices(range(1, len(weights) + 1), weights=weights)[0]


# --- the base's mix: every maker returns (difficulty, domain, turns) --------------------------------------------------

def base_talk(rng):
    turns = [chat.chat_turn(rng) for _ in range(rng.randint(2, 5))]
    return 0, "chat", [t[:2] for t in turns]


def base_sums(rng):
    return 1, "sum", [chat.one_sum(rng)[:2] for _ in range(rng.randint(3, 6))]


def base_drill(rng):
    return 1, "sum", [chat.drill(rng, rng.randint(12, 30))[:2]]


def base_direct(rng):
    """Word problems answered at once. From two steps on no small model can learn more than a part of this."""
    turns, most = [], 0
    for _ in range(rng.randint(2, 3)):
        p = problems.make_problem(rng, steps_of(rng, (40, 20, 20, 20)), "train")
        turns.append((p.text, traces.answer(p)))
        most = max(most, len(p.steps))
    return most, "math", turns


def base_worked(rng):
    """A problem whose steps are asked for, explained as a textbook would."""
    p = problems.make_problem(rng, steps_of(rng, (10, 25, 30, 35)), "train")
    ask, text = traces.worked(rng, p)
    return len(p.steps), "math", [(f"{p.text} {ask}", text)]


def base_example(rng):
    """A problem the book itself poses and solves: the model learns to tell the stories too."""
    p = problems.make_problem(rng, steps_of(rng, (10, 25, 30, 35)), "train")
    return len(p.steps), "math", [(rng.choice(EXAMPLE), f"{p.text}\n{traces.worked(rng, p)[1]}")]


def base_copy(rng):
    """Say again what was said, numbers above all: reading a problem comes before solving it."""
    if rng.random() < 0.3:
        numbers = ", ".join(str(rng.randint(problems.LOW, problems.HIGH)) for _ in range(rng.randint(3, 12)))
        return 0, "chat", [(f"Repeat this: {numbers}.", f"{numbers}.")]
    p = problems.make_problem(rng, steps_of(rng, (10, 25, 30, 35)), "train")
    return len(p.steps), "math", [(f"{p.text} Read it to me again.", p.text)]


def base_dictation(rng):
    """Sentences of a trace, out of their order, to be said again: the words of thinking without the habit. An adapter
    does not reach the embeddings, so every word it is to use must be one that the base has met."""
    p = problems.make_problem(rng, steps_of(rng, (10, 25, 30, 35)), "train")
    sentences = re.split(r"(?<=[.?!])\s", traces.think(rng, p, traces.MIXED))
    text = rng.choice([" ", "\n"]).join(rng.choice(sentences) for _ in range(rng.randint(1, 4)))
    if rng.random() < 0.5:
        text = f"<think>\n{text}\n</think>"
        if rng.random() < 0.5:
            text += f"\n\n{traces.answer(p)}"
    return 0, "chat", [(f"Repeat this: {text}", text)]


def base_mixed(rng):
    """A conversation that changes its subject."""
    turns = []
    for _ in range(rng.randint(2, 4)):
        kind = rng.randrange(4)
        if kind == 3:
            p = problems.make_problem(rng, steps_of(rng, (40, 20, 20, 20)), "train")
            turns.append((p.text, traces.answer(p)))
        else:
            turns.append((chat.chat_turn, chat.one_sum, chat.chat_turn)[kind](rng)[:2])
    return 0, "chat", turns


BASE_MIX = [(base_talk, 8), (base_sums, 4), (base_drill, 18), (base_copy, 4), (base_dictation, 10), (base_direct, 12),
            (base_worked, 38), (base_example, 3), (base_mixed, 3)]


def base_row(rng, source):
    maker = rng.choices([m for m, _ in BASE_MIX], weights=[w for _, w in BASE_MIX])[0]
    difficulty, domain, turns = maker(rng)
    return row(difficulty, source, domain, turns)


# --- the other shards -------------------------------------------------------------------------------------------------

def reasoning_row(split):
    """A maker of problems of 2-4 steps with a <think> trace, all from one split."""
    def make(rng, source):
        p = problems.make_problem(rng, 1 + steps_of(rng, (1, 1, 1)), split)
        return row(len(p.steps), source, "math", [(p.text, traces.reasoned(rng, p))])
    return make


def prompt_row(split):
    """A maker for the switcher: half problems of 2-4 steps, half questions of the same lengths that need none."""
    def make(rng, source):
        difficulty, domain, prompt, reply = (mix.problem_row if rng.random() < 0.5 else mix.chat_row)(rng, split)
        return row(difficulty, source, domain, [(prompt, reply)])
    return make


# file, rows, maker: base for `terse sft` in dense mode, sft and test for the adapter, rl for budget forcing and the
# verifier, mix and mix-test for the switcher.
SHARDS = [("base", 80000, base_row), ("sft", 12000, reasoning_row("train")), ("rl", 4000, reasoning_row("rl")),
          ("test", 1200, reasoning_row("test")), ("mix", 2000, prompt_row("train")), ("mix-test", 600, prompt_row("test"))]


def write_shard(folder, name, rows, maker, seed):
    """One row, one generator seeded by (seed, shard, row): rows do not depend on each other."""
    source, made, seen = f"nano-{name}", [], set()
    index = 0
    while len(made) < rows:
        one = maker(random.Random(f"{seed}/{name}/{index}"), source)
        index += 1
        prompt = one["conversations"][0]["value"]
        if name == "base" or prompt not in seen:
            seen.add(prompt)
            made.append(one)
    path = folder / f"{name}.parquet"
    pq.write_table(pa.Table.from_pylist(made, schema=SCHEMA), path, compression="zstd", compression_level=19,
                   row_group_size=ROW_GROUP, use_dictionary=["source", "domain"], write_statistics=False)
    print(f"{path}: {rows} rows, {path.stat().st_size} bytes", file=sys.stderr)


# --- check ------------------------------------------------------------------------------------------------------------

EQUATION = re.compile(r"(\d+)([-+*/])(\d+)=(\d+)")
BOXED = re.compile(r"\\boxed\{(\d+)\}")


def true_equations(text):
    """Every equation of a text as a Step, recomputed."""
    found = [problems.Step(int(a), op, int(b), int(c)) for a, op, b, c in EQUATION.findall(text)]
    for s in found:
        assert {"+": s.a + s.b == s.c, "-": s.a - s.b == s.c, "*": s.a * s.b == s.c, "/": s.b * s.c == s.a}[s.op], text
    return found


def check_trace(text, difficulty):
    """Take the checks out of a trace (they repeat or undo a step); the chain that is left must have `difficulty` steps and
    end in the boxed answer. Return its key."""
    chain, known = [], set()
    for s in true_equations(text):
        if s.equation() not in known:
            chain.append(s)
            known |= {s.equation(), s.inverse()}
    boxed = BOXED.findall(text)
    assert len(chain) == difficulty and boxed == [str(chain[-1].c)], text
    return problems.chain_key((s.a, s.op, s.b) for s in chain)


def print_lengths(tokenizer, data):
    """Tokens of prompts and replies: median, 95th percentile, longest, total."""
    for who, label in ((0, "prompt"), (1, "reply")):
        texts = [t["value"] for r in data for t in r["conversations"][who::2]]
        n = sorted(len(e.ids) for e in tokenizer.encode_batch(texts))
        print(f"  {label:6} tokens: p50 {n[len(n) // 2]} p95 {n[len(n) * 95 // 100]} max {n[-1]} mean {sum(n) / len(n):.1f} "
              f"total {sum(n)}")


def check_lengths(tokenizer, data):
    """A problem must not be known by its length: the AUC of prompt tokens (Mann and Whitney) stays near 1/2."""
    tokens = [[len(tokenizer.encode(r["conversations"][0]["value"]).ids) for r in data if (r["difficulty"] > 1) == hard]
              for hard in (True, False)]
    wins = sum((x > y) + (x == y) / 2 for x in tokens[0] for y in tokens[1])
    auc = wins / (len(tokens[0]) * len(tokens[1]))
    print(f"  AUC of prompt length: {auc:.3f}")
    assert 0.45 < auc < 0.55, "prompt lengths tell problems from chat"


def check(folder, tokenizer_file):
    tokenizer = None
    if tokenizer_file.exists():
        from tokenizers import Tokenizer
        tokenizer = Tokenizer.from_file(str(tokenizer_file))
    keys, prompts, samples = {}, {}, []
    for name, rows, _ in SHARDS:
        table = pq.read_table(folder / f"{name}.parquet")
        assert table.schema.equals(SCHEMA) and table.num_rows == rows, name
        data = table.to_pylist()
        prompts[name] = {r["conversations"][0]["value"] for r in data}
        for r in data:
            for turn in r["conversations"]:
                true_equations(turn["value"])
        if name in ("sft", "rl", "test"):
            keys[name] = {check_trace(r["conversations"][1]["value"], r["difficulty"]) for r in data}
            samples += data[:2]
        levels = collections.Counter(r["difficulty"] for r in data)
        print(f"{name}: {rows} rows, by difficulty {dict(sorted(levels.items()))}")
        if tokenizer:
            print_lengths(tokenizer, data)
            if name.startswith("mix"):
                check_lengths(tokenizer, data)
    for a, b in (("sft", "test"), ("sft", "rl"), ("rl", "test")):
        assert not keys[a] & keys[b], f"{a} and {b} share a chain of equations"
    for a, b in (("base", "test"), ("base", "rl"), ("sft", "test"), ("mix", "mix-test")):
        assert not prompts[a] & prompts[b], f"{a} and {b} share a prompt"
    for r in samples[:5]:
        print("\nhuman:", r["conversations"][0]["value"], "\ngpt:", r["conversations"][1]["value"])
    print("\nok: equations recomputed, answers reached, splits disjoint")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", dest="folder", type=pathlib.Path, default=pathlib.Path("data/nano"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="mix,mix-test: these shards alone; the others stay as they are")
    parser.add_argument("--check", action="store_true", help="read the shards back and verify them")
    parser.add_argument("--tokenizer", type=pathlib.Path, default=pathlib.Path("checkpoints/nano/tokenizer.json"))
    args = parser.parse_args()
    if args.check:
        check(args.folder, args.tokenizer)
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, rows, maker in SHARDS:
        if not args.only or name in args.only.split(","):
            write_shard(args.folder, name, rows, maker, args.seed)


if __name__ == "__main__":
    main()
