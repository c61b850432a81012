"""What `--help` and the manual pages say, against what the program knows."""

import os
import re

import pytest

from conftest import ROOT
from lab.gateway import run

COMMANDS = ["run", "check", "ctl", "probe", "explain", "pki", "version"]
MAN = os.path.join(ROOT, "docs", "man")


def plain(name):
    """A manual page without macros and escapes."""
    with open(os.path.join(MAN, name), encoding="ascii") as f:
        text = f.read()
    text = re.sub(r"\bFl Fl ", "--", re.sub(r"\bFl ([a-z])\b", r"-\1", text.replace("\\", "")))
    return re.sub(r" No [*+]", "", text)


def test_help_names_every_command():
    out = run("help")
    assert out.returncode == 0
    assert [line.split()[0] for line in out.stdout.splitlines() if re.match(r"  [a-z]+ ", line)] == COMMANDS + ["help"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_answers_the_same_however_it_is_asked(command):
    asked = [run("help", command), run(command, "--help"), run(command, "-h")]
    assert all(x.returncode == 0 and not x.stderr for x in asked)
    assert len({x.stdout for x in asked}) == 1
    text = asked[0].stdout
    assert text.startswith(f"usage: sipward {command}") and "Exit:" in text
    for option in re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", text.splitlines()[0]):
        assert re.search(rf"^  .*{option}\b", text, re.M), f"{option} is not explained"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_manual_has_each_option_of_the_help(command):
    man = plain("sipward.8")
    assert re.search(rf"^\.Cm {command}\b|^\.It Cm {command}\b", man, re.M)
    part = man.split(f"\n.It Cm {command}", 1)[1].split("\n.It Cm ", 1)[0]
    for option in re.findall(r"^  (-{1,2}[a-z][a-z-]*)", run("help", command).stdout, re.M):
        assert re.search(rf"{option}\b", part), f"{option} of {command}"


def test_the_help_of_ctl_names_each_question_that_is_known():
    text = run("help", "ctl").stdout
    for word in ("status", "peers", "connections", "registrations", "transactions", "certificates", "failures", "reload", "revocation",
                 "drain"):
        assert re.search(rf"^  {word} ", text, re.M)
        assert re.search(rf"\b{word}\b", plain("sipward.8").split(".It Cm ctl", 1)[1].split(".It Cm ", 1)[0])


def test_the_manual_has_each_key_of_the_configuration():
    """Keys of the mappings that have no effect yet are left to docs/config.md."""
    man = plain("sipward.yaml.5")
    with open(os.path.join(ROOT, "src", "daemon", "directives.c"), encoding="utf-8") as f:
        keys = set(re.findall(r'\{"([a-z_]+)",\s*SW_KEY', f.read()))
    silent = {"enabled", "realm", "algorithms", "min_expires", "max_expires"}
    assert keys > silent and not {k for k in keys - silent if not re.search(rf"\b{k}\b", man)}


def test_the_manual_of_section_1_leads_to_that_of_section_8():
    with open(os.path.join(MAN, "sipward.1"), encoding="ascii") as f:
        assert f.read() == ".so man8/sipward.8\n"
