/**
 * Attacks of a database administrator with every right in the database, the algorithm of the row hashes and old copies
 * of the rows, but without LATCHKEY_SECRET. Each way to rewrite history is tried on a running server, followed by
 * ordinary changes and a restart.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashOf, type ChainedEvent } from '../../src/domain/audit/chain.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { behindTheServer, dropTriggers } from './audit-tampering.ts'
import type { FreshDatabase } from './databases.ts'
import { startServer, type Json, type TestServer } from './test-server.ts'
import { latchkeyCommand, run } from './running-server.ts'

/** What the administrator sees: the rows of each chain, by organization. */
interface World {
  /** The organization whose history is rewritten, a bystander, and one with rows removed by retention. */
  chains: Record<'victim' | 'other' | 'pruned', string>
  rows: Record<string, ChainedEvent[]>
}

/** The finding of verification: the chain and the problem. Null: none. */
export type Named = readonly [chain: keyof World['chains'] | 'deployment' | '', problem: string] | null

export interface Way {
  what: string
  /** The statements of the attack. */
  tamper (world: World): string[]
  /** The statements that follow after an ordinary change. */
  afterwards? (world: World): string[]
  /**
   * Whether a change of the victim is refused, and the creation of an organization, which goes to the deployment's
   * chain.
   */
  refused: { victim: boolean, deployment: boolean }
  /** The finding of verification without external heads, and with them. */
  named: Named
  namedWithHeads: Named
}

export interface Outcome {
  what: string,
  refused: Way['refused'],
  api: Named,
  command: Named,
  withHeads: Named,
  heads: Named,
  exits: number | null
}

const earlier = { events: '"earlierEvent"', heads: '"earlierChain"' }
const whole = { events: '"wholeEvent"', heads: '"wholeChain"' }

const at = (chain: string, condition = 'TRUE') => `"chain" = '${chain}' AND ${condition}`
const text = (value: string | null) => value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`

/** Rows renumbered and hashed again, which needs no secret. */
function rehashed (rows: readonly ChainedEvent[]): ChainedEvent[] {
  let previous = ''
  return rows.map((row, i) => {
    const placed = { ...row, sequence: i + 1, previous }
    previous = hashOf(placed)
    return { ...placed, hash: previous }
  })
}

/**
 * Replaces the rows of a chain, and sets its head to the last of them; columns outside of the hash stay as they are.
 */
function rewrite (chain: string, rows: readonly ChainedEvent[], key?: string): string[] {
  const columns = [
    'id', 'createdAt', 'type', 'actor', 'organizationId', 'subject', 'address', 'requestId', 'detail', 'chain',
    'sequence', 'previous', 'hash', 'mac', 'key'
  ]
  const values = (row: ChainedEvent) =>
    [
      text(row.id), `(SELECT "createdAt" FROM ${whole.events} WHERE "id" = ${text(row.id.replace(/-again$/, ''))})`,
      text(row.type), text(row.actor), text(row.organizationId), text(row.subject), text(row.address),
      text(row.requestId), text(JSON.stringify(row.detail)), text(row.chain), row.sequence, text(row.previous),
      text(row.hash), text(row.mac), text(key ?? row.key)
    ].join(', ')
  const last = rows.at(-1)!
  return [
    `DELETE FROM "AuditEvent" WHERE ${at(chain)}`,
    ...rows.map(row =>
      `INSERT INTO "AuditEvent" (${columns.map(name => `"${name}"`).join(', ')}) VALUES (${values(row)})`
    ),
    `UPDATE "AuditChain" SET "sequence" = ${last.sequence}, "hash" = '${last.hash}'${
      key === undefined ? '' : `, "key" = '${key}'`
    } WHERE "id" = '${chain}'`
  ]
}

const edited = (rows: readonly ChainedEvent[]) =>
  rehashed(rows.map((row, i) => i === 1 ? { ...row, actor: 'somebody' } : row))
const emptied = '"hash" = \'\', "mac" = \'\', "previous" = \'\', "key" = \'\''
const both = { victim: true, deployment: true }
const victim = { victim: true, deployment: false }
const neither = { victim: false, deployment: false }

/** Found from the database alone, without external heads. */
function found (
  what: string, refused: Way['refused'], named: Named, tamper: Way['tamper'], afterwards?: Way['tamper']
): Way {
  return { what, tamper, refused, named, namedWithHeads: named, ...(afterwards && { afterwards }) }
}

/** As a row of the victim's chain, with another id and another place. */
const copied = (chain: string, sequence: number) => ({ chains }: World) => {
  const columns =
    '"createdAt", "type", "actor", "organizationId", "subject", "address", "requestId", "detail", "previous", ' +
      '"hash", "mac", "key"'
  return [
    `INSERT INTO "AuditEvent" ("id", "chain", "sequence", ${columns}) SELECT 'evt_invented', '${
      chain === 'victim' ? chains.victim : chain
    }', ${sequence}, ${columns} FROM "AuditEvent" WHERE ${at(chains.victim, '"sequence" = 2')}`
  ]
}

export const ways: readonly Way[] = [
  found(
    'edits a row, and hashes it and all behind it anew', victim, ['victim', 'head_edited'],
    ({ chains, rows }) => rewrite(chains.victim, edited(rows[chains.victim]!))
  ),
  found('edits a row, hashes anew, and has all under the name of a key that never was', victim, [
    'victim', 'head_key_unknown'
  ], ({ chains, rows }) => rewrite(chains.victim, edited(rows[chains.victim]!), 'invented')),
  found('edits a row and hashes it anew, alone', neither, ['victim', 'forged'], ({ chains, rows }) => {
    const [, row] = edited(rows[chains.victim]!)
    return [`UPDATE "AuditEvent" SET "actor" = 'somebody', "hash" = '${row!.hash}' WHERE "id" = '${row!.id}'`]
  }),
  found('edits a row and hashes it anew, alone, under the name of a key that never was', neither, [
    'victim', 'key_unknown'
  ], ({ chains, rows }) => {
    const [, row] = edited(rows[chains.victim]!)
    return [`UPDATE "AuditEvent" SET "actor" = 'somebody', "hash" = '${row!.hash}', "key" = 'invented' WHERE "id" = ` +
      `'${row!.id}'`]
  }),
  found('says that a row happened at another time', neither, ['victim', 'edited'], ({ chains }) => [
    `UPDATE "AuditEvent" SET "createdAt" = (SELECT MIN("createdAt") FROM ${whole.events}) ` +
      `WHERE ${at(chains.victim, '"sequence" = 3')}`
  ]),
  found('says that something else was changed', neither, ['victim', 'edited'], ({ chains }) => ['UPDATE "AuditEvent" ' +
    `SET "detail" = '{"name":"harmless"}' WHERE ${at(chains.victim, '"sequence" = 3')}`]),
  found('puts two rows in each other\'s place, and hashes anew', victim, ['victim', 'head_edited'], world => {
    const { chains, rows } = world
    const [first, second, third, ...more] = rows[chains.victim]!
    return rewrite(chains.victim, rehashed([first!, third!, second!, ...more]))
  }),
  found('inserts a row, and hashes anew', victim, ['victim', 'head_edited'], ({ chains, rows }) => {
    const [first, second, ...more] = rows[chains.victim]!
    return rewrite(chains.victim, rehashed([first!, second!, { ...second!, id: `${second!.id}-again` }, ...more]))
  }),
  found(
    'copies rows of another chain into this one, and hashes anew',
    victim,
    ['victim', 'head_edited'],
    ({ chains, rows }) => {
      const copies = rows[chains.other]!.map(row => ({
        ...row, id: `${row.id}-again`, chain: chains.victim, organizationId: chains.victim
      }))
      return rewrite(chains.victim, rehashed([...rows[chains.victim]!, ...copies]))
    }
  ),
  found(
    'deletes the last row',
    neither,
    ['victim', 'missing'],
    (
      { chains, rows }
    ) => [`DELETE FROM "AuditEvent" WHERE ${at(chains.victim, `"sequence" = ${rows[chains.victim]!.length}`)}`]
  ),
  found(
    'deletes the last rows, and sets the head back with the seal of the row',
    victim,
    ['victim', 'head_edited'],
    ({ chains, rows }) => {
      const last = rows[chains.victim]![2]!
      return [
        `DELETE FROM "AuditEvent" WHERE ${at(chains.victim, '"sequence" > 3')}`,
        `UPDATE "AuditChain" SET "sequence" = 3, "hash" = '${last.hash}', "mac" = '${last.mac}' WHERE "id" = ` +
          `'${chains.victim}'`
      ]
    }
  ),
  found('seals the head as that of another chain is', victim, ['victim', 'head_edited'], ({ chains, rows }) => [
    ...rewrite(chains.victim, edited(rows[chains.victim]!)),
    `UPDATE "AuditChain" SET "mac" = (SELECT "mac" FROM ${whole.heads} WHERE "id" = '${chains.other}') WHERE "id" = ` +
      `'${chains.victim}'`
  ]),
  found('seals the head as it was before', victim, ['victim', 'head_edited'], ({ chains, rows }) => [
    ...rewrite(chains.victim, edited(rows[chains.victim]!)),
    `UPDATE "AuditChain" SET "mac" = (SELECT "mac" FROM ${earlier.heads} WHERE "id" = '${chains.victim}') WHERE "id" ` +
      `= '${chains.victim}'`
  ]),
  found(
    'deletes the head of a chain', victim, ['victim', 'no_head'],
    ({ chains }) => [`DELETE FROM "AuditChain" WHERE "id" = '${chains.victim}'`]
  ),
  found(
    'deletes a chain with its head',
    victim,
    ['victim', 'chain_gone'],
    (
      { chains }
    ) => [
      `DELETE FROM "AuditEvent" WHERE ${at(chains.victim)}`,
      `DELETE FROM "AuditChain" WHERE "id" = '${chains.victim}'`
    ]
  ),
  found(
    'deletes a chain with its head, and the row that says it was opened',
    neither,
    ['deployment', 'missing'],
    ({ chains }) => [
      `DELETE FROM "AuditEvent" WHERE ${at(chains.victim)}`, `DELETE FROM "AuditChain" WHERE "id" = '${chains.victim}'`,
      `DELETE FROM "AuditEvent" WHERE "type" = 'audit.chain_opened' AND "subject" = '${chains.victim}'`
    ]
  ),
  found('deletes the rows of a chain, and makes its head that of one which begins', victim, [
    'victim', 'not_closed_off'
  ], ({ chains }) => [
    `DELETE FROM "AuditEvent" WHERE ${at(chains.victim)}`,
    `UPDATE "AuditChain" SET "sequence" = 0, "hash" = '', "mac" = '', "key" = '' WHERE "id" = '${chains.victim}'`
  ]),
  found(
    'deletes every chain', both, ['deployment', 'chain_gone'],
    () => ['DELETE FROM "AuditEvent"', 'DELETE FROM "AuditChain"']
  ),
  found(
    'replaces all rows by one that says retention removed them',
    victim,
    ['victim', 'head_edited'],
    ({ chains, rows }) => {
      const last = rows[chains.victim]!.at(-1)!
      const invented = {
        ...last,
        id: `${last.id}-again`,
        type: 'audit.pruned' as const,
        actor: 'admin',
        subject: chains.victim,
        sequence: last.sequence + 1,
        previous: last.hash,
        detail: { rows: last.sequence, through: last.sequence, hash: last.hash }
      }
      return [
        ...rewrite(chains.victim, [{ ...invented, hash: hashOf(invented) }], 'invented'),
        `UPDATE "AuditChain" SET "pruned" = ${last.sequence}, "prunedHash" = '${last.hash}', "key" = (SELECT "key" ` +
          `FROM ${whole.heads} WHERE "id" = '${chains.victim}') WHERE "id" = '${chains.victim}'`
      ]
    }
  ),
  found('deletes the first rows as if retention had', victim, ['victim', 'head_edited'], ({ chains, rows }) => [
    `UPDATE "AuditChain" SET "pruned" = 2, "prunedHash" = '${
      rows[chains.victim]![1]!.hash
    }' WHERE "id" = '${chains.victim}'`,
    `DELETE FROM "AuditEvent" WHERE ${at(chains.victim, '"sequence" <= 2')}`
  ]),
  found('inserts a row among those that retention removed', neither, ['pruned', 'kept_edited'], ({ chains }) => {
    const columns =
      '"createdAt", "type", "actor", "organizationId", "subject", "address", "requestId", "detail", "chain", ' +
        '"previous", "hash", "mac", "key"'
    return [
      `INSERT INTO "AuditEvent" ("id", "sequence", ${columns}) SELECT 'evt_invented', 1, ${columns} FROM "AuditEvent" WHERE ${
        at(chains.pruned)
      } ORDER BY "sequence" LIMIT 1`
    ]
  }),
  found('deletes a chain of which retention left the row that says it was opened, and that row', neither, [
    'deployment', 'kept_edited'
  ], ({ chains }) => [
    `DELETE FROM "AuditEvent" WHERE ${at(chains.other)}`,
    `DELETE FROM "AuditChain" WHERE "id" = '${chains.other}'`,
    `DELETE FROM "AuditEvent" WHERE "type" = 'audit.chain_opened' AND "subject" = '${chains.other}'`
  ]),
  found('inserts a row in front of the first one', neither, ['victim', 'unplaced'], copied('victim', 0)),
  found('inserts a row far in front of the first one', neither, ['victim', 'unplaced'], copied('victim', -7)),
  found('inserts a row that is in no chain', neither, ['', 'unplaced'], copied('', 1)),
  found(
    'deletes a chain with its head and the row that says it was opened, and puts that row back when the chain has ' +
      'begun anew',
    neither,
    ['victim', 'opened_again'],
    ({ chains }) => [
      `DELETE FROM "AuditEvent" WHERE ${at(chains.victim)}`,
      `DELETE FROM "AuditChain" WHERE "id" = '${chains.victim}'`,
      `DELETE FROM "AuditEvent" WHERE "type" = 'audit.chain_opened' AND "subject" = '${chains.victim}'`
    ],
    (
      { chains }
    ) => [
      `INSERT INTO "AuditEvent" SELECT * FROM ${whole.events} WHERE "type" = 'audit.chain_opened' AND "subject" = ` +
        `'${chains.victim}'`
    ]
  ),
  found(
    'empties the hashes of a chain, as if it were older than chains are',
    victim,
    ['victim', 'not_closed_off'],
    ({ chains }) => [
      `UPDATE "AuditEvent" SET ${emptied} WHERE ${at(chains.victim)}`,
      `UPDATE "AuditChain" SET "hash" = '', "mac" = '', "key" = '' WHERE "id" = '${chains.victim}'`
    ]
  ),
  found('empties all hashes, and makes the database one of a version before the chains', both, [
    'deployment', 'not_closed_off'
  ], () => [
    'DELETE FROM "AuditEvent" WHERE "type" LIKE \'audit.%\' OR "actor" = \'admin\'',
    `UPDATE "AuditEvent" SET ${emptied}`,
    'UPDATE "AuditChain" SET "hash" = \'\', "mac" = \'\', "key" = \'\', "pruned" = 0, "prunedHash" = \'\', "kept" = ' +
      '\'\', "sequence" = (SELECT COUNT(*) FROM "AuditEvent" WHERE "chain" = "AuditChain"."id")'
  ]),
  {
    what: 'puts back an older head of a chain with the rows it had then',
    tamper: ({ chains }) => [
      `DELETE FROM "AuditEvent" WHERE ${at(chains.victim)}`,
      `INSERT INTO "AuditEvent" SELECT * FROM ${earlier.events} WHERE ${at(chains.victim)}`,
      `DELETE FROM "AuditChain" WHERE "id" = '${chains.victim}'`,
      `INSERT INTO "AuditChain" SELECT * FROM ${earlier.heads} WHERE "id" = '${chains.victim}'`
    ],
    refused: neither,
    named: null,
    namedWithHeads: ['victim', 'cut'],
  },
  {
    what: 'puts back an older state of the whole log',
    tamper:
      () => [
        'DELETE FROM "AuditEvent"', `INSERT INTO "AuditEvent" SELECT * FROM ${earlier.events}`,
        'DELETE FROM "AuditChain"', `INSERT INTO "AuditChain" SELECT * FROM ${earlier.heads}`
      ],
    refused: neither,
    named: null,
    namedWithHeads: ['victim', 'cut'],
  },
]

/** Plays every way, one after the other, each on a database of its own. */
export async function playAdministrator (
  { url, drop }: FreshDatabase, played: readonly Way[], onOutcome: (outcome: Outcome, way: Way) => void
): Promise<void> {
  const environment = {
    LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}`, LATCHKEY_LOG_LEVEL: 'silent'
  }
  const start = () => startServer({ database: url, environment, issuer: 'http://127.0.0.1:9', bare: true })
  let server = await start()
  try {
    const { world, token, heads } = await prepare(server, url)
    await dropTriggers(url)
    for (const way of played) {
      await behindTheServer(url, way.tamper(world))
      const refused = await change(server, token, world)
      await behindTheServer(url, way.afterwards?.(world) ?? [])
      await server.close()
      server = await start()
      onOutcome({ what: way.what, refused, ...await verdicts(server, token, world, heads, way) }, way)
      await behindTheServer(url, [...copy(whole.events, '"AuditEvent"'), ...copy(whole.heads, '"AuditChain"')])
    }
  } finally {
    await server.close()
    await drop()
  }
}

const copy = (from: string, to: string) => [`DELETE FROM ${to}`, `INSERT INTO ${to} SELECT * FROM ${from}`]

/**
 * Writes some history, a copy from its middle and one from its end, and the heads at that time; `folder` holds the last
 * copy.
 */
async function prepare (server: TestServer, url: string): Promise<{ world: World, token: string, heads: Json[] }> {
  const { admin, clock } = server
  const made = async (name: string) => (await server.createOrganization(name)).id
  // Ways that delete a chain's opening row must not meet rows that retention has removed.
  const chains = { other: await made('other'), pruned: await made('pruned'), victim: '' }
  const { token } =
    (await admin('POST', '/access-tokens', {
      organization: null,
      name: 'verifier',
      scopes: ['audit:read', 'audit:write', 'organizations:read', 'organizations:write']
    })).json
  for (const id of [chains.other, chains.pruned, chains.other]) await changeName(server, token, id)
  clock.advance(60)
  const before = clock.now().toISOString()
  for (const organization of [null, chains.pruned]) {
    await asked(server, token, 'POST', '/audit/prune', { organization, before })
  }
  chains.victim = (await asked(server, token, 'POST', '/organizations', { name: 'victim' })).json.id
  for (let i = 0; i < 3; i++) await changeName(server, token, chains.victim)
  await behindTheServer(url, [
    `CREATE TABLE ${earlier.events} AS SELECT * FROM "AuditEvent"`,
    `CREATE TABLE ${earlier.heads} AS SELECT * FROM "AuditChain"`
  ])
  for (let i = 0; i < 5; i++) await changeName(server, token, chains.victim)
  await behindTheServer(url, [
    `CREATE TABLE ${whole.events} AS SELECT * FROM "AuditEvent"`,
    `CREATE TABLE ${whole.heads} AS SELECT * FROM "AuditChain"`
  ])
  const heads = (await asked(server, token, 'GET', '/audit/head')).json.data as Json[]
  const lines = (await asked(server, token, 'GET', '/audit/export')).text.trimEnd().split('\n').map(line =>
    JSON.parse(line) as Json
  )
  const rows = Object.groupBy(
    lines.map(({ organization, createdAt, ...row }) =>
      ({ ...row, organizationId: organization, createdAt: new Date(createdAt) }) as unknown as ChainedEvent
    ),
    ({ chain }) => chain
  )
  return {
    world: { chains, rows: rows as World['rows'] },
    token,
    heads: heads.map(({ chain, sequence, hash }) => ({ chain, sequence, hash }))
  }
}

async function asked (server: TestServer, token: string, method: string, path: string, body?: Json) {
  return await server.send({
    method,
    path: `/api/v1${path}`,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body })
  })
}

let names = 0
const changeName = async (server: TestServer, token: string, id: string) =>
  await asked(server, token, 'PATCH', `/organizations/${id}`, { name: `name ${++names}` })

/** Makes ordinary changes: one of the victim, one that the deployment's chain records. */
async function change (server: TestServer, token: string, { chains }: World): Promise<Way['refused']> {
  const answers = [
    await changeName(server, token, chains.victim),
    await asked(server, token, 'POST', '/organizations', { name: `another ${++names}` })
  ]
  const [ofVictim, ofDeployment] = answers.map(({ status, json }) => {
    if (status === 500 && json.code === 'AUDIT_CHAIN_BROKEN') return true
    if (status >= 300) throw new Error(`a change was answered ${status} ${JSON.stringify(json)}`)
    return false
  })
  return { victim: ofVictim!, deployment: ofDeployment! }
}

/** The findings of every way to verify: API and command, with heads and without. */
async function verdicts (
  server: TestServer, token: string, world: World, heads: Json[], way: Way
): Promise<Omit<Outcome, 'what' | 'refused'>> {
  const named = (fault: Json | null | undefined): Named => {
    if (!fault) return null
    const [name] = Object.entries(world.chains).find(([, id]) => id === fault.chain) ?? [fault.chain]
    return [name as keyof World['chains'], fault.problem]
  }
  let api: Json
  for (let cursor = ''; ; cursor = `?cursor=${api.nextCursor}`) {
    api = (await asked(server, token, 'GET', `/audit/verify${cursor}`)).json
    if (api.nextCursor === undefined) break
  }
  const file = join(server.folder, 'heads.ndjson')
  await writeFile(file, heads.map(head => `${JSON.stringify(head)}\n`).join(''))
  const command = async (...flags: string[]) =>
    await run(process.execPath, [latchkeyCommand, 'audit', 'verify', '--json', ...flags], {
      env: { ...server.environment, LATCHKEY_URL: server.url, LATCHKEY_TOKEN: token }
    })
  const compared = await command('--heads', file)
  // With heads, the command compares them only after it has found nothing else.
  const plain = inWords(way.named) === inWords(way.namedWithHeads) ? compared : await command()
  return {
    api: named(api.fault),
    command: named((JSON.parse(plain.stdout) as Json).fault),
    withHeads: named((JSON.parse(compared.stdout) as Json).fault),
    heads: named((await asked(server, token, 'POST', '/audit/verify', { heads })).json.fault),
    exits: compared.code,
  }
}

/** A finding in one line: the problem and the chain. */
export const inWords = (named: Named): string => named === null ? '-' : `${named[1]} (${named[0]})`
