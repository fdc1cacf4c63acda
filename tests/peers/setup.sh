# Sourced: gets the clients of package-lock.json and requirements.txt into a folder that is kept.

peers="${ROTA_PEERS:-$root/target/peers}"
mkdir -p "$peers"
node_program=""

skip() { printf -- '-- skipped: %s\n' "$*"; }

# Whether a failed installation is the network's fault: then there is nothing to be tried.
is_out_of_reach() {
  grep -qiE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET|E40[13]|proxy|network|CERT|NewConnectionError|ConnectTimeout|ReadTimeout|Max retries|name resolution' "$1"
}

# `install NAME LIST COMMAND…`: only when the list is another than last time.
install() {
  local name="$1" list="$2" log="$peers/$1.log" stamp="$peers/$1.installed"
  shift 2
  cmp -s "$list" "$stamp" && return 0
  rm -f "$stamp"
  if "$@" >"$log" 2>&1; then
    cp "$list" "$stamp"
    return 0
  fi
  if is_out_of_reach "$log"; then
    skip "$name: the registry cannot be reached from here"
    return 1
  fi
  cat "$log" >&2
  echo "tests/peers: $name could not be installed" >&2
  exit 1
}

npm_packages() {
  cp "$here/package.json" "$here/package-lock.json" "$peers"
  # No scripts of packages: nothing here needs them.
  # Not `ci`: not every registry has each optional package. What the lock file names is held to.
  npm install --prefix "$peers" --ignore-scripts --no-save --no-audit --no-fund --prefer-offline \
    --fetch-retries 1 --fetch-retry-mintimeout 1000
}

python_packages() {
  rm -rf "$peers/python"
  python3 -m venv "$peers/python" &&
    "$peers/python/bin/pip" install --disable-pip-version-check --retries 1 --no-deps -r "$here/requirements.txt"
}

# The clients need a newer Node than many systems have; one comes with the packages.
has_node() {
  command -v npm >/dev/null || { skip "JavaScript clients: npm is not here"; return 1; }
  install "JavaScript clients" "$here/package-lock.json" npm_packages || return 1
  local found
  for found in "$peers"/node_modules/node-linux-*/bin/node "$(command -v node)"; do
    if [ -x "$found" ] && "$found" -e 'process.exit(+(process.versions.node.split(".")[0] < 22))'; then
      node_program="$found"
      return 0
    fi
  done
  skip "JavaScript clients: no Node of version 22 or newer is here"
  return 1
}

has_python() {
  if ! python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    skip "Python's client: no Python 3.11 with venv is here"
    return 1
  fi
  install "Python's client" "$here/requirements.txt" python_packages
}
