#!/bin/sh
# Fetches what this machine lacks: bootstrap.sh check (Python packages), run (and RabbitMQ), test (and Chromium).
set -eu
cd "$(dirname "$0")/../.."

refuse() {
    echo "portico: $1" >&2
    exit 1
}

install_with_apt() { # $1 = Debian packages, $2 = what to do without apt
    command -v apt-get >/dev/null || refuse "$2"
    if [ "$(id -u)" = 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null; then
        as_root="sudo"
    else
        refuse "$2 (There is apt-get here, but neither root nor sudo.)"
    fi
    echo "portico: installing with apt-get: $1"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086  # the words of $as_root and $1 are meant to be split
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $1 >/dev/null
}

need_python_packages() {
    if [ ! -x .venv/bin/python ]; then
        python=$(command -v python3.11 || command -v python3) || refuse "Python 3.11 or newer is needed."
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || refuse "Python 3.11 or newer is needed."
        "$python" -c 'import ensurepip' 2>/dev/null ||
            install_with_apt python3-venv "Python's venv module is needed (Debian: python3-venv)."
        "$python" -m venv .venv
    fi
    if ! cmp -s requirements.lock .venv/installed.lock; then
        echo "portico: installing the locked Python packages"
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
        cp requirements.lock .venv/installed.lock
    fi
}

need_rabbitmq() {
    [ -n "${RABBITMQ_URL:-}" ] && return
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null ||
        install_with_apt rabbitmq-server "RabbitMQ 3.10 or newer is needed: install it, or set RABBITMQ_URL."
}

need_mongod() {
    [ -n "${MONGO_URL:-}" ] || command -v mongod >/dev/null && return
    # The one from the Python package is linked against it, and small systems come without.
    ldconfig -p | grep -q 'libcurl\.so\.4 ' || install_with_apt libcurl4 "libcurl 4 is needed: install it, or MongoDB, or set MONGO_URL."
}

need_chromium() {
    # Playwright drives it through a Node.js that is linked against this library.
    ldconfig -p | grep -q 'libatomic\.so\.1 ' || install_with_apt libatomic1 "libatomic 1 is needed for the browser tests."
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
        install_with_apt chromium "Chromium is needed for the browser tests."
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
    *) refuse "unknown step: $1" ;;
esac
