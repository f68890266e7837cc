"""Steps of networks in PyTorch on a GPU, eager and as a CUDA graph. Prints { device, times: [{ eager, graph }] } in seconds."""
import argparse
import json
import time

import torch

options = argparse.ArgumentParser()
options.add_argument("--seconds", type=float, default=1)
options.add_argument("--sizes")
options = options.parse_args()
if not torch.cuda.is_available():
    raise SystemExit("PyTorch has no GPU here")
FEATURES, CLASSES, ETA = 3072, 10, 0.01


def timed(step):
    """Seconds of one step; the loop waits for the GPU every 64 steps."""
    for _ in range(3):
        step()
    torch.cuda.synchronize()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < options.seconds:
        for _ in range(64):
            step()
        torch.cuda.synchronize()
        count += 64
    return (time.perf_counter() - began) / count


def measured(hidden, batch):
    widths = [FEATURES, *hidden, CLASSES]
    layers = []
    for inputs, units in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1]).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=ETA)
    rows = torch.randint(0, 256, (10_000, FEATURES), dtype=torch.uint8, device="cuda")
    labels = torch.randint(0, CLASSES, (10_000,), device="cuda")
    x = torch.empty(batch, FEATURES, dtype=torch.uint8, device="cuda")
    y = torch.empty(batch, dtype=torch.int64, device="cuda")
    at = 0

    def next_batch():
        nonlocal at
        x.copy_(rows[at : at + batch])
        y.copy_(labels[at : at + batch])
        at = (at + batch) % len(rows)

    def train():
        optimizer.zero_grad(set_to_none=False)
        scores = model((x.float() - 127.5) / 74)
        torch.nn.functional.cross_entropy(scores, y).backward()
        optimizer.step()

    def eager():
        next_batch()
        train()

    found = {"eager": timed(eager)}
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            train()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        train()

    def replay():
        next_batch()
        graph.replay()

    found["graph"] = timed(replay)
    return found


# Float32 as it is, without the shorter products that some GPUs would take.
torch.backends.cuda.matmul.allow_tf32 = False
times = [measured(size["hidden"], size["batch"]) for size in json.loads(options.sizes)]
print(json.dumps({"device": f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}", "times": times}))
