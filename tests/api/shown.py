"""Whether what is there was shown while requests were made, beyond what fill.py looked at: shown.py BASE"""

import os
import re
import sys
import urllib.request

request = urllib.request.Request(sys.argv[1] + "/metrics")
request.add_header("Authorization", f"Bearer {os.environ['API_TOKEN']}")
with urllib.request.urlopen(request, timeout=60) as answer:
    text = answer.read().decode()
calls = dict(re.findall(r'^rota_tool_calls_total\{tool="(\w+)",code="ok"\} (\d+)$', text, re.MULTILINE))
own = {"showReview": 1}
shown = 0
for tool in ["showRun", "showOccurrence", "showReview", "getTicket", "editTask", "runPlaybook"]:
    times = int(calls.get(tool, 0)) - own.get(tool, 0)
    print(f"{tool}: {times} times with something to show")
    shown += times if tool.startswith("show") else 0
# Which of them are met depends on how many requests fit into the time; that none is does not.
if shown < 1:
    sys.exit("WRONG: no run, occurrence or review was ever shown")
