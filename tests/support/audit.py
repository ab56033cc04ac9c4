"""Check every pinned package for advisories: `make audit` runs this in pip-audit's own environment.

pip-audit says "No known vulnerabilities found" even if it could not look anything up; this tells the two apart.
Exit code 1: a known vulnerability. 2: a package could not be looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

N_NAMED = 5


def judge(packages: Sequence[dict[str, Any]]) -> tuple[int, list[str]]:
    """The exit code and the message for the packages of pip-audit's JSON report."""
    found = [
        f"{one['name']} {one['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in packages
        for flaw in one.get("vulns", [])
    ]
    skipped = [one["name"] for one in packages if "skip_reason" in one]
    n_audited = len(packages) - len(skipped)
    if not n_audited:
        return 2, ["Nothing was audited: the advisories could not be reached. Run this where pypi.org answers."]
    if skipped:
        names = ", ".join(skipped[:N_NAMED]) + (", ..." if len(skipped) > N_NAMED else "")
        found.append(f"{len(skipped)} of {len(packages)} packages could not be looked up: {names}")
    code = 1 if len(found) > bool(skipped) else 2 if skipped else 0
    return code, found or [f"{n_audited} packages audited: no known vulnerability"]


def audit(pip_audit: str, pins: Path) -> list[dict[str, Any]]:
    """Run pip-audit on the pinned packages and return its report; an empty list if it failed before it had one."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json", "-o", str(report)]
        done = subprocess.run([pip_audit, "-r", str(pins), *options], capture_output=True, text=True, check=False)
        if not report.exists():
            print(done.stderr.strip().rpartition("\n")[2], file=sys.stderr)  # a traceback's last line says why
            return []
        return json.loads(report.read_text(encoding="utf-8"))["dependencies"]


if __name__ == "__main__":
    code, lines = judge(audit(sys.argv[1], Path(sys.argv[2])))
    print("\n".join(lines), file=sys.stderr if code else sys.stdout)
    sys.exit(code)
