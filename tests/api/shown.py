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
for tool in ["showRun", "showOccurrence", "showReview", "getTicket", "editTask", "runPlaybook"]:
    times = int(calls.get(tool, 0)) - own.get(tool, 0)
    print(f"{tool}: {times} times with something to show")
    if tool.startswith("show") and times < 1:
        sys.exit(f"WRONG: {tool} never had anything to show")
