import { systemClock } from '../../base/clock.ts'
import type { ApiKey } from '../../domain/credentials/api-key.ts'
import type { ChainKeys } from '../../domain/audit/chain.ts'
import { systemActor } from '../../domain/core/actor.ts'
import {
  everyone, noticeHistory, noticeLostChanges, type LostEntry, type Refused
} from '../../domain/maintenance/lost-change.ts'
import type { ManagementToken } from '../../domain/credentials/management-token.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { newId } from '../../secrets/secrets.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { negativeFactsIn } from '../cache/negative-facts.ts'
import { AcknowledgementBarrier } from './acknowledgements.ts'
import type { Change, ChangeListener } from '../cache/changes.ts'
import type { Database } from '../engine/engine.ts'
import { append, longestBroadcast, replicaPage, broadcastCounts } from './feed.ts'
import type { Storage } from '../storage.ts'
import { instant } from './lease.ts'
import { settleRevoked, type About, type AboutHolder } from '../tables/lost-changes.ts'
import { Recollection } from './recollection.ts'
import { askedBy, RefusedSubjects, refusedInDatabase, withoutRefused } from './refused-subjects.ts'
import { Replica } from './replica.ts'
import { withReads } from '../engine/reads.ts'
import { repositoriesOver } from '../store/repositories.ts'
import { transactions, withTransactionalAudit, withTransactionalChanges } from '../store/transactions.ts'
import { uncachedRegistry, CachedRegistry } from '../cache/cached-registry.ts'

interface Options { url: string, keys: ChainKeys, lease: number, telemetry: Telemetry }

/**
 * On PostgreSQL others write, too: docs/replicas.md says how a server knows of it. Until it has joined, every check
 * asks the database.
 */
export function severalServersStorage (
  database: Database, { url, keys, lease, telemetry: { metrics, background } }: Options
): Omit<Storage, 'migrated' | 'ping' | 'isFull' | 'pendingMigrations' | 'connections'> {
  const id = newId('rpl')
  const followers: ChangeListener[] = []
  const { reads } = database
  const repositories = withReads(repositoriesOver(database.queries, refuse, keys), reads)
  const stored = uncachedRegistry(repositories, reads)
  const refused = new RefusedSubjects(reads)
  followers.push(async ({ of }) => { if (of === 'lostChanges' || of === 'everything') await refused.reload() })
  const operation = (): Operation => ({ store, clock: systemClock, actor: systemActor })
  const recollection = new Recollection({
    run: async <Row extends object>(text: string, values: readonly unknown[]) =>
      await database.queries.$queryRawUnsafe<Row[]>(text, ...values),
    find: about => found(stored, about),
    notice: entries => noticeLostChanges(operation(), entries),
    lost (entries, noticed) {
      metrics.lostChanges += entries
      background.log.error(
        { entries, noticed: noticed.length },
        'the database has lost changes that had been answered: ' +
          'what they were about is refused until an operator decides (latchkey replicas lost)'
      )
    }
  })
  const direct = askedBy(stored, read => recollection.believing(read))
  const view = new CachedRegistry(direct, negativeFactsIn(reads), metrics.registry)
  const acknowledgements = new AcknowledgementBarrier(database.queries, id, metrics, background.report('counting_out'))
  let hearCounts: (news: string) => void = () => {}
  const replica = new Replica({
    id,
    url,
    limits: database.limits,
    lease,
    view,
    followers,
    recollection,
    async notice (history, remembersAll) {
      if (!await noticeHistory(operation(), id, history, remembersAll)) return
      metrics.maybeLostChanges++
      background.log.error(history, 'the database has another history than the one that servers followed before: ' +
        'it may have lost changes that had been answered')
    },
    metrics,
    report: background.report('feed'),
    heard: (from, position) => { acknowledgements.onReport(from, position) },
    counted: news => { hearCounts(news) },
  })
  database.onLoss(() => { replica.doubt() })
  database.onConnect(() => { recollection.doubt() })
  const transaction = transactions(database, keys, {
    note: change => { if (isHeld(change)) view.apply(change) },
    followers,
    complete: async (queries, changes, note) => {
      if (!refused.isEmpty) await settleRevoked(queries, changes, note)
    },
    append: async (queries, changes) =>
      changes.length === 0 || changes.some(isHeld) ? await append(queries, id, changes.filter(isHeld)) : null,
    async acknowledge (entry) {
      // The feed may not have brought it when it is answered.
      recollection.remember([entry], instant())
      // What it found, another server may have done, and this one may not have heard of it itself.
      await Promise.all([acknowledgements.acknowledge(entry.xid, replica.sharedLease), replica.catchUp()])
    },
  })
  const store = withTransactionalAudit(withTransactionalChanges(repositories, transaction), transaction)
  const answers = { memory: withoutRefused(view, refused), database: withoutRefused(direct, refusedInDatabase(reads)) }
  return {
    store,
    registry: trusted(replica, answers, metrics.registry),
    replicas: [{
      id,
      get source () { return replica.isTrusted() ? 'memory' : 'database' },
      held: () => replica.isTrusted() ? view.held() : 0,
      differences: async () => replica.isTrusted() ? await view.differences(() => replica.catchUp()) : [],
      reload: () => view.reload(),
    }],
    directory: { page: query => replicaPage(database.queries, query) },
    subscribe: follower => { followers.push(follower) },
    join: () => replica.join(),
    peers: {
      longest: longestBroadcast,
      broadcast: news => broadcastCounts(database.queries, id, news),
      onBroadcast: ear => {
        hearCounts = ear
      }
    },
    isTrusted: () => replica.isTrusted(),
    feedProblem: () =>
      replica.lapsed < replica.lease
        ? null
        : 'this server does not hear what others change, and asks the database at every check',
    inMemory: () => view.sizes(),
    refusedSubjects: () => refused.size,
    async close () {
      await replica.close()
      await database.close()
    },
  }
}

/**
 * Which keys were made elsewhere is not kept here: it is one look-up by an index, and there may be millions of them.
 */
function isHeld ({ of }: Change): boolean {
  return of !== 'importedKey'
}

/** A change that would be kept from the other servers. */
function refuse (change: Change): void {
  if (isHeld(change)) throw new Error(`a change (${change.of}) outside of a transaction`)
}

/** What a change was about, as the database has it. */
async function found (stored: Registry, about: About): Promise<LostEntry['about'][number]> {
  const record = 'digest' in about ? await holderOf(stored, about) : await recordOf(stored, about)
  const subject = 'digest' in about ? record?.id ?? unknownId : about.subject
  return { kind: about.kind, subject, organizationId: record?.organizationId ?? null, isThere: record !== null }
}

/** Of a credential that was made and changed, and of which the database has lost both. */
const unknownId = 'unknown'

async function holderOf (stored: Registry, about: AboutHolder): Promise<ApiKey | ManagementToken | null> {
  return about.kind === 'management_token' ? await stored.managementToken(about.digest) : await keyOf(stored, about)
}

async function keyOf (
  stored: Registry, { digest, resourceId }: { digest: string, resourceId: string }
): Promise<ApiKey | null> {
  const made = await stored.apiKey(digest)
  return made?.resourceId === resourceId ? made : await stored.importedApiKey(digest, resourceId)
}

/** Of what cannot be looked up by its id, or is not one record, it is taken to be there. */
async function recordOf (
  stored: Registry, { kind, subject }: Refused
): Promise<{ id: string, organizationId: string | null } | null> {
  const anything = { id: subject, organizationId: null }
  if (subject === everyone) return anything
  switch (kind) {
    case 'api_key': return await stored.apiKeyById(subject)
    case 'client': return await stored.client(subject)
    case 'member': return await stored.member(subject)
    case 'organization': return await stored.organization(subject) && { id: subject, organizationId: subject }
    case 'publishable_key': return await stored.publishableKey(subject)
    default: return anything
  }
}

/** What the view says while it may be gone by, else what the database says, of which then nothing is kept. */
function trusted (
  replica: Replica, { memory, database }: { memory: Registry, database: Registry }, lookups: { misses: number }
): Registry {
  const answering = (): Registry => {
    if (replica.isTrusted()) return memory
    lookups.misses++
    return database
  }
  return {
    get state () { return replica.isTrusted() ? memory.state : null },
    apiKey: digest => answering().apiKey(digest),
    cachedApiKey: digest => replica.isTrusted() ? memory.cachedApiKey(digest) : null,
    importedApiKey: (digest, resourceId) => answering().importedApiKey(digest, resourceId),
    apiKeyById: keyId => answering().apiKeyById(keyId),
    client: clientId => answering().client(clientId),
    managementToken: digest => answering().managementToken(digest),
    member: memberId => answering().member(memberId),
    organization: organizationId => answering().organization(organizationId),
    policies: organizationId => answering().policies(organizationId),
    publishableKey: keyId => answering().publishableKey(keyId),
    registrationToken: digest => answering().registrationToken(digest),
    resource: resourceId => answering().resource(resourceId),
    resourceByIdentifier: identifier => answering().resourceByIdentifier(identifier),
    isTokenRevoked: jti => answering().isTokenRevoked(jti),
    signingKeys: () => answering().signingKeys(),
    webhookToken: digest => answering().webhookToken(digest),
  }
}
