"""The Qwen3 decoder, small and plain, for training; writes itself in Hugging Face form."""

import json

import torch
import torch.nn.functional as F
from torch import nn

CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": 1536,
    "hidden_size": 192,
    "intermediate_size": 576,
    "num_hidden_layers": 6,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "head_dim": 32,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000.0,
    "rope_scaling": None,
    "max_position_embeddings": 512,
    "max_window_layers": 6,
    "sliding_window": None,
    "use_sliding_window": False,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "tie_word_embeddings": True,
    "initializer_range": 0.02,
    "bos_token_id": None,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "use_cache": True,
    "torch_dtype": "bfloat16",
}


def rms_norm(x, weight, eps=1e-6):
    return F.rms_norm(x.float(), (x.shape[-1],), weight, eps)


def fake_q4_0(w):
    """What Q4_0 makes of a matrix: blocks of 32, f16 scale = value of largest magnitude / -8."""
    b = w.detach().reshape(-1, 32)
    top = b.gather(1, b.abs().argmax(1, keepdim=True))
    d = top / -8
    inverse = torch.where(d == 0, torch.zeros_like(d), 1 / d)
    q = (b * inverse + 8.5).floor().clamp(0, 15) - 8
    return (q * d.half().float()).reshape(w.shape)


class Network(nn.Module):
    def __init__(self, config=CONFIG):
        super().__init__()
        c = self.config = config
        self.heads, self.kv, self.dim = (
            c["num_attention_heads"],
            c["num_key_value_heads"],
            c["head_dim"],
        )
        h, inner, qkv = (
            c["hidden_size"],
            c["intermediate_size"],
            (self.heads + 2 * self.kv) * self.dim,
        )

        def matrix(rows, columns, scale=1.0):
            return nn.Parameter(torch.randn(rows, columns) * 0.02 * scale)

        small = (2 * c["num_hidden_layers"]) ** -0.5
        self.embed = matrix(c["vocab_size"], h)
        self.layers = nn.ModuleList()
        for _ in range(c["num_hidden_layers"]):
            self.layers.append(
                nn.ParameterDict(
                    {
                        "norm1": nn.Parameter(torch.ones(h)),
                        "qkv": matrix(qkv, h),
                        "q_norm": nn.Parameter(torch.full((self.dim,), 1.5)),
                        "k_norm": nn.Parameter(torch.full((self.dim,), 1.5)),
                        "o": matrix(h, self.heads * self.dim, small),
                        "norm2": nn.Parameter(torch.ones(h)),
                        "gate_up": matrix(2 * inner, h),
                        "down": matrix(h, inner, small),
                    }
                )
            )
        self.norm = nn.Parameter(torch.ones(h))
        angle = torch.outer(
            torch.arange(c["max_position_embeddings"]).float(),
            c["rope_theta"] ** (-torch.arange(0, self.dim, 2).float() / self.dim),
        )
        self.register_buffer("cos", angle.cos().repeat(1, 2)[None, None], persistent=False)
        self.register_buffer("sin", angle.sin().repeat(1, 2)[None, None], persistent=False)
        self.type = torch.float32

    def rope(self, x):  # [batch, heads, time, dim]
        t, half = x.shape[2], self.dim // 2
        turned = torch.cat((-x[..., half:], x[..., :half]), -1)
        return x * self.cos[:, :, :t] + turned * self.sin[:, :, :t]

    def forward(self, ids, mask, wanted, weights=None):
        """Logits [n_wanted, vocab] at the flat positions wanted; weights: matrices' stand-ins."""
        w = lambda name, p: (weights[name] if weights and name in weights else p).to(self.type)
        b, t = ids.shape
        table = w("embed", self.embed)
        x = F.embedding(ids, table).float()
        for i, l in enumerate(self.layers):
            h = rms_norm(x, l["norm1"]).to(self.type)
            q, k, v = F.linear(h, w(f"layers.{i}.qkv", l["qkv"])).split(
                [self.heads * self.dim, self.kv * self.dim, self.kv * self.dim], -1
            )
            q = self.rope(rms_norm(q.view(b, t, self.heads, self.dim), l["q_norm"]).transpose(1, 2))
            k = self.rope(rms_norm(k.view(b, t, self.kv, self.dim), l["k_norm"]).transpose(1, 2))
            v = v.view(b, t, self.kv, self.dim).transpose(1, 2)
            k, v = (y.repeat_interleave(self.heads // self.kv, 1) for y in (k, v))
            a = F.scaled_dot_product_attention(
                q.to(self.type),
                k.to(self.type),
                v.to(self.type),
                attn_mask=mask,
                is_causal=mask is None,
            )
            x = (
                x
                + F.linear(a.transpose(1, 2).reshape(b, t, -1), w(f"layers.{i}.o", l["o"])).float()
            )
            h = rms_norm(x, l["norm2"]).to(self.type)
            gate, up = F.linear(h, w(f"layers.{i}.gate_up", l["gate_up"])).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, w(f"layers.{i}.down", l["down"])).float()
        x = x.reshape(b * t, -1)[wanted]
        return F.linear(rms_norm(x, self.norm).to(self.type), table).float()

    def matrices(self):
        return {n: p for n, p in self.named_parameters() if p.dim() == 2}

    def save(self, folder, dtype=torch.bfloat16):
        from safetensors.torch import save_file

        out = {"model.embed_tokens.weight": self.embed, "model.norm.weight": self.norm}
        q, k, inner = self.heads * self.dim, self.kv * self.dim, self.config["intermediate_size"]
        for i, l in enumerate(self.layers):
            p = f"model.layers.{i}."
            out.update(
                {
                    p + "input_layernorm.weight": l["norm1"],
                    p + "post_attention_layernorm.weight": l["norm2"],
                    p + "self_attn.q_proj.weight": l["qkv"][:q],
                    p + "self_attn.k_proj.weight": l["qkv"][q : q + k],
                    p + "self_attn.v_proj.weight": l["qkv"][q + k :],
                    p + "self_attn.q_norm.weight": l["q_norm"],
                    p + "self_attn.k_norm.weight": l["k_norm"],
                    p + "self_attn.o_proj.weight": l["o"],
                    p + "mlp.gate_proj.weight": l["gate_up"][:inner],
                    p + "mlp.up_proj.weight": l["gate_up"][inner:],
                    p + "mlp.down_proj.weight": l["down"],
                }
            )
        save_file(
            {n: t.detach().to("cpu", dtype).contiguous() for n, t in out.items()},
            folder / "model.safetensors",
            metadata={"format": "pt"},
        )
        (folder / "config.json").write_text(json.dumps(self.config, indent=2) + "\n")
        (folder / "generation_config.json").write_text(
            json.dumps(
                {
                    "do_sample": False,
                    "eos_token_id": [2, 0],
                    "pad_token_id": 0,
                    "max_new_tokens": 200,
                },
                indent=2,
            )
            + "\n"
        )
