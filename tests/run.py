#!/usr/bin/env python3
"""Builds every variant and runs every test. The last line is `N passed, N failed`.

Stages (all of them unless some are named): lint gcc asan tsan clang fuzz integration"""

import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = str(os.cpu_count() or 2)
PEERS = str(3 * int(JOBS))  # integration tests at once: they wait more than they work
FUZZ_SECONDS = os.environ.get("FUZZ_SECONDS", "30")

VARIANTS = {
    "gcc": ("gcc", ["--buildtype=release"]),
    "asan": ("gcc", ["--buildtype=debugoptimized", "-Db_sanitize=address,undefined"]),
    "tsan": ("gcc", ["--buildtype=debugoptimized", "-Db_sanitize=thread"]),
    "clang": ("clang", ["--buildtype=debugoptimized", "-Db_sanitize=address,undefined",
                        "-Db_lundef=false", "-Dfuzz=true"]),
}

# The same worlds in every run: what fails here failed because of the change. SIM_SEED=$RANDOM looks for new ones.
os.environ.setdefault("SIM_SEED", "1")

SANITIZERS = {
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99:print_stacktrace=1",
    "TSAN_OPTIONS": "exitcode=99:suppressions=" + os.path.join(ROOT, "tests/support/tsan.supp"),
}


class Count:
    passed = 0
    failed = 0

    @classmethod
    def add(cls, name, passed, failed, output=""):
        cls.passed += passed
        cls.failed += failed
        if failed:
            print(f"FAILED {name}\n{output[-6000:]}", flush=True)


def say(text):
    print(f"== {text}", flush=True)


def run(args, timeout=900, **env):
    """Output and exit code of a program; a program that hangs has failed."""
    try:
        p = subprocess.run(args, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                           env=dict(os.environ, **SANITIZERS, **env), check=False)
        return p.stdout.decode("utf-8", "replace"), p.returncode
    except subprocess.TimeoutExpired as e:
        return (e.stdout or b"").decode("utf-8", "replace") + "\ntimed out\n", 124


def build(variant):
    compiler, options = VARIANTS[variant]
    folder = os.path.join(ROOT, f"build-{variant}")
    say(f"build with {variant}")
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        out, code = run(["meson", "setup", folder, "-Dtests=true", *options], CC=compiler)
        if code:
            Count.add(f"set-up of {variant}", 0, 1, out)
            return None
    out, code = run(["ninja", "-C", folder, "-j", JOBS])
    Count.add(f"build of {variant}", code == 0, code != 0, out)
    return folder if code == 0 else None


def each(jobs):
    """Runs jobs of (name, function giving output and exit code) on all processors; their results in order."""
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        running = [(name, pool.submit(job)) for name, job in jobs]
        for name, result in running:
            yield (name, *result.result())


def programs(folder, *patterns):
    """The programs of a build, those of the first pattern first."""
    for pattern in patterns:
        for program in sorted(glob.glob(os.path.join(folder, "tests", pattern))):
            if os.access(program, os.X_OK) and not os.path.isdir(program) and "." not in os.path.basename(program):
                yield program


def cmocka(folder, *patterns, **env):
    """Every program of some kinds in a build, with the tests that it counts itself."""
    jobs = [(os.path.basename(p), lambda p=p: run([p], **env)) for p in programs(folder, *patterns)]
    for name, out, code in each(jobs):
        passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", out))
        failed = sum(int(n) for n in re.findall(r"(\d+) FAILED TEST", out))
        if code and not failed:
            failed = 1
        Count.add(f"{os.path.basename(folder)}/{name}", passed, failed, out)


def stage_lint():
    say("lint")
    for script in sorted(glob.glob(os.path.join(ROOT, "tests/lint/check_*.py"))):
        out, code = run([sys.executable, script])
        Count.add(os.path.basename(script), code == 0, code != 0, out)


def stage_gcc():
    folder = build("gcc")
    if folder:
        say("simulated calls at full speed")
        cmocka(folder, "sim-random", "sim-network", SIM_CALLS=os.environ.get("SIM_CALLS", "100000"))
        cmocka(folder, "unit-*")
        say("the binary as it is shipped, with its heap failing")
        pytest(folder, "integration with failing memory", "-k", "test_memory")


def stage_asan():
    folder = build("asan")
    if folder:
        say("unit tests and simulation under address and undefined-behaviour sanitizers")
        cmocka(folder, "sim-*", "unit-*", SIM_CALLS="5000")
        failing_memory(folder)


def failing_memory(folder):
    """Unit tests with each request for memory failing in turn; FAULT_SEED=$RANDOM looks at others."""
    say("unit tests with each request for memory failing in turn")
    cmocka(folder, "fault-*")


def stage_clang():
    folder = build("clang")
    if folder:
        say("unit tests and simulation, clang")
        cmocka(folder, "sim-*", "unit-*", SIM_CALLS="3000")


def fuzz(program):
    with tempfile.TemporaryDirectory() as scratch:
        # entropic scheduling costs more than running an input where coverage is large
        return run([program, "-entropic=0", f"-max_total_time={FUZZ_SECONDS}", "-max_len=8192", "-timeout=20",
                    f"-artifact_prefix={scratch}/", "-print_final_stats=1", scratch,
                    os.path.join(ROOT, "tests/fuzz/corpus", os.path.basename(program)[len("fuzz-"):])])


def stage_fuzz():
    folder = os.path.join(ROOT, "build-clang")
    say(f"fuzzing, {FUZZ_SECONDS} s each")
    jobs = [(os.path.basename(p), lambda p=p: fuzz(p)) for p in programs(folder, "fuzz-*")]
    for name, out, code in each(jobs):
        Count.add(name, code == 0, code != 0, out)


def pytest(folder, name, *selection):
    """The integration tests against one build of the binary."""
    with tempfile.TemporaryDirectory() as scratch:
        report = os.path.join(scratch, "report.xml")
        out, code = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "-n", PEERS,
                         f"--junitxml={report}", os.path.join(ROOT, "tests/integration"), *selection],
                        timeout=1200, SIPWARD=os.path.join(folder, "sipward"))
        if not os.path.exists(report):
            Count.add(name, 0, 1, out)
            return
        suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
        bad = int(suite.get("failures")) + int(suite.get("errors"))
        good = int(suite.get("tests")) - bad - int(suite.get("skipped"))
        Count.add(name, good, bad if bad or code in (0, 5) else 1, out)


def stage_integration():
    folder = os.path.join(ROOT, "build-asan")
    say("integration tests against the binary under address and undefined-behaviour sanitizers")
    pytest(folder, "integration")


def stage_tsan():
    folder = build("tsan")
    if folder:
        say("two workers under the thread sanitizer")
        cmocka(folder, "unit-loop-mailbox")
        pytest(folder, "integration under tsan", "-k", "workers or two_workers or stop or session_is_resumed or responder")


STAGES = ["lint", "gcc", "asan", "integration", "tsan", "clang", "fuzz"]


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("stages", nargs="*", default=STAGES, help="stages to run")
    wanted = p.parse_args().stages
    for stage in wanted:
        started = time.monotonic()
        globals()[f"stage_{stage}"]()
        print(f"   {stage}: {time.monotonic() - started:.0f} s, {Count.passed} passed, {Count.failed} failed "
              "so far", flush=True)
    print(f"{Count.passed} passed, {Count.failed} failed")
    return 1 if Count.failed or not Count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
