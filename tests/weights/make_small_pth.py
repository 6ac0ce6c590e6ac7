"""Wrote small.pth, with PyTorch 2.13: every way a tensor may lie in its storage."""

import pathlib
from collections import OrderedDict

import torch

base = torch.arange(12.0).reshape(3, 4)
state = OrderedDict(
    transposed=base.t(),
    window=base[1:, 1:3],
    parameter=torch.nn.Parameter(torch.tensor([1.0, 2.0])),
    half=torch.tensor([0.5, -3.0]).half(),
    bfloat16=torch.tensor([[1.5, -2.25], [3.0, 1e30]]).bfloat16().t(),
    count=torch.tensor(7),
    empty=torch.zeros(0, 3),
    flags=torch.tensor([True, False]),
)
state._metadata = OrderedDict(version=1)
path = pathlib.Path(__file__).with_name("small.pth")
torch.save({"epoch": 3, "best": 0.5, "model": state}, path)
