#!/usr/bin/env python3
"""Trains the demo model on text that talk/ writes while training goes on. The seed fixes all.

  train.py WORK --steps 6000             WORK/out has the tokenizer (train_tokenizer.py WORK/out)
                                         and gets the model; WORK/checkpoint.pt the state, every
                                         --every seconds, at the end and on SIGTERM
  train.py WORK --steps 6000 --resume    goes on

The learning rate rises for --warmup steps, stays, and falls linearly to zero in the last --fall
steps. In these, half of the matrices, drawn anew each step, are seen as Q4_0 would store them, so
that little is lost when they are. WORK/stable.pt is the state before the fall: give it as --from
to train longer before falling.
"""

import argparse
import os
import pathlib
import random
import signal
import time

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("work", type=pathlib.Path)
parser.add_argument("--steps", type=int, default=6000)
parser.add_argument("--rows", type=int, default=8, help="rows of 256 tokens a step")
parser.add_argument("--rate", type=float, default=3e-3)
parser.add_argument("--adamw", action="store_true", help="AdamW for the matrices too, not Muon")
parser.add_argument("--warmup", type=int, default=60)
parser.add_argument(
    "--fall", type=int, default=1500, help="the learning rate falls in the last that many steps"
)
parser.add_argument(
    "--user-weight", type=float, default=0.1, help="weight of the loss at what the user types"
)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--device", default="cpu", help="cpu or cuda")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument(
    "--type",
    choices=["f32", "bf16"],
    default="bf16",
    help="of the products; weights and sums are f32",
)
parser.add_argument("--every", type=float, default=180)
parser.add_argument("--resume", action="store_true")
parser.add_argument("--from", dest="source", type=pathlib.Path)
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

import generate  # noqa: E402
from network import Network, fake_q4_0  # noqa: E402

torch.set_num_threads(args.threads)
torch.set_flush_denormal(True)
START, END = 1, 2
stop = []


class Rows:
    """Rows of packed conversations. Step and seed give them, so a resumed run sees what is next."""

    def __init__(self, tokenizer, seed):
        self.tokenizer, self.seed = tokenizer, seed

    def batch(self, step, rows, length, long):
        """ids, targets' weights and mask. Every step has a generator of its own."""
        g = generate.generator_for_step(self.seed, step)
        pieces, spare = [[] for _ in range(rows)], [length] * rows
        misses = 0
        while misses < 12:
            ids, weights = self.encode(g.next(long))
            fits = [r for r in range(rows) if spare[r] >= len(ids)]
            if not fits:
                misses += 1
                continue
            r = min(fits, key=lambda r: spare[r])
            pieces[r].append((ids, weights))
            spare[r] -= len(ids)
        ids = torch.zeros(rows, length, dtype=torch.long)
        weights = torch.zeros(rows, length)
        document = torch.full((rows, length), -1)
        for r, row in enumerate(pieces):
            at = 0
            for i, (x, w) in enumerate(row):
                ids[r, at : at + len(x)] = torch.tensor(x)
                weights[r, at : at + len(x)] = torch.tensor(w)
                document[r, at : at + len(x)] = i
                at += len(x)
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        mask = (document[:, :, None] == document[:, None, :]) & causal
        return ids, weights, mask[:, None]

    def encode(self, c):
        """Token ids as chat_template.jinja makes them; the loss's weight of each as a target."""
        ids, weights = [], []

        def message(role, text, weight):
            head = [START] + self._text(role + "\n")
            body = self._text(text)
            ids.extend(head + body + [END] + self._text("\n"))
            weights.extend([0.0] * len(head) + [weight] * (len(body) + 1) + [0.0])

        if c["system"]:
            message("system", c["system"], args.user_weight)
        for user, answer in c["turns"]:
            message("user", user, args.user_weight)
            message("assistant", answer, 1.0)
        return ids, weights

    def _text(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids


class Muon:
    """Momentum, made orthogonal by five Newton-Schulz steps. Joined matrices are split first."""

    def __init__(self, parameters, parts):
        self.parameters, self.parts = parameters, parts
        self.momentum = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self, rate, decay=0.05):
        for p, m, sizes in zip(self.parameters, self.momentum, self.parts):
            m.mul_(0.95).add_(p.grad)
            update = p.grad.add(m, alpha=0.95)
            p.mul_(1 - rate * decay)
            for piece, u in zip(p.split(sizes), update.split(sizes)):
                piece.add_(self.orthogonal(u), alpha=-rate * 0.2 * max(u.shape) ** 0.5)

    @staticmethod
    def orthogonal(u):
        x = u.T if u.shape[0] > u.shape[1] else u
        x = (x / (x.norm() + 1e-7)).bfloat16()
        for _ in range(5):
            a = x @ x.T
            x = torch.addmm(x, torch.addmm(a, a, a, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
        return (x.T if u.shape[0] > u.shape[1] else x).float()


def main():
    torch.manual_seed(args.seed)
    tokenizer = Tokenizer.from_file(str(args.work / "out" / "tokenizer.json"))
    net = Network().to(args.device)
    net.type = torch.bfloat16 if args.type == "bf16" else torch.float32
    c = net.config
    q, k, inner = (
        c["num_attention_heads"] * c["head_dim"],
        c["num_key_value_heads"] * c["head_dim"],
        c["intermediate_size"],
    )
    matrices = net.matrices()
    inside = [] if args.adamw else [n for n in matrices if n != "embed"]
    parts = [
        (
            [q, k, k]
            if n.endswith("qkv")
            else [inner, inner] if n.endswith("gate_up") else [matrices[n].shape[0]]
        )
        for n in inside
    ]
    muon = Muon([matrices[n] for n in inside], parts)
    rest = [(n, p) for n, p in net.named_parameters() if n not in inside]
    adam = torch.optim.AdamW(
        [
            {"params": [p for _, p in rest if p.dim() == 2], "weight_decay": 0.05},
            {"params": [p for _, p in rest if p.dim() == 1], "weight_decay": 0.0},
        ],
        lr=args.rate,
        betas=(0.9, 0.98),
        eps=1e-9,
    )
    rows = Rows(tokenizer, args.seed)
    step, tokens, seconds = 0, 0, 0.0
    checkpoint = args.work / "checkpoint.pt"
    source = args.source or (checkpoint if args.resume and checkpoint.exists() else None)
    if source:
        state = torch.load(source, map_location=args.device)
        net.load_state_dict(state["net"])
        adam.load_state_dict(state["adam"])
        for m, saved in zip(muon.momentum, state["muon"]):
            m.copy_(saved)
        step, tokens, seconds = state["step"], state["tokens"], state["seconds"]
    print(
        f"parameters {sum(p.numel() for p in net.parameters())}, step {step} of {args.steps}",
        flush=True,
    )

    def save(path):
        state = {
            "net": net.state_dict(),
            "adam": adam.state_dict(),
            "muon": muon.momentum,
            "step": step,
            "tokens": tokens,
            "seconds": seconds,
        }
        torch.save(state, str(path) + ".new")
        os.replace(str(path) + ".new", path)
        net.save(args.work / "out")

    fall = max(0, args.steps - args.fall)
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    begin, cpu, last_save, mean, mean_user = (
        time.time(),
        time.process_time(),
        time.time(),
        None,
        None,
    )
    while step < args.steps and not stop:
        if step == fall:
            save(args.work / "stable.pt")
        rate = (
            args.rate
            * min(1, (step + 1) / args.warmup)
            * min(1, (args.steps - step) / (args.steps - fall))
        )
        for group in adam.param_groups:
            group["lr"] = rate * (1 if group["weight_decay"] else 2)  # gains are few and need room
        long = step % 8 == 7  # one step in eight has long conversations
        ids, weights, mask = rows.batch(
            step, args.rows // 2 if long else args.rows, 512 if long else 256, long
        )
        ids, weights, mask = (x.to(args.device) for x in (ids, weights, mask))
        targets, w = ids.roll(-1, 1).flatten(), weights.roll(-1, 1).flatten()
        w[ids.shape[1] - 1 :: ids.shape[1]] = 0
        wanted = w.nonzero()[:, 0]
        stand_in = None
        if step >= fall:
            r = random.Random(args.seed * 1000003 + step)
            stand_in = {
                n: p + (fake_q4_0(p) - p).detach() for n, p in matrices.items() if r.random() < 0.5
            }
        losses = F.cross_entropy(
            net(ids, mask, wanted, stand_in), targets[wanted], reduction="none"
        )
        w = w[wanted]
        loss = (losses * w).sum() / w.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        muon.step(rate)
        adam.step()
        adam.zero_grad()
        for p in muon.parameters:
            p.grad = None
        answer = w == 1
        reply_loss, user_loss = losses[answer].mean().item(), losses[~answer].mean().item()
        mean = reply_loss if mean is None else 0.95 * mean + 0.05 * reply_loss
        mean_user = user_loss if mean_user is None else 0.95 * mean_user + 0.05 * user_loss
        step += 1
        tokens += int((ids != 0).sum())
        now, now_cpu = time.time(), time.process_time()
        seconds += now_cpu - cpu
        cpu = now_cpu
        if step % 20 == 0:
            print(
                f"step {step} loss {mean:.4f} user {mean_user:.3f} rate {rate:.5f} tokens {tokens}"
                f" cpu {seconds:.0f} wall {now - begin:.0f}",
                flush=True,
            )
        if now - last_save > args.every:
            save(checkpoint)
            last_save = now
    save(checkpoint)


main()
