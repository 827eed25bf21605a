"""The server by the Python SDK of docs/guides/mcp.md as it was: anyone may call its tool."""
from mcp.server.mcpserver import MCPServer

mcp = MCPServer("tools")

@mcp.tool()
def whoami() -> str:
    """Who calls."""
    return "anyone"

mcp.run(transport="streamable-http", host="127.0.0.1", port=8000)
