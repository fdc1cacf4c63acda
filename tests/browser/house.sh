# Sourced: houses, each in a folder of its own with a daemon that has the pages: one in which nothing has happened
# yet, the demo's, one in which a day has passed, one into which texts that mean harm can be planted.

# In which house everything is done from now on.
settled() {
  house="$houses/$1" url="" link="" ada="" bob="" eve="" robot="" harm="" again=""
  mkdir -p "$house"
}

rota() { (cd "$house" && HOME="$house" MCP_SERVER_PORT=0 "$program" "$@"); }

playbook() { cat >"$house/agents/$1.toml"; }

secret() { rota token create "$@" --json | sed -n 's/.*"secret": *"\([^"]*\)".*/\1/p'; }

# Serves at this port (0: any), and returns when it is ready.
served() {
  : >"$house/said"
  (cd "$house" && HOME="$house" MCP_SERVER_PORT="$1" MCP_RATE_LIMIT=100000 exec "$program" serve </dev/null >"$house/said" 2>>"$house/log") &
  echo $! >"$house/pid"
  said '^ready'
}

# Waits until it says so.
said() {
  local waited=0
  until grep -q "$1" "$house/said" 2>/dev/null; do
    kill -0 "$(cat "$house/pid")" && [ "$waited" -lt 1200 ] || { echo "the daemon did not become ready" >&2; return 1; }
    sleep 0.1
    waited=$((waited + 1))
  done
}

# Where it serves, and a link that signs in.
addressed() { url="http://$(sed -n 's/.*addr=\([^ ]*\).*/\1/p' "$house/said")"; }
linked() { link="$(rota open --json | sed -n 's/.*"url": *"\([^"]*\)".*/\1/p')"; }

# Ends it, and returns when it has.
ended() {
  local pid waited=0
  pid="$(cat "$house/pid" 2>/dev/null)" || return 0
  rm "$house/pid"
  kill -TERM "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null && [ "$waited" -lt 300 ]; do
    sleep 0.1
    waited=$((waited + 1))
  done
}

# The daemon knows somebody, and nothing else.
house_empty() {
  printf 'timezone = "Europe/Berlin"\n[people]\nme = "Ada"\n' >"$house/rota.toml"
  served 0
  addressed
  linked
}

# `rota demo`, left up after its day. It ends with everything in its folder.
demo_begun() {
  (cd "$house" && HOME="$house" TMPDIR="$house" MCP_SERVER_PORT=0 exec "$program" demo --serve </dev/null >"$house/said" 2>>"$house/log") &
  echo $! >"$house/pid"
}

demo_served() {
  said 'http://127'
  link="$(sed -n 's/.*\(http:\/\/127[^ ]*\).*/\1/p' "$house/said" | tail -n 1)"
  url="${link%%/open/*}"
}

# Whoever plants needs people, an agent, a model that says what it is told to, another server that is asked for its
# tools, a channel, and a secret for deliveries.
house_planted() {
  mkdir -p "$house/agents"
  cat >"$house/rota.toml" <<TOML
timezone = "Europe/Berlin"
arm = "auto"
[people]
me = "Ada"
[models.puppet]
kind = "scripted"
script = "puppet.toml"
[upstream.foreign]
command = ["node", "$here/foreign.mjs"]
[notify.file.day]
path = "day.md"
TOML
  node "$here/puppet.mjs" >"$house/puppet.toml"
  rota person add Bob --role manager >/dev/null
  rota person add Robot --agent --role editor >/dev/null
  ada="$(secret adas --person Ada)" bob="$(secret bobs --person Bob)" robot="$(secret robots --person Robot)"
  harm="$(secret "$(node "$here/puppet.mjs" token)" --person Ada)"
  export HOOK_SECRET="the secret of whoever delivers"
  served 0
  addressed
}

house_filled() {
  mkdir -p "$house/agents"
  cat >"$house/rota.toml" <<'TOML'
timezone = "Europe/Berlin"
arm = "auto"
[people]
me = "Ada"
[budget]
per_day = "20.00 USD"
[notify.file.day]
path = "day.md"
TOML
  rota person add Bob --role manager >/dev/null
  rota project add Website >/dev/null
  rota project add "Mobile app" >/dev/null
  local headline
  for headline in "Fix the footer on small screens" "Write the imprint" "Translate the price list" \
    "Replace the old logo everywhere" "Measure how fast the first page is" "Add a page for the team"; do
    rota task add "$headline" --project Website >/dev/null
  done
  rota task add "Ask before the app sends pictures" --project "Mobile app" >/dev/null
  rota task edit 2 --assign Ada --due +2d >/dev/null
  rota task edit 3 --assign Bob >/dev/null
  rota task comment 1 "It breaks below 360 pixels. The link to the imprint is not reachable there." >/dev/null
  playbook greeter <<'TOML'
description = "Looks at new tasks and asks for what is missing in them."
agent = "AI-Assistant"
[on]
cron = "*/30 8-18 * * MON-FRI"
[[step]]
tool = "addComment"
args = { module = "ticket", entityId = 4, text = "Which logo is meant: the one with or without the name?" }
[scope]
write = "board"
TOML
  playbook proposer <<'TOML'
mode = "staged"
description = "Proposes better headlines; a person applies them."
agent = "AI-Docs"
[on]
cron = "0 9 * * MON"
[select]
project = ["Website"]
status = "kind:new"
assignee = "none"
order = "created"
limit = 1
[claim]
[work]
runner = "steps"
tools = ["editTask", "addComment", "finish"]
[[step]]
tool = "editTask"
args = { id = "{{task.id}}", params = { headline = "Make the footer fit on screens from 320 pixels", priority = 2 } }
[[step]]
tool = "finish"
args = { outcome = "done", summary = "The headline says now what is to be true afterwards." }
[outcome.done]
[limits]
attempts = 1
TOML
  playbook worker <<'TOML'
description = "Does small, well described tasks and hands them over."
agent = "AI-Worker"
[select]
project = ["Website"]
status = "kind:new"
assignee = "none"
order = "created"
limit = 1
[claim]
status = "kind:in_progress"
[work]
runner = "steps"
tools = ["addComment", "finish"]
[[step]]
tool = "addComment"
args = { module = "ticket", entityId = "{{task.id}}", text = "Measured three times: 1.8 s, 1.7 s, 1.9 s." }
[[step]]
tool = "finish"
args = { outcome = "ready", summary = "Measured; the numbers are in the comment. The largest part is the picture at the top." }
[outcome.ready]
status = "kind:waiting"
assign = "Ada"
[limits]
attempts = 1
TOML
  playbook renamer <<'TOML'
description = "Puts plainer headlines."
agent = "AI-Docs"
[on]
cron = "30 2 * * *"
[[step]]
tool = "editTask"
args = { id = 6, params = { headline = "Add a page on which the team is shown" } }
[scope]
write = "board"
TOML
  playbook morning <<'TOML'
description = "Every morning: what became overdue, what is due, what the agents did."
agent = "AI-Assistant"
[on]
cron = "0 8 * * *"
[report]
template = "digest"
to = ["file:day"]
when = "always"
TOML
  playbook walker <<'TOML'
description = "Walks step by step until somebody stops it."
agent = "AI-Walker"
[select]
project = ["Website"]
tags = { any = ["walk"] }
limit = 1
[claim]
[work]
runner = "command"
command = ["sh", "-c", "n=0; while :; do n=$((n+1)); echo step $n; sleep 0.5; done"]
tools = ["addComment", "finish"]
[outcome.ready]
status = "kind:waiting"
[limits]
attempts = 1
time = "10m"
TOML
  rota person add Robot --agent --role editor >/dev/null
  rota person add Eve --role readonly >/dev/null
  ada="$(secret adas --person Ada)" bob="$(secret bobs --person Bob)" eve="$(secret eves --person Eve)"
  robot="$(secret robots --person Robot)"
  served 0
  addressed
  again="$house/again"
  # Starts the daemon anew where it was, from a browser's script.
  { echo '#!/usr/bin/env bash'; echo 'set -euo pipefail'; declare -p house program; declare -f served said ended
    echo "ended && served ${url##*:}"; } >"$again"
  chmod +x "$again"
  rota run-once morning >/dev/null || true
  rota run-once greeter >/dev/null || true
  rota run-once worker --task 5 >/dev/null || true
  rota run-once proposer --task 1 >/dev/null || true
  linked
}
