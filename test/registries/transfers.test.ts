/** OC-19: archives in memory are bounded: for each organization, for the server, and for what is unpacked at once. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import tap, { type Test } from 'tap'
import { skillFile, zip } from '../support/archives.ts'
import { startServer, type TestServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const mebibyte = 1024 * 1024

/** An organization with a key that publishes and reads skills. */
async function publisher (server: TestServer) {
  const { id } = await server.createOrganization()
  const resource = `${server.issuer}/api/v1`
  const { key } = await server.createKey({ organization: id, resource, scopes: ['skills:write', 'skills:read'] })
  return { id, key }
}

function head (key: string, method: string, path: string, length?: number): string {
  const sized = length === undefined ? '' : `content-type: application/zip\r\ncontent-length: ${length}\r\n`
  return `${method} /api/v1${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\r\n${sized}\r\n`
}

async function open (t: Test, { port }: TestServer, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  await new Promise(resolve => socket.write(text, resolve))
  return socket
}

const small = zip([{ name: 'SKILL.md', content: skillFile() }])
let publications = 0

async function publish (server: TestServer, key: string, body = small) {
  return await server.send({
    method: 'POST',
    path: `/api/v1/skills?version=0.0.${++publications}`,
    headers: { 'x-api-key': key, 'content-type': 'application/zip' },
    body
  })
}

const tooMany = {
  status: 429,
  headers: { 'retry-after': '1' },
  json: {
    code: 'TOO_MANY_REQUESTS',
    error: 'Too many archives of this organization are transferred at once; retry shortly.'
  }
}

/** Begins to send archives, one for each key, until one of them is refused. */
async function beginUntilRefused (t: Test, server: TestServer, keys: readonly string[], length: number) {
  const begun = await Promise.all(keys.map(async key => {
    const socket = await open(t, server, head(key, 'POST', '/skills?version=1.0.0', length) + 'PK')
    return { socket, answer: '', key }
  }))
  for (const upload of begun) upload.socket.on('data', chunk => { upload.answer += String(chunk) })
  const refused = await eventually(() => begun.filter(({ answer }) => answer !== ''), found => found.length > 0)
  return { refused, waiting: begun.filter(upload => !refused.includes(upload)) }
}

tap.test('OC-19: an organization sends two large archives at once, others publish beside it, and a cut one makes room', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const [slow, other] = [await publisher(server), await publisher(server)]
  const { refused, waiting } = await beginUntilRefused(t, server, Array(3).fill(slow.key), 10 * mebibyte)
  t.equal(refused.length, 1)
  t.match(refused[0]!.answer, /^HTTP\/1\.1 429 [^]*retry-after: 1\r\n[^]*"code":"TOO_MANY_REQUESTS"/)
  t.match(await publish(server, slow.key), tooMany)
  t.equal((await publish(server, other.key)).status, 201)
  waiting[0]!.socket.resetAndDestroy()
  const taken = await eventually(async () => await publish(server, slow.key), ({ status }) => status === 201)
  t.equal(taken.status, 201)
})

tap.test('OC-19: a server takes a bounded number of archives from any number of organizations', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const keys: string[] = []
  for (let n = 0; n < 9; n++) keys.push((await publisher(server)).key)
  const { refused, waiting } = await beginUntilRefused(t, server, keys, 8 * mebibyte)
  t.equal(refused.length, 1)
  t.match(refused[0]!.answer, /^HTTP\/1\.1 503 [^]*retry-after: 1\r\n[^]*"code":"OVERLOADED"/)
  for (const { socket } of waiting) socket.destroy()
  const taken = await eventually(async () => await publish(server, keys[0]!), ({ status }) => status === 201)
  t.equal(taken.status, 201)
})

tap.test('OC-19: readers that take nothing hold two large archives of an organization, and no more', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { key } = await publisher(server)
  const large = zip([{ name: 'SKILL.md', content: skillFile() }, { name: 'data', content: randomBytes(9 * mebibyte) }])
  const { id } = (await publish(server, key, large)).json
  const read = async () => await server.send({ path: `/api/v1/skills/${id}/archive`, headers: { 'x-api-key': key } })
  const readers = [1, 2].map(async () => {
    const socket = await open(t, server, head(key, 'GET', `/skills/${id}/archive`))
    await once(socket, 'readable')
    return socket
  })
  const [reader] = await Promise.all(readers)
  t.match(await read(), tooMany)
  reader!.resetAndDestroy()
  t.equal((await eventually(read, ({ status }) => status === 200)).status, 200)
})

tap.test('OC-19: archives that unpack to 48 MiB are unpacked one at a time, also when their senders are gone', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { key } = await publisher(server)
  const bomb = zip([{ name: 'SKILL.md', content: skillFile() }, { name: 'data', content: Buffer.alloc(48 * mebibyte) }])
  const before = process.memoryUsage.rss()
  let highest = 0
  const watch = setInterval(() => { highest = Math.max(highest, process.memoryUsage.rss()) }, 5)
  t.teardown(() => { clearInterval(watch) })
  const sockets = await Promise.all(Array.from({ length: 12 }, async (_, n) => {
    const socket = await open(t, server, head(key, 'POST', `/skills?version=1.${n}.0`, bomb.length))
    await new Promise(resolve => socket.write(bomb.subarray(0, -1), resolve))
    return socket
  }))
  const answers = await Promise.all(sockets.map(async (socket, n) => {
    const isCut = n % 2 === 1
    socket.write(bomb.subarray(-1), () => { if (isCut) socket.resetAndDestroy() })
    return isCut ? null : String(await once(socket, 'data')).slice(9, 12)
  }))
  t.strictSame(new Set(answers), new Set(['201', null]))
  t.ok(highest - before < 300 * mebibyte, `${Math.round((highest - before) / mebibyte)} MiB more at most`)
})
