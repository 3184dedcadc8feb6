"""The config of a small study of eigenvalues, with every kind of arm."""

from typing import Any

SMALL: dict[str, Any] = {
    "study": "small",
    "seeds": [1, 2],
    "eigenvalues": {
        "problem": {"encoding": "P10", "tolerances": [0.2, 0.6], "tolerance": 0.6, "test": 60},
        "network": {"dimension": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1},
        "generator": {
            "examples": 400, "validation": 40, "steps": 60, "batch": 32, "rate": 1e-2,
            "warmup": 10, "evaluate": 20,
        },
        "labels": {"greedy": 120, "sampled": 60, "candidates": 3, "validation": 60},
        "student": {"steps": 20, "batch": 32, "rate": 1e-2, "warmup": 5, "evaluate": 10},
        "arms": {
            "unverified": {"labels": "greedy"},
            "oracle": {"labels": "greedy", "keep": [1, 0]},
            "random": {"labels": "greedy", "as_many_as": "oracle"},
            "best": {"labels": "samples", "choose": "oracle"},
            "likeliest": {"labels": "beams", "choose": "likeliest"},
            "clean": {"labels": "truth"},
        },
    },
}  # fmt: skip
