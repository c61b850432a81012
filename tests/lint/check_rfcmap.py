"""docs/rfc-map.md is what the citations in code and tests make it, and docs/requirements.tsv names what exists."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.exit(subprocess.run([sys.executable, os.path.join(ROOT, "tools", "rfcmap.py"), "--check"], check=False).returncode)
