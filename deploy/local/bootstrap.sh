#!/bin/sh
# Fetches what this machine lacks: bootstrap.sh check (Python packages), run (and RabbitMQ), test (and Chromium),
# peer (and PostgreSQL, for the reference run of the benchmark).
# What it cannot fetch it names in one sentence; the next start takes up where this one ended.
set -eu
cd "$(dirname "$0")/../.."

RECENT='import sys; sys.exit(sys.version_info < (3, 11))'

refuse() {
    echo "portico: $1" >&2
    exit 1
}

last_complaint() { # $1 = what a program said: its last error, else its last line
    printf '%s\n' "$1" | { grep -E '^(ERROR|E): ' || printf '%s\n' "$1"; } | tail -n 1 | cut -c 1-300
}

install_with_apt() { # $1 = Debian packages, $2 = what is needed, and other ways to it
    command -v apt-get >/dev/null || refuse "$2"
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            refuse "$2 Neither root nor sudo is here to do it. An administrator can: apt-get install $1"
        # Without a terminal sudo cannot ask for the password; with one it asks here, where the question is seen.
        sudo -n true 2>/dev/null || { (: </dev/tty) 2>/dev/null && sudo -v; } ||
            refuse "$2 sudo did not allow it without a password. An administrator can: apt-get install $1"
        as_root="sudo"
    fi
    echo "portico: installing with apt-get: $1"
    # shellcheck disable=SC2086  # the words of $as_root and $1 are meant to be split
    said=$({ $as_root apt-get update -qq &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            -o DPkg::Lock::Timeout=120 $1; } 2>&1) ||
        refuse "$2 apt-get could not install $1; is there a network? It said: $(last_complaint "$said")"
}

make_environment() {
    for python in python3.11 python3 python3.12 python3.13 python3.14 ""; do
        [ -n "$python" ] || refuse "Python 3.11 or newer is needed; here is $(python3 -V 2>/dev/null || echo none)."
        "$python" -c "$RECENT" 2>/dev/null && break
    done
    "$python" -c 'import ensurepip' 2>/dev/null ||
        install_with_apt "$("$python" -c 'import sys; print(f"python3.{sys.version_info[1]}-venv")')" \
            "Python's venv module is needed."
    rm -rf .venv
    said=$("$python" -m venv .venv 2>&1) || refuse "The folder .venv could not be made: $(last_complaint "$said")"
}

need_python_packages() {
    [ -x .venv/bin/python ] && [ ! -e .venv/unfinished ] && cmp -s requirements.lock .venv/installed.lock && return
    # What was interrupted is begun anew: pip would take half a package for a whole one.
    if [ -e .venv/unfinished ] || ! .venv/bin/python -c "import pip; $RECENT" 2>/dev/null; then
        make_environment
    fi
    echo "portico: installing the locked Python packages"
    : >.venv/unfinished
    said=$(.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock 2>&1) ||
        refuse "The Python packages could not be installed; is there a network? pip said: $(last_complaint "$said")"
    cp requirements.lock .venv/installed.lock
    rm .venv/unfinished
}

has_library() { # $1 = its name
    # Not every user has ldconfig's folder in the path.
    PATH="$PATH:/usr/sbin:/sbin" ldconfig -p | grep -qF "$1 "
}

need_rabbitmq() {
    [ -n "${RABBITMQ_URL:-}" ] && return
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null ||
        install_with_apt rabbitmq-server \
            "RabbitMQ 3.10 or newer is needed: install it (Fedora: dnf install rabbitmq-server), or set RABBITMQ_URL."
}

need_mongod() {
    [ -n "${MONGO_URL:-}" ] || command -v mongod >/dev/null && return
    # The one from the Python package is linked against it, and small systems come without.
    has_library libcurl.so.4 || install_with_apt libcurl4 \
        "libcurl 4 is needed: install it (Fedora: dnf install libcurl), or install MongoDB, or set MONGO_URL."
}

need_postgresql() {
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || install_with_apt postgresql \
        "PostgreSQL is needed for the reference run: install it as Debian does, below /usr/lib/postgresql."
}

need_chromium() {
    # Playwright drives it through a Node.js that is linked against this library.
    has_library libatomic.so.1 || install_with_apt libatomic1 \
        "libatomic 1 is needed for the browser tests: install it (Fedora: dnf install libatomic)."
    for browser in chromium-headless-shell google-chrome chromium chromium-browser; do
        # Ubuntu's program of that name may be nothing but a word about a snap.
        "$browser" --version >/dev/null 2>&1 && return
    done
    # Its package of that name holds no browser, it installs a snap.
    ! grep -qs '^ID=ubuntu$' /etc/os-release ||
        refuse "Chromium is needed for the browser tests, and Ubuntu has no package of it: install Google Chrome."
    # The browser without its windows, where there is a package of it: a page costs it a third of the processor time.
    (install_with_apt chromium-headless-shell "") 2>/dev/null ||
        install_with_apt chromium "Chromium is needed for the browser tests: install it (Fedora: dnf install chromium)."
}

need_python_packages
case "${1:-check}" in
    check | lock) ;;
    run)
        need_mongod
        need_rabbitmq
        ;;
    test)
        MONGO_URL="" need_mongod
        RABBITMQ_URL="" need_rabbitmq
        need_chromium
        ;;
    peer) need_postgresql ;;
    *) refuse "unknown step: $1" ;;
esac
