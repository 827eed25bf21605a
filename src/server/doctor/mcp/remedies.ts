/** Ways out of the refusals of an authorization server, by the code of the error and by the kind of the answer. */
import { isPage, type Answer } from './documents.ts'

const remedies: Readonly<Record<string, (resource: string) => string>> = {
  invalid_target: resource => `Declare ${resource} at the authorization server, as the MCP server names it ` +
    '(Latchkey: latchkey mcp-server create), or sign in as a member of the organization that it belongs to.',
  access_denied: () => 'Allow the access on the page; if it offers no such button, it says who has to permit the ' +
    'application or to give you the scopes (Latchkey: latchkey client-approval create, latchkey member update ' +
    '--scope).',
  invalid_scope: () => 'Declare the scopes at the authorization server as the MCP server names them ' +
    '(Latchkey: latchkey mcp-server update --scope), or ask for others by --scope.',
}

/** The remedy for a request to the authorization endpoint that is answered with this code. */
export function remedyOfRefusal (error: unknown, resource: string): string {
  return (typeof error === 'string' && Object.hasOwn(remedies, error) ? remedies[error]?.(resource) : undefined) ??
    'The message names the parameter; what was sent is what MCP clients send.'
}

/** `otherwise`, unless a page came where programs read JSON. */
export function remedyOf (answer: Answer, otherwise: string): string {
  return isPage(answer)
    ? 'A page came where programs read JSON: a proxy, a login in front of the server or a host of files answers in ' +
      `its place. Let requests for ${new URL(answer.url).pathname} through to the server.`
    : otherwise
}
