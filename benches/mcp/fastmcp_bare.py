"""The bare counterpart in FastMCP: two tools that answer with what stands in a file.

`python fastmcp_bare.py ANSWERS.json stateless|sessions`; prints its port.
"""

import json
import logging
import socket
import sys

from fastmcp import FastMCP
from fastmcp.tools import ToolResult
from mcp.types import TextContent

with open(sys.argv[1], encoding="utf-8") as file:
    ANSWERS = json.load(file)

server = FastMCP("bare")


def answer(tool):
    kept = ANSWERS[tool]
    return ToolResult(
        content=[TextContent(type="text", text=part["text"]) for part in kept["content"]],
        structured_content=kept["structuredContent"],
    )


@server.tool(name="getTicket")
async def get_ticket(id: int) -> ToolResult:
    return answer("getTicket")


@server.tool(name="findTasks")
async def find_tasks(limit: int) -> ToolResult:
    return answer("findTasks")


logging.disable(logging.CRITICAL)
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
server.run(
    transport="http",
    show_banner=False,
    json_response=True,
    stateless_http=sys.argv[2] == "stateless",
    sockets=[listening],
    uvicorn_config={"log_level": "critical", "access_log": False},
)
