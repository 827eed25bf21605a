/**
 * N8: 1,000 connections at once that end as strangers end them, cut, half, reset or repeated: reservations, reads of
 * registries, changes of trusted issuers. The books are exact afterwards, and each change has its audit row.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import tap from 'tap'
import { asGateway, createGateway, createTenant } from '../support/gateway.ts'
import { oneDatabase } from '../support/databases.ts'
import { basic, startOnEachDatabase, type Answer, type Json, type TestServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

const connections = 1_000
const { servers, close } = await startOnEachDatabase({}, oneDatabase)
tap.teardown(close)

function requestText (method: string, path: string, authorization: string, body?: Json): string {
  const text = body === undefined ? '' : JSON.stringify(body)
  const sized = body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${text.length}\r\n`
  return `${method} /api/v1${path} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\n${sized}\r\n${text}`
}

async function open ({ port }: TestServer): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {}).resume()
  await once(socket, 'connect')
  return socket
}

/** Sends a request, and ends the connection in one of five ways. */
async function sendAndEnd (socket: Socket, text: string, way: number): Promise<void> {
  const closed = once(socket, 'close')
  if (way === 0) {
    socket.write(text.slice(0, Math.floor(text.length * 0.9)), () => { socket.destroy() })
  } else if (way === 1) {
    socket.write(text, () => { socket.resetAndDestroy() })
  } else if (way === 2) {
    socket.end(text)
  } else {
    socket.write(way === 3 ? text : text + text)
    await Promise.race([once(socket, 'data'), closed])
    socket.destroy()
  }
  await closed
}

/** The items of `work`, 20 at once. */
async function together<T> (items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  await Promise.all(Array.from({ length: 20 }, async () => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item)
  }))
}

for (const { name, server } of servers) {
  tap.test(`N8: after 1,000 connections that were cut, half, reset or repeated, budgets and changes are exact [${name}]`, async t => {
    const { admin, adminToken } = server
    const gateway = await createGateway(server)
    const { id, key } = await createTenant(server)
    await admin('PUT', `/budgets/organizations/${id}`, { day: null, month: 100_000 })
    const references = Array.from({ length: 150 }, (_, n) => `cut-${n}`)
    const reservation = (reference: string) => ({ credential: key, estimate: 1_000, model: 'gpt-5', reference })
    const operator = `Bearer ${adminToken}`
    const textOf = (n: number): string => {
      const kind = Math.floor(n / 5) % 10
      if (kind < 6) return requestText('GET', `/third-party-sources?organization=${id}`, operator)
      if (kind === 6) {
        return requestText('POST', '/trusted-issuers', operator, {
          organization: id, name: `cluster ${n}`, issuer: `https://cluster-${n}.example`
        })
      }
      const authorization = basic(gateway.clientId, gateway.clientSecret)
      return requestText('POST', '/spend/reservations', authorization, reservation(references[n % references.length]!))
    }
    const sockets = await Promise.all(Array.from({ length: connections }, async () => await open(server)))
    await Promise.all(sockets.map(async (socket, n) => { await sendAndEnd(socket, textOf(n), n % 5) }))

    const reserved: Answer[] = []
    await together(references, async reference => {
      const answer = await asGateway(server, gateway, '/spend/reservations', reservation(reference))
      if (answer.status !== 429) reserved.push(answer)
    })
    t.strictSame(reserved.filter(({ status }) => status !== 200 && status !== 201), [])
    t.equal(reserved.length, 100, 'as many as the budget pays for, each once')
    t.equal(new Set(reserved.map(({ json }) => json.id)).size, 100)
    const month = async () => (await admin('GET', `/budgets/organizations/${id}`)).json.month
    t.match(await month(), { spent: 0, reserved: 100_000, left: 0 })

    const settle = (each: Answer) => `/spend/reservations/${each.json.id}/settle`
    const authorization = basic(gateway.clientId, gateway.clientSecret)
    await together([...reserved.entries()], async ([n, each]) => {
      await sendAndEnd(await open(server), requestText('POST', settle(each), authorization, { amount: 999 }), n % 5)
    })
    await together(reserved, async each => {
      t.equal((await asGateway(server, gateway, settle(each), { amount: 999 })).status, 200)
    })
    t.match(await month(), { spent: 99_900, reserved: 0, left: 100 })

    const listed = async (path: string): Promise<string[]> => {
      const ids: string[] = []
      for (let cursor = ''; ;) {
        const { json } = await admin('GET', `${path}&limit=200${cursor}`)
        ids.push(...json.data.map((row: Json) => row.subject ?? row.id))
        if (json.pagination.hasMore !== true) return ids.toSorted()
        cursor = `&cursor=${encodeURIComponent(json.pagination.nextCursor)}`
      }
    }
    const both = async () => ({
      issuers: await listed(`/trusted-issuers?organization=${id}`),
      rows: await listed(`/audit?type=trusted_issuer.created&organization=${id}`)
    })
    const { issuers, rows } = await eventually(both, each => each.issuers.length === each.rows.length)
    t.ok(issuers.length > 0)
    t.strictSame(rows, issuers, 'each issuer that was made has one row, and each row its issuer')
    t.match((await admin('GET', '/audit/verify')).json, { fault: null })
    t.strictSame(server.lines.filter(line => /"level":[56]0/.test(line)), [])
  })
}
