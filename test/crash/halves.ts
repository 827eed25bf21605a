/**
 * Finds partial changes: a change without its audit row or the reverse, credits that do not add up, a chain with a gap.
 * It reads the tables alone, so the origin of the rows does not matter.
 */
import type { Rows, World } from './world.ts'

type Row = Record<string, any>

/** The partial changes, a sentence each. */
export async function findHalves (world: World): Promise<string[]> {
  return await world.atOnce(findAmong)
}

async function findAmong (rows: Rows): Promise<string[]> {
  const events =
    (await rows(
      'SELECT "type", "subject", "detail", "chain", "sequence", "previous", "hash" FROM "AuditEvent" ORDER BY ' +
        '"chain", "sequence"'
    ))
      .map(
        row => ({
          ...row, detail: typeof row.detail === 'string' ? JSON.parse(row.detail) as Row : row.detail as Row
        } as Row)
      )
  const rowsOf = (columns: string, table: string) =>
    rows(`SELECT ${columns.split(' ').map(name => `"${name}"`).join(', ')} FROM "${table}"`)
  const about = (...types: string[]) => events.filter(({ type }) => types.includes(type))
  return [
    ...await madeAndEnded(rowsOf, about),
    ...secrets(await rowsOf('clientId', 'ClientSecret'), await rowsOf('id metadata', 'Client'), about),
    ...rotations(await rowsOf('id rotatedFrom rotatedTo', 'ApiKey'), about('api_key.rotated')),
    ...uses(await rowsOf('id usesLeft', 'RegistrationToken'), await rowsOf('registrationTokenId', 'Client'), about),
    ...differences(
      'a revoked token', (await rowsOf('jti', 'RevokedToken')).map(({ jti }) => jti),
      about('token.revoked').map(({ detail }) => detail.jti)
    ),
    ...await credits(rowsOf, about('credits.granted')),
    ...await spending(rowsOf),
    ...differences(
      'an archive', (await rowsOf('bundleId', 'SkillArchive')).map(({ bundleId }) => bundleId),
      about('skill.published').map(({ subject }) => subject)
    ),
    ...chains(events, await rowsOf('id sequence hash', 'AuditChain')),
  ]
}

/** Each table, with the event types that create one of its rows, that revise it, and that end it. */
const kinds = [
  {
    table: 'Organization',
    made: ['organization.created'],
    revised: ['organization.updated', 'organization.suspended', 'organization.resumed', 'organization.deleted']
  },
  {
    table: 'Client',
    made: ['client.created', 'client.registered'],
    revised: ['client.updated', 'client.secret_rotated', 'client.revoked'],
    ended: 'client.revoked'
  },
  {
    table: 'ApiKey',
    made: ['api_key.created', 'api_key.imported', 'api_key.rotated'],
    revised: ['api_key.updated', 'api_key.revoked'],
    ended: 'api_key.revoked'
  },
  {
    table: 'RegistrationToken',
    made: ['registration_token.created'],
    revised: ['registration_token.updated', 'registration_token.revoked', 'registration_token.spent'],
    ended: 'registration_token.revoked'
  },
  {
    table: 'ManagementToken',
    made: ['access_token.created'],
    revised: ['access_token.updated', 'access_token.revoked'],
    ended: 'access_token.revoked'
  },
  {
    table: 'PublishableKey',
    made: ['publishable_key.created'],
    revised: ['publishable_key.updated', 'publishable_key.revoked'],
    ended: 'publishable_key.revoked'
  },
  { table: 'Group', made: ['group.created'], revised: ['group.updated'], removed: 'group.deleted' },
  { table: 'Policy', made: ['policy.created'], revised: ['policy.updated'], removed: 'policy.deleted' },
  {
    table: 'ProviderKey',
    made: ['provider_key.created'],
    revised: ['provider_key.replaced'],
    removed: 'provider_key.removed'
  },
  { table: 'SkillBundle', made: ['skill.published'], revised: ['skill.yanked'] },
  { table: 'SpendBudget', made: ['budget.set'], repeated: true },
  // A key that is rotated at once is published first, so it may have both events.
  {
    table: 'SigningKey',
    id: 'kid',
    made: ['signing_key.created', 'signing_key.published', 'signing_key.rotated'],
    repeated: true,
    removed: 'signing_key.removed'
  }
] as const satisfies readonly {
  table: string,
  id?: string,
  made: readonly string[],
  repeated?: boolean,
  revised?: readonly string[],
  ended?: string,
  removed?: string
}[]

type RowsOf = (columns: string, table: string) => Promise<Row[]>
type About = (...types: string[]) => Row[]

async function madeAndEnded (rowsOf: RowsOf, about: About): Promise<string[]> {
  const halves: string[] = []
  for (const kind of kinds) {
    const { table, made, repeated, id, revised, ended, removed } = {
      id: 'id', repeated: false, revised: [], ended: undefined, removed: undefined, ...kind
    }
    const rows = await rowsOf(
      [id, ...(revised.length > 0 ? ['revision'] : []), ...(ended === undefined ? [] : ['revokedAt'])].join(' '), table
    )
    const gone = new Set(removed === undefined ? [] : about(removed).map(({ subject }) => subject))
    const told = about(...made).map(({ subject }) => subject).filter(subject => !gone.has(subject))
    halves.push(...differences(`a row of ${table}`, rows.map(row => row[id]), repeated ? [...new Set(told)] : told))
    if (ended !== undefined) {
      halves.push(...differences(
        `the end of a ${table}`, rows.filter(({ revokedAt }) => revokedAt !== null).map(row => row.id),
        about(ended).map(({ subject }) => subject)
      ))
    }
    halves.push(...revisions(table, rows, about(...revised), table === 'ApiKey' ? about('api_key.rotated') : []))
  }
  return halves
}

/**
 * A row's revision counts its changes. The event of a rotation has the new key as its subject, and changes the old one.
 */
function revisions (table: string, rows: readonly Row[], events: readonly Row[], rotations: readonly Row[]): string[] {
  const changes = counted([
    ...events.map(({ subject }) => subject), ...rotations.map(({ detail }) => detail.rotatedFrom)
  ])
  return rows.filter(({ id, revision }) => revision !== undefined && Number(revision) !== 1 + (changes.get(id) ?? 0))
    .map(({ id, revision }) =>
      `${table} ${id} has revision ${revision} after ${changes.get(id) ?? 0} changes in the audit log`
    )
}

/** Only clients with secrets, and with so few that none was dropped. */
function secrets (rows: readonly Row[], clients: readonly Row[], about: About): string[] {
  const held = counted(rows.map(({ clientId }) => clientId))
  const given = counted(
    about('client.created', 'client.registered', 'client.secret_rotated').map(({ subject }) => subject)
  )
  const withKeys = new Set(
    clients.filter(({ metadata }) => JSON.stringify(metadata).includes('private_key_jwt')).map(({ id }) => id)
  )
  return [...given].filter(([client, n]) => held.get(client) !== n && n <= 10 && !withKeys.has(client)).map((
    [client, n]
  ) => `client ${client} has ${held.get(client) ?? 0} secrets, and the audit log tells of ${n}`)
}

function rotations (keys: readonly Row[], events: readonly Row[]): string[] {
  const pair = (from: string, to: string) => `${from} to ${to}`
  const told = events.map(({ subject, detail }) => pair(detail.rotatedFrom, subject))
  return [
    ...differences(
      'the successor of a key',
      keys.filter(({ rotatedTo }) => rotatedTo !== null).map(({ id, rotatedTo }) => pair(id, rotatedTo)), told
    ),
    ...differences(
      'the predecessor of a key',
      keys.filter(({ rotatedFrom }) => rotatedFrom !== null).map(({ id, rotatedFrom }) => pair(rotatedFrom, id)), told
    )
  ]
}

/** A used-up use, the client registered with it, and its audit event. */
function uses (tokens: readonly Row[], clients: readonly Row[], about: About): string[] {
  const registered = counted(clients.map(({ registrationTokenId }) => registrationTokenId))
  const spent = counted(about('registration_token.spent').map(({ subject }) => subject))
  const given = new Map(
    about('registration_token.created').map(({ subject, detail }) => [subject, detail.usesLeft as number])
  )
  return tokens.filter(({ id, usesLeft }) => {
    const taken = given.get(id)! - Number(usesLeft)
    return taken !== (registered.get(id) ?? 0) || taken !== (spent.get(id) ?? 0)
  }).map(({ id, usesLeft }) =>
    `registration token ${id} had ${given.get(id)} uses and has ${usesLeft}; ${
      registered.get(id) ?? 0
    } clients registered with it, and the audit log tells of ${spent.get(id) ?? 0}`
  )
}

/** The balance of an account, its entries, the key's usage, and the months of key and organization have to agree. */
async function credits (rowsOf: RowsOf, granted: readonly Row[]): Promise<string[]> {
  const entries = await rowsOf('id organizationId environment apiKeyId amount', 'CreditEntry')
  const grants = entries.filter(({ apiKeyId }) => apiKeyId === null)
  const spendings = entries.filter(({ apiKeyId }) => apiKeyId !== null)
  const account = ({ organizationId, environment }: Row) => `${organizationId}:${environment}`
  const chains = new Map((await rowsOf('id chainId', 'ApiKey')).map(({ id, chainId }) => [id, chainId as string]))
  const spent = (row: Row) => -Number(row.amount)
  const months = (await rowsOf('holder credits', 'Allowance')).map(({ holder, credits }) =>
    [holder, Number(credits)] as const
  )
  return [
    ...differences('a grant', grants.map(({ id }) => id), granted.map(({ detail }) => detail.entry)),
    ...unequal(
      'the balance of',
      (await rowsOf('organizationId environment balance', 'CreditAccount')).map(
        row => [account(row), Number(row.balance)]
      ),
      entries.map(row => [account(row), Number(row.amount)])
    ),
    ...unequal(
      'the usage of key',
      (await rowsOf('apiKeyId credits', 'KeyUsage')).map(row => [row.apiKeyId, Number(row.credits)]),
      spendings.map(row => [row.apiKeyId, spent(row)])
    ),
    ...unequal('the month of', months, [
      ...spendings.map(row => [account(row), spent(row)] as const),
      ...spendings.map(row => [chains.get(row.apiKeyId) ?? row.apiKeyId, spent(row)] as const)
    ])
  ]
}

/** What reservations hold and have cost, the totals of their holders, and the lines of days have to agree. */
async function spending (rowsOf: RowsOf): Promise<string[]> {
  const reservations = await rowsOf(
    'organizationId credentialId account model estimate amount status day', 'SpendReservation'
  )
  const totals = await rowsOf('kind holder period spent reserved', 'SpendTotal')
  const places = (row: Row) =>
    ['global:', `organization:${row.organizationId}`, ...(row.account === null ? [] : [`account:${row.account}`])]
      .flatMap(holder => [row.day, row.day.slice(0, 7)].map(period => `${holder}:${period}`))
  const place = ({ kind, holder, period }: Row) => `${kind}:${holder}:${period}`
  const sumsOf = (rows: readonly Row[], amount: (row: Row) => number) =>
    rows.flatMap(row => places(row).map(name => [name, amount(row)] as const))
  const line = (row: Row) => [row.organizationId, row.day, row.credentialId, row.model].join(' ')
  const charged = reservations.filter(({ amount }) => amount !== null)
  return [
    ...unequal('what was spent in', totals.map(row => [place(row), Number(row.spent)]), sumsOf(
      charged, ({ amount }) => Number(amount)
    )),
    ...unequal('what is reserved in', totals.map(row => [place(row), Number(row.reserved)]), sumsOf(
      reservations.filter(({ status }) => status === 'open'), ({ estimate }) => Number(estimate)
    )),
    ...unequal(
      'the line of',
      (await rowsOf('organizationId day credentialId model amount', 'SpendLine'))
        .map(row => [line(row), Number(row.amount)]),
      charged.map(row => [line(row), Number(row.amount)])
    )
  ]
}

/** Numbers without gaps, each row linked to the one before it, and a head that is the last row. */
function chains (events: readonly Row[], heads: readonly Row[]): string[] {
  const halves: string[] = []
  const last = new Map<string, Row>()
  for (const row of events) {
    const before = last.get(row.chain)
    if (Number(row.sequence) !== Number(before?.sequence ?? 0) + 1 || row.previous !== (before?.hash ?? '')) {
      halves.push(`the audit chain ${row.chain} does not go on from ${before?.sequence ?? 0} to ${row.sequence}`)
    }
    last.set(row.chain, row)
  }
  const place = ({ sequence, hash }: Row) => `${sequence} ${hash}`
  return [
    ...halves,
    ...differences(
      'the head of a chain', heads.map(row => `${row.id} ${place(row)}`),
      [...last].map(([chain, row]) => `${chain} ${place(row)}`)
    )
  ]
}

/** The differences between two lists. */
function differences (what: string, stored: readonly string[], told: readonly string[]): string[] {
  const [there, heard] = [counted(stored), counted(told)]
  return [
    ...[...there].filter(([name, n]) => n !== heard.get(name)).map(([name]) =>
      `${what} is there and not in the audit log as it should be: ${name}`
    ),
    ...[...heard.keys()].filter(name => !there.has(name)).map(name =>
      `${what} is in the audit log and not there: ${name}`
    )
  ]
}

function unequal (
  what: string, stored: readonly (readonly [string, number])[], told: readonly (readonly [string, number])[]
): string[] {
  const [there, sums] = [summed(stored), summed(told)]
  return [...new Set([...there.keys(), ...sums.keys()])].filter(name =>
    (there.get(name) ?? 0) !== (sums.get(name) ?? 0)
  )
    .map(name => `${what} ${name} is ${there.get(name) ?? 0}, and the entries say ${sums.get(name) ?? 0}`)
}

function counted (names: readonly string[]): Map<string, number> {
  return summed(names.map(name => [name, 1]))
}

function summed (pairs: readonly (readonly [string, number])[]): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [name, n] of pairs) sums.set(name, (sums.get(name) ?? 0) + n)
  return sums
}
