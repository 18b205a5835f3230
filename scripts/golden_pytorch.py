#!/usr/bin/env python3
"""Makes tests/golden/legacy.bin: a state dictionary as PyTorch before 1.6 wrote it, with tensors that share a storage.

Needs: pip install torch==2.15.0
Run:   python scripts/golden_legacy.py tests/golden/legacy.bin
"""

import collections
import sys

import torch

weight = torch.arange(6, dtype=torch.float32).reshape(2, 3)
state = collections.OrderedDict(
    weight=weight,
    transposed=weight.t(),
    part=weight[1],
    half=torch.tensor([0.5, -2.0], dtype=torch.float16),
    position_ids=torch.arange(4).unsqueeze(0),
)
torch.save(state, sys.argv[1], _use_new_zipfile_serialization=False)
