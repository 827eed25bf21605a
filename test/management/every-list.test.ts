/** Every list is searched, put in order, counted and narrowed to ids; and what a page looks at is bounded. */
import tap from 'tap'
import { mostLookedThrough } from '../../src/domain/core/list.ts'
import { copyKey } from '../support/copied-keys.ts'
import { databases } from '../support/databases.ts'
import { createMember } from '../support/people.ts'
import { MovableClock, startServer, type Json } from '../support/test-server.ts'

const clock = new MovableClock()
const started = await Promise.all(databases.map(async ({ name, fresh }) => {
  const database = await fresh()
  return { name, database, server: await startServer({ clock, database: database.url }) }
}))
tap.setTimeout(300_000)
tap.teardown(async () => {
  for (const { server, database } of started) {
    await server.close()
    await database.drop()
  }
})

for (const { name, database, server } of started) {
  const { admin, createOrganization, createKey } = server
  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await admin('POST', path, body)
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`)
    clock.advance(1)
    return answer.json
  }

  /** For each list: how three records with these words are made, and where an answer has the word. */
  const kinds = async (): Promise<Record<string, {
    make: (word: string) => Promise<Json>, word: (row: Json) => string, scope: string, sorts: readonly string[]
  }>> => {
    const { id: organization } = await createOrganization()
    const { id: key } = await createKey({ organization, scopes: ['*'] })
    const { id: resource } = await made('/resources', {
      organization,
      identifier: `https://of.${organization.toLowerCase().replace('_', '-')}.test`,
      name: 'of',
      scopes: [{ name: 'a:read' }]
    })
    const scope = `organization=${organization}&`
    const named = (path: string, more: Json = {}) => ({
      make: async (word: string) => await made(path, { organization, name: word, ...more }),
      word: (row: Json): string => row.name,
      scope,
      sorts: ['name']
    })
    const own = organization.toLowerCase().replace('_', '-')
    let number = 0
    return {
      '/members': named('/members', { role: 'viewer' }),
      '/groups': named('/groups', { scopes: [] }),
      '/policies': named('/policies', { effect: 'deny', enabled: false }),
      '/publishable-keys': named('/publishable-keys', { resource, environment: 'live', scopes: [] }),
      '/registration-tokens': named('/registration-tokens', { resource, scopes: ['a:read'] }),
      '/resources': {
        ...named('/resources'),
        make: async word => await made('/resources', {
          organization, name: word, identifier: `https://r${++number}.${own}.test`, scopes: []
        })
      },
      '/mcp-servers': {
        ...named('/mcp-servers'),
        make: async word => await made('/mcp-servers', {
          organization, name: word, identifier: `https://m${++number}.${own}.test/mcp`, scopes: []
        })
      },
      '/organizations': {
        ...named('/organizations'), make: async word => await made('/organizations', { name: word }), scope: ''
      },
      '/webhook-tokens': {
        make: async word => await made('/webhook-tokens', { apiKey: key, object: { type: 'templates', id: word } }),
        word: row => row.object.id,
        scope,
        sorts: []
      },
      '/invitations': {
        make: async word => await made('/invitations', { organization, email: `${word}@acme.test`, role: 'viewer' }),
        word: row => row.email.split('@')[0],
        scope,
        sorts: []
      },
    }
  }

  tap.test(`[${name}] every list finds a part of a name in any case, counts, and narrows to ids`, async t => {
    for (const [path, { make, word, scope, sorts }] of Object.entries(await kinds())) {
      const words = path === '/invitations' ? ['quux.beta', 'quux.alpha', 'zeta'] : ['Quux_beta', 'quux_alpha', 'zeta%']
      const rows: Json[] = []
      for (const each of words) rows.push(await make(each))
      const list = async (query: string): Promise<Json> => (await admin('GET', `${path}?${scope}${query}`)).json
      const found = async (query: string): Promise<string[]> => (await list(query)).data.map(word)
      t.strictSame(await found('search=QUUX'), [words[1], words[0]].map(each => each!), `${path}: newest first`)
      t.strictSame(await found('search=x%25a'), [], `${path}: a pattern is a text`)
      t.match(await list('search=quux&total=true&limit=1'), { pagination: { total: 2, hasMore: true } }, path)
      t.equal((await list('search=quux')).pagination.total, undefined, path)
      t.equal((await list('search=nothing-like-that&total=true')).pagination.total, 0, path)
      t.strictSame(
        await found(`ids=${[rows[0]!.id, 'x_unknown', rows[2]!.id].join(',')}`), [words[2], words[0]], `${path}: by ids`
      )
      for (const sort of sorts) {
        t.strictSame(await found(`sort=${sort}&search=quux`), ['quux_alpha', 'Quux_beta'], `${path}: by ${sort}`)
      }
      t.equal((await admin('GET', `${path}?${scope}sort=lastUsedAt`)).status, 400, `${path}: no such order`)
      const first = await list('search=quux&limit=1')
      t.strictSame(
        await found(`search=quux&limit=1&cursor=${first.pagination.nextCursor}`), [words[0]], `${path}: page by page`
      )
    }
  })

  tap.test(`[${name}] ids of another organization are not there, as unknown ones are not`, async t => {
    const [own, other] = [await createOrganization(), await createOrganization()]
    const { id: stranger } = await createMember(server, { organization: other.id, name: 'Stranger' })
    const { id: colleague } = await createMember(server, { organization: own.id, name: 'Colleague' })
    const reader = await createKey({
      organization: own.id, resource: `${server.issuer}/api/v1`, scopes: ['members:read']
    })
    const read = async (query: string) =>
      (await server.send({ path: `/api/v1/members?${query}`, headers: { 'x-api-key': reader.key } })).json
    t.strictSame((await read(`ids=${stranger},${colleague}`)).data.map((each: Json) => each.id), [colleague])
    t.strictSame(await read(`ids=${stranger}`), await read('ids=mem_unknown'))
    t.match(await read(`ids=${'a,'.repeat(100)}a`), { code: 'INVALID_REQUEST' }, '101 ids')
  })

  tap.test(`[${name}] of very many keys each page looks at so many, and the pages together at all`, async t => {
    const { id: organization } = await createOrganization()
    const first = await createKey({ organization, name: 'first' })
    const copies = mostLookedThrough + 3_000
    await copyKey(database.url, first.id, copies)
    const list = async (query: string) => (await admin('GET', `/api-keys?organization=${organization}&${query}`)).json
    t.match((await list('total=true&limit=1')).pagination, { total: 10_000, totalIsAtLeast: true })
    const pages: Json[] = []
    for (let cursor = ''; ;) {
      const page = await list(`search=nightly&limit=200&total=true${cursor}`)
      pages.push(page)
      if (!page.pagination.hasMore) break
      cursor = `&cursor=${page.pagination.nextCursor}`
    }
    t.equal(pages.length, 2)
    const names = pages.flatMap(({ data }) => data.map((each: Json) => each.name))
    t.ok(names.length > 10 && names.every(each => each.startsWith('Nightly report')), `${names.length} are found`)
    t.equal(new Set(names).size, names.length)
    t.ok(pages[1]!.data.length > 0, 'also behind what the first page looked at')
    t.match(pages[0]!.pagination, { total: pages[0]!.data.length, totalIsAtLeast: true })
    t.match(await list('sort=name'), { code: 'INVALID_REQUEST', details: { field: 'sort' } })
    t.match(await list('sort=name&creator=mem_nobody'), { data: [] }, 'few enough')
    const rare = await createKey({ organization, name: 'rare', externalId: 'customer-1' })
    t.strictSame((await list('externalId=customer-1&sort=name')).data.map((each: Json) => each.id), [rare.id])
  })
}
