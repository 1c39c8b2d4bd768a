"""Images and containers for Scripts/containers and Scripts/kubernetes. To import it is to install what it needs."""
import os
import pathlib
import site
import subprocess
import sys

if "CONTAINERS_INSIDE" not in os.environ:
    subprocess.run([pathlib.Path(__file__).resolve().parent.parent / "bootstrap", "containers"], check=True)
    if os.geteuid() != 0:
        sys.exit("run it as root: it mounts file systems and creates namespaces")
for packages in pathlib.Path(__file__).resolve().parent.parent.parent.glob(".build/venv/lib/python3*/site-packages"):
    site.addsitedir(str(packages))
