"""The FastMCP server of docs/guides/mcp.md as it was: anyone may call its tool."""
from fastmcp import FastMCP

mcp = FastMCP("tools")

@mcp.tool
def whoami() -> str:
    """Who calls."""
    return "anyone"

mcp.run(transport="http", host="127.0.0.1", port=8000, show_banner=False)
