// npm run mcp-demo: an MCP server behind Latchkey, and an MCP client that knows the URL of the server alone. The client
// introduces itself, sends a person to the consent page, calls a tool, and asks for more when a tool needs more; then
// the person ends what they allowed. Prints each request of the client; exit code 1 if a step did not hold.
import { tellMcpDemo } from '../test/support/mcp/demo.ts'
import { Unexpected } from '../examples/transcript.ts'

try {
  console.log(`\nEvery step held: ${await tellMcpDemo()} expectations.`)
} catch (error) {
  console.error(error instanceof Unexpected ? `\nThis did not hold: ${error.message}` : error)
  process.exitCode = 1
}
