# Sourced: a fresh house, with a daemon on a free port of loopback, and who may ask it.

house=""
daemon=""

# A house in which nobody serves yet.
house_made() {
  house="$(mktemp -d)"
  export ROTA_BIN="$1" ROTA_STATE="$house/state" ROTA_CONFIG="$house/rota.toml"
  export ROTA_TOKEN_FILE="$house/token" ROTA_LISTING="$house/listing.json" ROTA_URL=""
  # Clients keep things at home; a proxy has no business with loopback; nothing of the machine's settings.
  export HOME="$house" MCP_REMOTE_CONFIG_DIR="$house/mcp-remote" NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
  unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy ROTA_TOKEN ROTA_DATABASE_URL
  cat >"$ROTA_CONFIG" <<TOML
timezone = "Europe/Berlin"
[people]
me = "Ada"
[mcp]
port = 0
rate_limit = 100000
TOML
  "$1" project add Website >/dev/null
  "$1" task add "Fix the footer" --project Website >/dev/null
  (umask 077 && "$1" token create peers --json | sed -n 's/.*"secret": *"\([^"]*\)".*/\1/p' >"$ROTA_TOKEN_FILE")
  [ -s "$ROTA_TOKEN_FILE" ] || { echo "tests/peers: no token was made" >&2; return 1; }
}

house_begin() {
  house_made "$1"
  house_serve "$1"
  house_listing
}

# Starts the daemon and waits for the line that says where it listens.
house_serve() {
  local line
  mkfifo "$house/said"
  (cd "$house" && exec "$1" serve >"$house/said" 2>"$house/log") &
  daemon=$!
  exec 4<"$house/said"
  while read -r -t 60 line <&4; do
    case "$line" in
      ready*)
        ROTA_URL="http://$(sed -n 's/.*addr=\([^ ]*\).*/\1/p' <<<"$line")/mcp"
        break
        ;;
    esac
  done
  [ -n "$ROTA_URL" ] || { echo "tests/peers: the daemon did not become ready" >&2; return 1; }
}

# The tools as they come when they are asked for by hand: what every client has to find.
house_listing() {
  local address="${ROTA_URL#http://}" body='{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}'
  address="${address%/mcp}"
  exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
  printf 'POST /mcp HTTP/1.0\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$address" "$(cat "$ROTA_TOKEN_FILE")" "${#body}" "$body" >&3
  sed '1,/^\r$/d' <&3 >"$ROTA_LISTING"
  exec 3>&- 3<&-
}

# The daemon is asked to end, and has to end well. The house is still there.
house_rests() {
  kill -TERM "$daemon"
  wait "$daemon" || { echo "WRONG: the daemon ended with $?" >&2; return 1; }
  daemon=""
  exec 4<&-
}

house_end() {
  [ -z "$daemon" ] || house_rests
  rm -rf "$house"
  house=""
}

house_gone() {
  local code=$?
  if [ -n "$daemon" ]; then
    kill -TERM "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
  fi
  if [ "$code" -ne 0 ] && [ -s "$house/log" ]; then
    echo "-- the daemon's log ends with:" >&2
    tail -n 20 "$house/log" >&2
  fi
  [ -z "$house" ] || rm -rf "$house"
  exit "$code"
}
