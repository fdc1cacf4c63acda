# Sourced: the official conformance suite, with authentication on.

# `conformance NAME REVISION [BASELINE]`: what a revision requires of a server. A scenario that fails and is
# not in the baseline is wrong, and so is one in the baseline that passes; without a baseline all pass.
conformance() {
  NODE_OPTIONS="--import file://$peers/authorize.mjs" \
    suite "$1" "$2" "${3:-}" server --url "$ROTA_URL"
}

# The same of a client: ours, as playbooks use other servers.
conformance_of_client() {
  suite "as a client" "$1" "$2" client --command "$node $peers/client.mjs"
}

# `suite NAME REVISION BASELINE WORDS…`
suite() {
  local name="$1" revision="$2" baseline="$3" log="$house/conformance.log"
  local program="$peers/node_modules/@modelcontextprotocol/conformance/dist/index.js"
  shift 3
  if ! timeout 300 "$node" "$program" "$@" \
    --requirements "$revision" ${baseline:+--expected-failures "$baseline"} \
    --output-dir "$house/conformance" </dev/null >"$log" 2>&1; then
    tail -n 80 "$log"
    echo "WRONG: conformance, $name, $revision"
    return 1
  fi
  # Each scenario has a line in the summary; those that do not count are listed once more below it.
  local pass beside fail
  pass="$(grep -c '^✓ ' "$log" || true)"
  beside="$(grep -c '^  ✓ ' "$log" || true)"
  fail="$(grep -c '^  ~ ' "$log" || true)"
  echo "ok: conformance, $name, $revision: of what counts $((pass - beside)) pass, $fail fail as the baseline says"
}
