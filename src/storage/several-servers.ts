import type { ChainKeys } from '../domain/audit-chain.ts'
import type { Registry } from '../domain/registry.ts'
import { newId } from '../secrets.ts'
import type { Watch } from '../watch.ts'
import { absencesIn } from './absences.ts'
import { Acknowledgements } from './acknowledgements.ts'
import type { Change, Follower } from './changes.ts'
import type { Database } from './database.ts'
import { append, longestNews, replicaPage, tellCounts } from './feed.ts'
import type { Storage } from './index.ts'
import { Replica } from './replica.ts'
import { withReads } from './reads.ts'
import { repositoriesOver } from './repositories.ts'
import { transactions, withAuditOfItsOwn, withTransactionsOfTheirOwn } from './transactions.ts'
import { unbuffered, View } from './view.ts'

interface Options { url: string, keys: ChainKeys, lease: number, watch: Watch }

/** On PostgreSQL others write, too: docs/replicas.md says how a server knows of it. Until it has joined, every check asks the database. */
export function storeOfSeveralServers (database: Database, { url, keys, lease, watch: { measures, background } }: Options): Omit<Storage, 'migrated' | 'ping' | 'isFull' | 'pendingMigrations' | 'connections'> {
  const id = newId('rpl')
  const followers: Follower[] = []
  const { reads } = database
  const repositories = withReads(repositoriesOver(database.queries, refuse, keys), reads)
  const direct = unbuffered(repositories, reads)
  const view = new View(direct, absencesIn(reads), measures.registry)
  const acknowledgements = new Acknowledgements(database.queries, id, measures, background.report('counting_out'))
  let hearCounts: (news: string) => void = () => {}
  const replica = new Replica({
    id,
    url,
    limits: database.limits,
    lease,
    view,
    followers,
    measures,
    report: background.report('feed'),
    heard: (from, position) => { acknowledgements.hear(from, position) },
    counted: news => { hearCounts(news) },
  })
  database.onLoss(() => { replica.doubt() })
  const transaction = transactions(database, keys, {
    note: change => { if (isHeld(change)) view.apply(change) },
    followers,
    append: async (queries, changes) => changes.length === 0 || changes.some(isHeld) ? await append(queries, id, changes.filter(isHeld)) : null,
    // What it found, another server may have done, and this one may not have heard of it itself.
    acknowledge: async xid => { await Promise.all([acknowledgements.acknowledge(xid, replica.sharedLease), replica.catchUp()]) },
  })
  return {
    store: withAuditOfItsOwn(withTransactionsOfTheirOwn(repositories, transaction), transaction),
    registry: trusted(replica, view, direct, measures.registry),
    replicas: [{
      id,
      get source () { return replica.isTrusted() ? 'memory' : 'database' },
      held: () => replica.isTrusted() ? view.held() : 0,
      differences: async () => replica.isTrusted() ? await view.differences(() => replica.catchUp()) : [],
      reload: () => view.reload(),
    }],
    directory: { page: query => replicaPage(database.queries, query) },
    follow: follower => { followers.push(follower) },
    join: () => replica.join(),
    peers: { longest: longestNews, tell: news => tellCounts(database.queries, id, news), hear: ear => { hearCounts = ear } },
    isTrusted: () => replica.isTrusted(),
    feedProblem: () => replica.lapsed < replica.lease ? null : 'this server does not hear what others change, and asks the database at every check',
    inMemory: () => view.sizes(),
    async close () {
      await replica.close()
      await database.close()
    },
  }
}

/** Which keys were made elsewhere is not kept here: it is one look-up by an index, and there may be millions of them. */
function isHeld ({ of }: Change): boolean {
  return of !== 'importedKey'
}

/** A change that would be kept from the other servers. */
function refuse (change: Change): void {
  if (isHeld(change)) throw new Error(`a change (${change.of}) outside of a transaction`)
}

/** The view while it may be gone by, else the database, of which then nothing is kept. */
function trusted (replica: Replica, view: View, direct: Registry, lookups: { misses: number }): Registry {
  const memory = (): Registry => {
    if (replica.isTrusted()) return view
    lookups.misses++
    return direct
  }
  return {
    get state () { return replica.isTrusted() ? view.state : null },
    apiKey: digest => memory().apiKey(digest),
    heldApiKey: digest => replica.isTrusted() ? view.heldApiKey(digest) : null,
    importedApiKey: (digest, resourceId) => memory().importedApiKey(digest, resourceId),
    apiKeyById: keyId => memory().apiKeyById(keyId),
    client: clientId => memory().client(clientId),
    managementToken: digest => memory().managementToken(digest),
    member: memberId => memory().member(memberId),
    organization: organizationId => memory().organization(organizationId),
    policies: organizationId => memory().policies(organizationId),
    publishableKey: keyId => memory().publishableKey(keyId),
    resource: resourceId => memory().resource(resourceId),
    resourceByIdentifier: identifier => memory().resourceByIdentifier(identifier),
    isTokenRevoked: jti => memory().isTokenRevoked(jti),
    signingKeys: () => memory().signingKeys(),
    webhookToken: digest => memory().webhookToken(digest),
  }
}
