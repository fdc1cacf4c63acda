"""Fills the house of tests/api/run by what it serves, so that there is something to show:

    fill.py BASE FOLDER

What should be there afterwards and is not, is an error. Into the folder go the words that are there, of which
requests are made: as many of a name as there are, in a file for Schemathesis' dictionaries.
"""

import json
import os
import pathlib
import sys
import urllib.error
import urllib.request

# The task for which something is proposed.
PROPOSED = 2

base, folder = sys.argv[1], pathlib.Path(sys.argv[2])
token = os.environ["API_TOKEN"]


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data=data, method=method)
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"WRONG: {method} {path}: {error.code} {error.read().decode()}")


def tool(name, /, **args):
    return ask("POST", f"/api/v1/tools/{name}", args)


def runs(playbook, reason, /, **args):
    report = ask("POST", f"/api/v1/playbooks/{playbook}/run", args)
    if report["reason"] != reason:
        sys.exit(f"WRONG: {playbook} came to {report['reason']}, not {reason}: {json.dumps(report)}")


def full(what, items):
    if not items:
        sys.exit(f"WRONG: of {what} there is nothing")
    print(f"{len(items)} of {what}")
    return items


# One of each noun, beside the project and the task that are there.
for headline in ["Write the imprint", "Measure the first page", "Replace the old logo", "Add a page for the team"]:
    tool("addTask", projectId="Website", headline=headline)
tool("addSubtask", parentTicket=1, headline="Try it on small screens")
tool("editTask", id=1, params={"editorId": "me", "tags": ["layout"], "priority": 2, "dateToFinish": "+2d"})
tool("addComment", module="ticket", entityId=1, text="It breaks below 360 pixels.")
tool("addMilestone", projectId="Website", headline="Beta", editFrom="today", editTo="+7d")
tool("createGoalboard", title="2026", projectId="Website")
tool("createGoal", canvasId="2026", title="Twice as fast", description="", startValue=9, currentValue=8, endValue=5)
tool("addSprint", projectId="Website", name="One", startDate="today", endDate="+7d")
tool("addEvent", eventTitle="Fair", dateFrom="today", dateTo="+1d")
tool("addProjectStatusUpdate", projectId="Website", status="green", text="It goes well.")
tool("logTime", ticketId=1, hours=1, date="today", kind="DEVELOPMENT")
tool("startTimer", taskId=1, duration="25m")

# Work that is done and handed over, a question, proposals, a message that waits, a digest.
runs("worker", "handed_over", task=3)
runs("asker", "waiting", task=4)
runs("proposer", "proposed", task=PROPOSED)
runs("greeter", "done")
ask("POST", "/api/v1/playbooks/morning/run", {})

found = {
    "playbooks": [book["name"] for book in full("playbooks", ask("GET", "/api/v1/playbooks")["items"])],
    "runs": [run["id"] for run in full("runs", ask("GET", "/api/v1/runs")["items"])],
    "occurrences": [one["id"] for one in full("occurrences", ask("GET", "/api/v1/occurrences")["items"])],
    "items": [item["item"] for item in full("review", ask("GET", "/api/v1/review")["items"])],
    "proposals": [PROPOSED],
    "tasks": [task["id"] for task in full("tasks", tool("findTasks")["items"])],
}
full("claims", ask("GET", "/api/v1/claims")["items"])
full("proposals", ask("GET", f"/api/v1/review/{PROPOSED}")["items"])
full("queues", tool("listOutbox")["queues"])
full("parts of the digest", [name for name, part in tool("getDigest").items() if part])
full("lines of costs", tool("reportCost")["items"])
if tool("reportCost")["total"]["cost_micros"] == 0:
    sys.exit("WRONG: nothing has cost anything")
for name, words in found.items():
    text = "".join(f'"{word}"\n' for word in words)
    (folder / f"{name}.dict").write_text(text, encoding="utf-8")
