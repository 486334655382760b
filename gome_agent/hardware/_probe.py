"""Can this interpreter compute on this card? A program for the environment of solutions.

Self-contained: its text is run in the sandbox, with a call of `main` behind it, where no file of
this package is visible. Each part tells that it begins and what came of it, in a line of its own,
so that a part which brings the process down is known, and the others can be tried again.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys

MARK = "@probe "


class Absent(Exception):
    """What a part is about is not there; no failure by itself."""


def need(package):
    """Import a package."""
    if importlib.util.find_spec(package) is None:
        raise Absent(f"{package} is not installed")
    return importlib.import_module(package)


def torch_on_gpu():
    torch = need("torch")
    if not torch.cuda.is_available():
        raise Absent("torch sees no GPU")
    return torch


def machine():
    """The interpreter, and memory that workers share."""
    folder = os.statvfs("/dev/shm")
    shared = folder.f_frsize * folder.f_blocks
    return {"python": sys.version.split()[0], "prefix": sys.prefix, "shared_bytes": shared}


def packages():
    """Versions of what solutions use most."""
    names = "torch torchvision xgboost lightgbm catboost timm transformers scikit-learn pandas"
    found = {}
    for name in names.split():
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    return found


def torch():
    """What PyTorch was made with, and what it sees."""
    torch = need("torch")
    # The public function tells nothing where no card is seen.
    flags = torch._C._cuda_getArchFlags() if torch.version.cuda else ""
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda or "",
        "cudnn": torch.backends.cudnn.version() or 0,
        "architectures": (flags or "").split(),
        "gpus": torch.cuda.device_count(),
    }


def card():
    """The card as PyTorch sees it."""
    torch = torch_on_gpu()
    free, total = torch.cuda.mem_get_info()
    capability = list(torch.cuda.get_device_capability())
    name = torch.cuda.get_device_name()
    return {"name": name, "capability": capability, "free": free, "total": total}


def matmul():
    """Half-precision product of two matrices, beside the same in single precision."""
    torch = torch_on_gpu()
    torch.manual_seed(0)
    left, right = torch.randn(256, 256), torch.randn(256, 256)
    half = (left.cuda().half() @ right.cuda().half()).float().cpu()
    exact = left @ right
    error = ((half - exact).norm() / exact.norm()).item()
    if not error < 0.01:
        raise ArithmeticError(f"fp16 differs from fp32 by a share of {error:.2g}")
    return {"error": error}


def training(device="cuda"):
    """One step of a small convolutional network under autocast, with scaled gradients."""
    torch = torch_on_gpu() if device == "cuda" else need("torch")
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten())
    net = torch.nn.Sequential(*layers, torch.nn.Linear(8 * 14 * 14, 2)).to(device)
    images = torch.randn(16, 3, 16, 16, device=device)
    labels = torch.arange(16, device=device) % 2
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler(device, init_scale=1024.0)
    dtype = torch.float16 if device == "cuda" else torch.bfloat16
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        with torch.autocast(device, dtype=dtype):
            loss = torch.nn.functional.cross_entropy(net(images), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    if not losses[-1] < losses[0]:
        raise ArithmeticError(f"the loss does not fall: {losses}")
    return {"losses": losses}


def bf16():
    """Whether bfloat16 is the card's own; software can pretend."""
    torch = torch_on_gpu()
    claimed = bool(torch.cuda.is_bf16_supported())
    try:
        native = bool(torch.cuda.is_bf16_supported(including_emulation=False))
    except TypeError:  # releases that did not emulate
        native = claimed
    return {"native": native, "claimed": claimed}


def flash_attention():
    """Whether FlashAttention can be imported; libraries then choose it by themselves."""
    need("flash_attn")
    return {"version": importlib.metadata.version("flash_attn")}


def xgboost():
    """Ten rows on the card."""
    xgboost = need("xgboost")
    if not xgboost.build_info().get("USE_CUDA"):
        return {"version": xgboost.__version__, "cuda": False}
    import numpy

    rows = numpy.arange(20.0).reshape(10, 2)
    matrix = xgboost.DMatrix(rows, rows[:, 0])
    model = xgboost.train({"device": "cuda", "verbosity": 0}, matrix, num_boost_round=2)
    used = json.loads(model.save_config())["learner"]["generic_param"]["device"]
    return {"version": xgboost.__version__, "cuda": used.startswith("cuda")}


def tensorflow():
    """A convolution, where TensorFlow is installed."""
    tensorflow = need("tensorflow")
    gpus = len(tensorflow.config.list_physical_devices("GPU"))
    images, kernel = tensorflow.ones((1, 8, 8, 3)), tensorflow.ones((3, 3, 3, 4))
    total = float(tensorflow.reduce_sum(tensorflow.nn.conv2d(images, kernel, 1, "VALID")))
    return {"version": tensorflow.__version__, "gpus": gpus, "sum": total}


def jax():
    """A convolution, where JAX is installed."""
    jax = need("jax")
    images, kernel = jax.numpy.ones((1, 3, 8, 8)), jax.numpy.ones((4, 3, 3, 3))
    total = float(jax.lax.conv(images, kernel, (1, 1), "VALID").sum())
    gpus = sum(device.platform == "gpu" for device in jax.devices())
    return {"version": jax.__version__, "gpus": gpus, "sum": total}


PARTS = {
    part.__name__: part
    for part in (
        *(machine, packages, torch, card, matmul, training),
        *(bf16, flash_attention, xgboost, tensorflow, jax),
    )
}


def main(names):
    """Run parts in order and tell of each."""
    # Else the first of these libraries takes the whole card.
    os.environ.update(TF_FORCE_GPU_ALLOW_GROWTH="true", XLA_PYTHON_CLIENT_PREALLOCATE="false")
    for name in names:
        tell({"part": name, "state": "begun"})
        try:
            tell({"part": name, "state": "done", "values": PARTS[name]()})
        except Absent as reason:
            tell({"part": name, "state": "absent", "reason": str(reason)})
        except BaseException as error:
            words = f"{type(error).__name__}: {error}"[:600]
            tell({"part": name, "state": "failed", "reason": words})


def tell(line):
    print(MARK + json.dumps(line), flush=True)
