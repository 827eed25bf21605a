/** The form that publishes a skill, as no browser sends it: it is read for a signed-in person alone, and bounded. */
import { connect } from 'node:net'
import { once } from 'node:events'
import tap from 'tap'
import { skillFile, zip } from '../support/archives.ts'
import { createPerson, fromOwnPages, type Person } from '../support/people.ts'
import { startServer, type Answer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const server = await startServer()
tap.teardown(server.close)
const path = '/dashboard/skills/publish'
const archive = zip([{ name: 'SKILL.md', content: skillFile('pdf-forms') }])

/** A form as a browser encodes it. */
async function encoded (form: FormData): Promise<{ type: string, body: Buffer }> {
  const request = new Request('http://form.invalid', { method: 'POST', body: form })
  return { type: request.headers.get('content-type')!, body: Buffer.from(await request.arrayBuffer()) }
}

function formOf (content: Buffer, more: Record<string, string> = {}): FormData {
  const form = new FormData()
  form.set('archive', new File([new Uint8Array(content)], 'x.zip'))
  for (const [name, value] of Object.entries({ version: '1.0.0', attempt: 'attempt-1', ...more })) form.set(name, value)
  return form
}

async function send (
  person: Pick<Person, 'cookie'> | null, { type, body }: { type: string, body: Buffer },
  headers: Record<string, string> = fromOwnPages
): Promise<Answer> {
  return await server.send({
    method: 'POST',
    path,
    body,
    headers: { ...headers, accept: 'text/html', 'content-type': type, ...(person && { cookie: person.cookie }) }
  })
}

const published = async ({ organization }: Person): Promise<number> =>
  (await server.admin('GET', `/skills?organization=${organization}`)).json.data.length

tap.test('a form that is sent twice publishes once', async t => {
  const person = await createPerson(server)
  const form = await encoded(formOf(archive))
  const [one, other] = await Promise.all([send(person, form), send(person, form)])
  const again = await send(person, form)
  t.equal(again.status, 303)
  t.match(again.headers.location, /^\/dashboard\/skills\/skl_|^\/dashboard\/skills\//)
  t.ok([one, other].every(({ status }) => [303, 409].includes(status)), `${one.status} ${other.status}`)
  t.equal(await published(person), 1)
})

tap.test('a stranger and a foreign page are answered before the body is read', async t => {
  const person = await createPerson(server)
  const form = await encoded(formOf(archive))
  const stranger = await send(null, form)
  t.equal(stranger.status, 303)
  t.match(stranger.headers.location, /^\/api\/v1\/auth\/login/)
  const foreign: Record<string, string>[] = [{ 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.example' }]
  for (const headers of foreign) {
    t.equal((await send(person, form, headers)).status, 403, JSON.stringify(headers))
  }
  t.equal(await published(person), 0)
  // A body that never comes: the answer does not wait for it.
  const socket = connect(server.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nsec-fetch-site: same-origin\r\ncontent-length: 9000000\r\n` +
    'content-type: multipart/form-data; boundary=x\r\n\r\n')
  const [said] = await once(socket, 'data')
  t.match(String(said), /^HTTP\/1\.1 303 /)
  socket.destroy()
})

tap.test('what is no form, or has no archive, is refused and publishes nothing', async t => {
  const person = await createPerson(server)
  const { type, body } = await encoded(formOf(archive))
  const twice = formOf(archive)
  twice.append('archive', new File([new Uint8Array(archive)], 'y.zip'))
  const bad: Record<string, { type: string, body: Buffer }> = {
    'cut off': { type, body: body.subarray(0, 200) },
    'another boundary': { type: 'multipart/form-data; boundary=other', body },
    'no boundary': { type: 'multipart/form-data', body },
    empty: { type, body: Buffer.alloc(0) },
    'a form without a file': await encoded(formOf(Buffer.alloc(0))),
    'a text in place of the file': await encoded(formOf(archive, { archive: 'text' })),
    'two files': await encoded(twice),
    'a form without files': { type: 'application/x-www-form-urlencoded', body: Buffer.from('version=1.0.0') },
    'names of objects': await encoded(formOf(archive, { __proto__: 'x', constructor: 'x', version: '' })),
    'no version': await encoded(formOf(archive, { version: '' })),
    'no archive': await encoded(formOf(Buffer.from('text')))
  }
  for (const [what, form] of Object.entries(bad)) {
    const { status, headers } = await send(person, form)
    t.ok(status >= 400 && status < 500, `${what}: ${status}`)
    t.match(headers['content-type'], /^text\/html/, what)
  }
  t.equal(await published(person), 0)
  t.strictSame(server.lines.filter(line => /"level":[56]0/.test(line)), [])
})

tap.test('an archive that is too large is refused by the API, a larger form by its length', async t => {
  const person = await createPerson(server)
  const large = await send(person, await encoded(formOf(Buffer.alloc(11 * 1024 * 1024))))
  t.equal(large.status, 413)
  t.match(large.text, /Publish a skill/, 'on the form')
  t.equal((await send(person, await encoded(formOf(Buffer.alloc(21 * 1024 * 1024))))).status, 413)
  t.equal(await published(person), 0)
})

tap.test('a viewer publishes nothing', async t => {
  const person = await createPerson(server, { role: 'viewer' })
  t.equal((await send(person, await encoded(formOf(archive)))).status, 403)
  t.equal(await published(person), 0)
})

tap.test('what forms of one organization hold at once is bounded, and free again once they are gone', async t => {
  const person = await createPerson(server)
  const begin = async (): Promise<ReturnType<typeof connect>> => {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nsec-fetch-site: same-origin\r\ncookie: ${person.cookie}\r\n` +
      'content-length: 9000000\r\ncontent-type: multipart/form-data; boundary=x\r\n\r\n--x')
    return socket
  }
  // Two of the bodies are held until they end, which they never do.
  const held = [await begin(), await begin(), await begin()]
  const [said] = await Promise.race(held.map(socket => once(socket, 'data')))
  t.match(String(said), /^HTTP\/1\.1 429 [^]*retry-after: \d/i)
  for (const socket of held) socket.destroy()
  const form = await encoded(formOf(archive))
  const { status } = await eventually(() => send(person, form), answer => answer.status !== 429)
  t.equal(status, 303)
})
