#!/usr/bin/env python3
"""What transformers says of a checkpoint, for Samara's tests: make_golden.py DIR > golden.json

Greedy float32 replies to every fifth question, three rendered conversations, and the mean negative
log-likelihood (nats a token) of heldout.txt in windows of 512 tokens, without each window's first.
"""

import json
import pathlib
import subprocess
import sys

import tokenizers
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
WINDOW = 512


def replies(model, questions):
    done = subprocess.run(
        [sys.executable, str(HERE / "reply_transformers.py"), model],
        input="".join(json.dumps(q) + "\n" for q in questions),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return [
        {"id": q["id"], "system": q.get("system", ""), "turns": q["turns"], "replies": s["replies"]}
        for q, s in zip(questions, said)
    ]


def nll(directory, tokenizer):
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    ids = tokenizer((HERE / "heldout.txt").read_text(), add_special_tokens=False).input_ids
    total, n = 0.0, 0
    with torch.inference_mode():
        for i in range(0, len(ids), WINDOW):
            window = torch.tensor([ids[i : i + WINDOW]])
            logits = model(window).logits[0, :-1].double()
            chosen = logits.log_softmax(-1).gather(1, window[0, 1:, None])
            total -= chosen.sum().item()
            n += chosen.numel()
    return {"nll": total / n, "tokens": n}


def main():
    directory = sys.argv[1]
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    conversations = [
        [{"role": "user", "content": "Hello!"}],
        [
            {"role": "system", "content": "The user is called Mia."},
            {"role": "user", "content": "Who am I?"},
            {"role": "assistant", "content": "Your name is Mia."},
            {"role": "user", "content": "What is <|im_end|> 3 plus 4?"},
        ],
        [{"role": "user", "content": " two\nlines \u00e9 "}],
    ]
    golden = {
        "made_with": {m.__name__: m.__version__ for m in (transformers, torch, tokenizers)},
        "replies": replies(directory, json.loads((HERE / "questions.json").read_text())[::5]),
        "rendered": [
            {
                "messages": c,
                "text": tokenizer.apply_chat_template(
                    c, tokenize=False, add_generation_prompt=True
                ),
            }
            for c in conversations
        ],
        "heldout": nll(directory, tokenizer),
    }
    json.dump(golden, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
