"""Packs a program into an image of one layer that `ctr images import` takes: no daemon, no registry."""

import hashlib
import io
import json
import tarfile


def pack(name, archive, program, command):
    """An image with one program at `command[0]`, run as nobody."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
        with open(program, "rb") as file:
            add(tar, command[0], file.read(), 0o755)
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps({
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": command, "Env": ["PATH=/"], "User": "65532:65532"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}.tar"]}]
    with tarfile.open(archive, "w") as tar:
        add(tar, config_name, config)
        add(tar, f"{digest}.tar", layer.getvalue())
        add(tar, "manifest.json", json.dumps(manifest).encode())


def add(tar, path, content, mode=0o644):
    """One file."""
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
