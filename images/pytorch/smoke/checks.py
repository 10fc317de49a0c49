"""torch is of the image's CUDA, and loads the very files of /usr/local/cuda."""

from __future__ import annotations

import json

from lapstrake.smoke.checking import Failed, Skipped, check
from lapstrake.smoke.context import Context

# The files that a process has mapped are known by device and inode: links don't matter.
_PROGRAM = """
import json, os, torch
from pathlib import Path
maps = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
toolkit = {}
for name in ("libcudart", "libcublas", "libcudnn"):
    files = [p for p in maps if Path(p).name.startswith(name + ".so")]
    theirs = {os.path.realpath(p) for p in Path("/usr/local/cuda/lib64").glob(name + ".so.*")}
    toolkit[name] = {"loaded": sorted(map(os.path.realpath, files)), "toolkit": sorted(theirs)}
product = torch.tensor([[1.0, 2.0], [3.0, 4.0]]) @ torch.tensor([[5.0, 6.0], [7.0, 8.0]])
print(json.dumps({"cuda": torch.version.cuda, "files": toolkit, "product": product.tolist()}))
"""


@check("torch-cuda", kind="cpu")
def torch_cuda(ctx: Context) -> None:
    """Version, libraries, a product."""
    if ctx.image.cuda is None:
        raise Skipped("the image has no CUDA")
    found = json.loads(ctx.guest.need("python3", "-c", _PROGRAM).splitlines()[-1])
    if not str(found["cuda"]).startswith(ctx.image.cuda.folder):
        raise Failed(f"a torch of CUDA {ctx.image.cuda.folder}", str(found["cuda"]))
    if found["product"] != [[19.0, 22.0], [43.0, 50.0]]:
        raise Failed("[[19, 22], [43, 50]] as the product", f"{found['product']}")
    for name, files in found["files"].items():
        if not files["loaded"] or files["loaded"] != files["toolkit"]:
            raise Failed(f"torch to load the {name} of /usr/local/cuda", json.dumps(files))
