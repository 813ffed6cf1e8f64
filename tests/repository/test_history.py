"""No secret in any version of any file, as far back as this clone reaches; and nothing installed without a hash."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.repository.secrets import SECRETS
from tests.stack import ROOT

# Names of files that hold secrets where the system runs.
_PRIVATE = re.compile(r"(?:^|/)(?:\.env|stack\.env|credentials\.env|credentials\.json|id_rsa|.*\.pem|.*\.key|.*\.p12)$")


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True, timeout=120)
    return done.stdout.decode("utf-8", "replace")


def test_no_version_of_a_file_holds_a_secret() -> None:
    # Every line that a commit ever added; a shallow clone has its last commit, as one that adds everything.
    added = git("log", "--all", "--no-color", "--root", "-p", "--unified=0", "--no-renames", "--no-ext-diff")
    assert "+++ b/" in added
    found = [line[:100] for line in added.splitlines() if line.startswith("+") and SECRETS.search(line)]
    assert found == []


def test_no_private_file_was_ever_committed() -> None:
    names = set(git("log", "--all", "--root", "--name-only", "--format=", "--no-renames").splitlines())
    assert "README.md" in names
    assert [name for name in sorted(names) if _PRIVATE.search(name)] == []


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE " + "KEY-----",
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "https://discord.com/api/webhooks/" + "1" * 18 + "/" + "a" * 68,
        "MILVUS_PASSWORD=" + "Aa1-" + "0123456789abcdef" * 2,
        "hf_" + "a" * 34,
    ],
)
def test_a_secret_would_be_seen(text: str) -> None:
    assert SECRETS.search(f"+ {text}")


def test_everything_is_installed_by_hash() -> None:
    files = [*ROOT.glob("requirements*.txt"), *ROOT.glob("*/*/requirements.txt"), *ROOT.glob("*/requirements.txt")]
    assert len(files) >= 7
    for file in files:
        if file.name == "requirements-torch.txt":
            continue  # one version, other files for CPU and GPU: see docs/security.md
        blocks = re.split(r"\n(?=[a-zA-Z0-9])", file.read_text())
        pinned = [block for block in blocks if re.match(r"[a-zA-Z0-9._-]+(?:\[[a-z,]+\])?==", block)]
        assert pinned, file
        assert all("--hash=sha256:" in block for block in pinned), file
