"""A process that starts another in a process group of its own, writes both pids, and sleeps: a worker with a run."""

import os
import subprocess
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
    (folder / "writing").write_text(f"{os.getpid()} {grandchild.pid}")
    (folder / "writing").rename(folder / "pids")
    time.sleep(600)
