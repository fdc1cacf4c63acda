"""Python's SDK: `python sdk.py http|pipe legacy|auto`."""

import json
import os
import pathlib
import sys

import anyio
import httpx2
from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.streamable_http import streamable_http_client

PATIENCE = 120
# A bulk call that nobody stops has so many items.
ITEMS = 100
# A server may be done before it hears of a cancellation; one that never hears is done each time.
TRIES = 5
# A call that goes on does much in this time.
QUIET = 0.5

WHO = os.environ["PEER"]
WAY, MODE = sys.argv[1:]
REVISION = {"legacy": "2025-11-25", "auto": "2026-07-28"}[MODE]


class Check:
    """One thing that has to hold; a line each, and the first that does not ends it."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        print(f"{'WRONG' if kind else 'ok'}: {WHO}: {self.what}", flush=True)


def structured(result):
    assert not result.is_error, result
    return result.structured_content


def server():
    if WAY == "pipe":
        words = ["--state", os.environ["ROTA_STATE"], "--config", os.environ["ROTA_CONFIG"], "mcp"]
        return StdioServerParameters(command=os.environ["ROTA_BIN"], args=words)
    token = pathlib.Path(os.environ["ROTA_TOKEN_FILE"]).read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    http = httpx2.AsyncClient(headers=headers, timeout=PATIENCE, trust_env=False)
    return streamable_http_client(os.environ["ROTA_URL"], http_client=http)


def items(count, what):
    return {"tasks": [{"headline": f"{what} {n}", "projectId": "Website"} for n in range(count)]}


async def settled(client, what):
    """How many tasks of this name there are, once there come no more."""
    before = None
    while True:
        found = structured(await client.call_tool("findTasks", {"text": what, "limit": 200}))
        now = len(found["items"])
        if now == before:
            return now
        before = now
        await anyio.sleep(QUIET)


async def cancelled(client):
    for turn in range(TRIES):
        what = f"{WHO} cancelled {turn}"
        with anyio.CancelScope() as scope:

            async def enough(*_):
                scope.cancel()

            await client.call_tool("bulkAddTasks", items(ITEMS, what), progress_callback=enough)
        if scope.cancelled_caught and await settled(client, what) < ITEMS:
            return
    raise AssertionError(f"{TRIES} cancelled calls were carried to their end")


async def tour(client, answer):
    listing = json.loads(pathlib.Path(os.environ["ROTA_LISTING"]).read_text())
    expected = listing["result"]["tools"]
    with Check(f"agrees on {REVISION}"):
        assert client.protocol_version == REVISION, client.protocol_version
    with Check("lists every tool, with schemas"):
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == [tool["name"] for tool in expected]
        assert len(tools) > 60, len(tools)
        assert all(tool.output_schema["type"] == "object" for tool in tools)
    with Check("a write answers with structured content and a text of its own"):
        headline = f"Written by {WHO}"
        made = await client.call_tool("addTask", {"headline": headline, "projectId": "Website"})
        task = structured(made)["id"]
        assert headline in made.content[0].text
        read = structured(await client.call_tool("getTicket", {"id": task}))
        assert read["headline"] == headline and read["author_name"] == "Ada", read
    with Check("an error that can be mended is a result"):
        refused = await client.call_tool("getTicket", {"id": 999_999})
        assert refused.is_error
        assert refused.structured_content["error"]["code"] == "not_found"
        assert refused.content[0].text.startswith("not_found")
    with Check("a tool that is not there is an error of the protocol"):
        try:
            await client.call_tool("noSuchTool", {})
        except MCPError as error:
            assert error.code == -32602, error
        else:
            raise AssertionError("it was called")
    with Check("progress is told before the answer"):
        told = []

        async def tell(progress, total, message):
            told.append((progress, message))

        made = await client.call_tool(
            "bulkAddTasks", items(3, f"{WHO} bulk"), progress_callback=tell
        )
        assert structured(made)["done"] == 3
        assert [progress for progress, _ in told] == [1, 2, 3], told
        assert all(message for _, message in told)
    if WAY == "http":
        with Check("a cancelled call begins no further item"):
            await cancelled(client)
    with Check("who says no is heard, and so is who says yes"):
        answer.append(lambda _: types.ElicitResult(action="decline"))
        assert (await client.call_tool("deleteTask", {"id": task})).is_error
        structured(await client.call_tool("getTicket", {"id": task}))

        def yes(params):
            content = {name: True for name in params.requested_schema["properties"]}
            return types.ElicitResult(action="accept", content=content)

        answer.append(yes)
        structured(await client.call_tool("deleteTask", {"id": task}))
        gone = await client.call_tool("getTicket", {"id": task})
        assert gone.structured_content["error"]["code"] == "not_found"
    with Check("resources are listed and read"):
        uris = [str(resource.uri) for resource in (await client.list_resources()).resources]
        assert "rota://projects" in uris, uris
        read = await client.read_resource("rota://task/1")
        assert json.loads(read.contents[0].text)["headline"] == "Fix the footer"
    with Check("prompts are listed and filled in"):
        names = [prompt.name for prompt in (await client.list_prompts()).prompts]
        assert "tidy-board" in names, names
        filled = await client.get_prompt("tidy-board", {"project": "Website"})
        assert "Website" in filled.messages[0].content.text
    if WAY == "http" and MODE == "auto":
        with Check("a change of a task is heard of"):
            uri = "rota://task/1"
            async with client.listen(resource_subscriptions=[uri]) as heard:
                events = aiter(heard)
                # The first says how things stand when listening begins.
                await anext(events)
                await client.call_tool("editTask", {"id": 1, "params": {"description": f"Seen by {WHO}"}})
                await anext(events)
            read = await client.read_resource(uri)
            assert json.loads(read.contents[0].text)["description"] == f"Seen by {WHO}"


async def main():
    answer = []

    async def asked(_, params):
        return answer[-1](params)

    with anyio.fail_after(PATIENCE):
        async with Client(server(), mode=MODE, elicitation_callback=asked) as client:
            await tour(client, answer)


anyio.run(main)
