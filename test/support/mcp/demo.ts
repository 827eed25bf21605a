/** The story of `npm run mcp-demo`: from the URL of an MCP server to a tool's answer, and to its end. */
import { STATUS_CODES } from 'node:http'
import { Transcript } from '../../../examples/transcript.ts'
import { newMcpClient, type McpClient } from './client.ts'
import { openScene, type Scene } from './scene.ts'

/** Tells it on servers of its own. Returns the number of expectations. @throws Unexpected where one does not hold. */
export async function tellMcpDemo (): Promise<number> {
  const scene = await openScene()
  const transcript = new Transcript(scene.latchkey.issuer)
  try {
    console.log(
      `Latchkey is at ${scene.latchkey.issuer}. The MCP server at ${scene.url} takes its tokens; Ada is a member of ` +
        'an organization there.'
    )
    await tell(scene, transcript, 'registers itself')
    await tell(scene, transcript, `is described by ${scene.document}`, scene.document)
    return transcript.held
  } finally {
    await scene.close()
  }
}

/** `how`: the way in which the client introduces itself. `document`: the URL of its metadata; left out: none. */
async function tell (
  scene: Scene, transcript: Transcript, how: string, document?: string
): Promise<void> {
  const seen: Seen[] = []
  const answers = (path: RegExp): number[] => seen.filter(({ url }) => path.test(url)).map(({ status }) => status)
  const client = newMcpClient({
    url: scene.url,
    redirectUri: scene.callback,
    open: async url => await allow(scene, url),
    fetch: recorded(seen),
    ...(document !== undefined && { metadataUrl: document })
  })

  transcript.step(`A client that ${how} knows ${scene.url} alone, and lists notes`)
  const notes = await client.call('list_notes')
  const id = client.clientId()!
  transcript.expect(`its client_id is ${id}`, document === undefined ? id.startsWith('cli_') : id === document)
  transcript.expect('the MCP server answers 401 and says where its tokens come from', answers(/\/mcp$/)[0] === 401)
  transcript.expect(`the tool answers "${notes}"`, notes === `the notes of ${scene.member}`)
  transcript.expect(
    'it was granted the scope that the metadata name, and to go on',
    client.tokens()?.scope === 'notes:read offline_access'
  )

  seen.length = 0
  transcript.step('It adds a note: the token does not have the scope, and the person is asked for that one as well')
  const wrote = await client.call('add_note')
  transcript.expect('the MCP server answers 403 insufficient_scope', seen.some(({ challenge }) =>
    challenge.includes('error="insufficient_scope"') && challenge.includes('scope="notes:read notes:write"')))
  const lines = linesOf(scene.person.page())
  const [added] = lines.slice(lines.indexOf('New') + 1)
  transcript.expect('the consent page says what is new', added?.startsWith('notes:write') === true)
  transcript.expect(`the tool answers "${wrote}"`, wrote === `${client.clientId()} wrote for ${scene.member}`)

  seen.length = 0
  transcript.step('Ada ends what she allowed: the next call is refused, although the token has not expired')
  await scene.person.end(client.clientId()!)
  const refused = await callWithItsToken(scene.url, client, recorded(seen))
  transcript.expect('401', refused === 401)
}

interface Seen { url: string, status: number, challenge: string }

/** Prints each request and its answer, without a secret, and keeps it. */
function recorded (seen: Seen[]): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init)
    const [url, challenge] = [String(input), response.headers.get('www-authenticate') ?? '']
    seen.push({ url, status: response.status, challenge })
    console.log(`  > ${init?.method ?? 'GET'} ${url}${messageOf(init?.body)}`)
    console.log(`  < ${response.status} ${STATUS_CODES[response.status]}`)
    if (challenge !== '') console.log(`  < WWW-Authenticate: ${challenge}`)
    return response
  }
}

/** What a request is about: the method of a message, or the grant of a token request. */
function messageOf (body: unknown): string {
  if (body instanceof URLSearchParams) return ` ${body.get('grant_type')}`
  if (typeof body !== 'string' || !body.startsWith('{')) return ''
  const { method, params } = JSON.parse(body) as { method?: string, params?: { name?: string } }
  return method === undefined ? '' : ` ${method} ${params?.name ?? ''}`.trimEnd()
}

/** What a consent page says above its buttons, line by line. */
function linesOf (page: string): string[] {
  const [, main = ''] = /(<h1>[^]*)<form/.exec(page) ?? []
  return main.replace(/\s+/g, ' ').split(/<\/(?:h\d|li|p|summary)>/)
    .map(line => line.replace(/<[^>]+>/g, '').replaceAll('&quot;', '"').replace(/\s+/g, ' ').trim())
    .filter(line => line !== '')
}

async function allow (scene: Scene, url: URL): Promise<URL> {
  console.log(`  … Ada is sent to ${url.origin}${url.pathname} and asked for ${url.searchParams.get('scope')}`)
  const back = await scene.person.allow(url)
  for (const line of linesOf(scene.person.page())) console.log(`  | ${line}`)
  console.log('  … Ada allows it')
  console.log(`  … back at ${back.origin}${back.pathname} with ${[...back.searchParams.keys()].join(', ')}`)
  return back
}

/** One call with the token as it is: the SDK would go and ask for another one. */
async function callWithItsToken (url: string, client: McpClient, send: typeof fetch): Promise<number> {
  const { status } = await send(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${client.tokens()!.access_token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream'
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'list_notes', arguments: {} } })
  })
  return status
}
