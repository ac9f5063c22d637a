"""Find a browser for the tests; with --install, install Debian's Chromium where that can be done.

Looked for, in this order: what CHROME names, Chromium's headless shell, a Chromium or Chrome on the PATH,
Playwright's own. The shell is Chromium without its window, whose menus cost more time than most pages of the tests;
what belongs to the window, such as a cache for the way back, needs the whole one.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

SHELL = "chromium-headless-shell"
NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
WHAT_TO_DO = """No Chromium or Chrome was found for the tests of the built site. Do one of these:
  - install one: `apt-get install chromium`, or `.venv/bin/playwright install chromium`
  - say where it is: CHROME=/path/to/chrome make test"""
PACKAGES = {
    "chromium": ["chromium", SHELL],
    "firefox": ["firefox-esr"],
    "webkit": ["webkit2gtk-driver", "xvfb"],
}
# No sandbox: a container's root may not make one. No name is found but this machine's own, so that nothing is asked of
# another host; the rest keeps the browser from asking for updates.
ARGUMENTS = [
    "--no-sandbox",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find(whole=False):
    """The path of a browser, or None; with `whole`, of one that has a window."""
    if named := os.environ.get("CHROME"):
        return shutil.which(named)
    on_path = (shutil.which(name) for name in (NAMES if whole else [SHELL, *NAMES]))
    return next((path for path in on_path if path), None) or playwrights_own()


def find_firefox():
    if named := os.environ.get("FIREFOX"):
        return shutil.which(named)
    return shutil.which("firefox-esr") or shutil.which("firefox")


def complaint(name):
    """What to do where a browser is not there, or ""."""
    if name == "chromium":
        return "" if find(whole=True) else WHAT_TO_DO
    there = (
        find_firefox()
        if name == "firefox"
        else shutil.which("WebKitWebDriver") and shutil.which("Xvfb")
    )
    return "" if there else f"No {name} was found: apt-get install {' '.join(PACKAGES[name])}"


def playwrights_own():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install(packages):
    """Debian's browsers, where apt-get works and nobody has to type a password."""
    if not shutil.which("apt-get"):
        return
    sudo = []
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            return
        sudo = ["sudo", "-n"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    print(f"Not found: installing Debian's {', '.join(packages)}.", flush=True)
    get = ["install", "--yes", "--no-install-recommends"]
    for command in (["update"], *([*get, package] for package in packages)):  # not all have all
        subprocess.run([*sudo, "apt-get", "--quiet", *command], env=environment, stdout=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--install", action="store_true", help="install what is not there")
    parser.add_argument("--also", nargs="+", default=[], choices=PACKAGES, metavar="NAME")
    wanted = parser.parse_args()
    names = ["chromium", *wanted.also]
    absent = [name for name in names if complaint(name)]
    if absent and wanted.install:
        install([package for name in absent for package in PACKAGES[name]])
    if complaints := [said for name in names if (said := complaint(name))]:
        sys.exit("\n".join(complaints))
    print(f"Found: {', '.join(names)}")


if __name__ == "__main__":
    main()
