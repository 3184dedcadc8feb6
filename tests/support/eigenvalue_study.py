"""The config of a small study of eigenvalues, with every kind of arm."""

from typing import Any

SMALL: dict[str, Any] = {
    "study": "small",
    "seeds": [1, 2],
    "eigenvalues": {
        "problem": {"encoding": "P10", "tolerances": [0.2, 0.6], "tolerance": 0.6, "test": 60},
        "network": {"dimension": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1},
        "generator": {
            "examples": 400, "validation": 40, "steps": 60, "batch_size": 32, "learning_rate": 1e-2,
            "warmup_steps": 10, "eval_steps": 20,
        },
        "labels": {"greedy": 120, "sampled": 60, "candidates": 3, "validation": 60},
        "student": {
            **{"steps": 20, "batch_size": 32, "learning_rate": 1e-2},
            **{"warmup_steps": 5, "eval_steps": 10},
        },
        "arms": {
            "unverified": {"labels": "greedy"},
            "oracle": {"labels": "greedy", "keep": [1, 0]},
            "random": {"labels": "greedy", "match_keep_rate": "oracle"},
            "best": {"labels": "samples", "choose": "oracle"},
            "likeliest": {"labels": "beams", "choose": "likeliest"},
            "clean": {"labels": "truth"},
        },
    },
}  # fmt: skip
