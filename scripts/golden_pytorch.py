#!/usr/bin/env python3
"""Makes tests/golden/pytorch.bin and tests/golden/legacy.bin: a state dictionary as PyTorch writes it, and as it
did before 1.6, with tensors that share a storage, several types, and buffers that are no weights.

Needs: pip install torch==2.15.0
Run:   python scripts/golden_pytorch.py tests/golden
"""

import collections
import pathlib
import sys

import torch

weight = torch.arange(6, dtype=torch.float32).reshape(2, 3)
state = collections.OrderedDict(
    weight=weight,
    transposed=weight.t(),
    part=weight[1],
    half=torch.tensor([0.5, -2.0], dtype=torch.float16),
    bfloat=torch.tensor([1.5], dtype=torch.bfloat16),
    parameter=torch.nn.Parameter(torch.tensor([7.0])),
    position_ids=torch.arange(4).unsqueeze(0),
    mask=torch.tensor([True, False, True]),
    small=torch.tensor([1, 2], dtype=torch.int8),
)
state._metadata = collections.OrderedDict({"": {"version": 1}})
folder = pathlib.Path(sys.argv[1])
torch.save(state, folder / "pytorch.bin")
torch.save(state, folder / "legacy.bin", _use_new_zipfile_serialization=False)
