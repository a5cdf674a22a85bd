#!/usr/bin/env python3
"""Greedy replies of a Hugging Face directory, for score.py --command.

reply_transformers.py DIR [--type bf16|f32] [--quant q4_0|q8_0]: with --quant the matrices are
rounded as these types store them.
"""

import argparse
import json
import os
import pathlib
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from network import fake_q4_0  # noqa: E402


def q8_0(w):
    b = w.reshape(-1, 32)
    d = b.abs().amax(1, keepdim=True) / 127
    q = torch.where(d == 0, torch.zeros_like(b), b / d).round()
    return (q * d.half().float()).reshape(w.shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--type", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--quant", choices=["q4_0", "q8_0"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    if args.quant:
        with torch.no_grad():
            for p in model.parameters():
                if p.dim() == 2:
                    p.copy_({"q4_0": fake_q4_0, "q8_0": q8_0}[args.quant](p))
    if args.type == "bf16":
        model = model.to(torch.bfloat16)
    end = set(model.generation_config.eos_token_id)
    for line in sys.stdin:
        question = json.loads(line)
        messages = (
            [{"role": "system", "content": question["system"]}] if "system" in question else []
        )
        replies = []
        for turn in question["turns"]:
            messages.append({"role": "user", "content": turn})
            text = tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
            ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
            out, cache = [], None
            with torch.inference_mode():
                step = ids
                while len(out) < 200:
                    r = model(input_ids=step, past_key_values=cache, use_cache=True)
                    cache = r.past_key_values
                    token = int(r.logits[0, -1].float().argmax())
                    if token in end:
                        break
                    out.append(token)
                    step = torch.tensor([[token]])
            replies.append(tokenizer.decode(out))
            messages.append({"role": "assistant", "content": replies[-1]})
        print(json.dumps({"id": question["id"], "replies": replies}), flush=True)


main()
