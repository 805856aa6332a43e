"""Chat templates of our own, one for each family of constructs, as transformers renders them.

Writes crates/data/tests/fixtures/templates.json. Needs transformers 5.24 (no torch):

    python bench/make_template_fixtures.py

The clock of `strftime_now` stands at 26 July 2024, as it does in crates/data/src/template/clock.rs.
"""

import datetime
import json
import re
from pathlib import Path

import transformers
from transformers.tokenization_utils_base import _normalize_chat_messages
from transformers.utils import chat_template_utils

from template_fixtures import CONVERSATIONS, TEMPLATES

assert transformers.__version__.startswith("5.24."), transformers.__version__
OUT = Path(__file__).parent.parent / "crates/data/tests/fixtures/templates.json"
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


class Stopped(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


chat_template_utils.datetime = Stopped


def render(template, record, prompt, mask):
    values = record.get("chat_template_kwargs") or {}
    rendered, marked = chat_template_utils.render_jinja_template(
        conversations=[_normalize_chat_messages(record["messages"])],
        tools=record.get("tools"),
        documents=record.get("documents"),
        chat_template=template,
        return_assistant_tokens_mask=mask,
        add_generation_prompt=prompt,
        **{**TOKENS, **values},
    )
    return rendered[0], marked[0] if mask else None


def case(template, record, prompt):
    mask = bool(re.search(r"\{%-?\s*generation", template)) and not prompt
    entry = {"record": record, "prompt": prompt}
    try:
        text, marked = render(template, record, prompt, mask)
        entry["text"] = text
        if mask:
            entry["answers"] = [text[start:end] for start, end in marked]
    except Exception as error:  # whatever a template raises is what is recorded
        entry["error"] = str(error)
    return entry


def main():
    found = []
    for name, (constructs, template, kinds) in TEMPLATES.items():
        records = [r for kind in kinds.split() for r in CONVERSATIONS[kind]]
        cases = [case(template, r, prompt) for r in records for prompt in (False, True)]
        assert any("text" in c for c in cases), (name, cases)
        found.append({"name": name, "constructs": constructs, "template": template, "cases": cases})
    assert len(found) >= 25, len(found)
    out = {"transformers": transformers.__version__, "templates": found}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(out, ensure_ascii=True, indent=1) + "\n")
    texts = sum("text" in c for t in found for c in t["cases"])
    print(f"{len(found)} templates, {texts} texts")


if __name__ == "__main__":
    main()
