// npm run replicas-demo [-- --servers N --rounds N]: real server processes on one PostgreSQL behind a round-robin.
// Revokes a key on one of them while all of them are asked about it; then stops one of them, and repeats. Exit code 1
// if a request passed that was sent after the revocation was answered, or an answer took longer than its limit.
import { parseArgs } from 'node:util'
import { roundRobin, startCluster, type Cluster } from '../test/support/cluster.ts'
import { startPostgres } from '../test/support/postgres.ts'

const { values } = parseArgs({
  options: { servers: { type: 'string', default: '3' }, rounds: { type: 'string', default: '60' } }
})
const [size, rounds] = [Number(values.servers), Number(values.rounds)]
if (!(size >= 2) || !(rounds >= 1)) {
  console.error('npm run replicas-demo -- [--servers N] [--rounds N]')
  process.exit(2)
}

const lease = 2_000
/** Tolerance for a busy machine. */
const slack = 500
/** Concurrent requests while a key is revoked. */
const askers = 12

interface Round { asked: number, passedBefore: number, stale: number, wrong: number, took: number }

/** Asks about one key without pause, revokes it on `writer`, and asks on for a while; waits for every answer. */
async function round (
  cluster: Cluster, through: string, writer: string, meanwhile: () => void = () => {}
): Promise<Round> {
  const { id, key } = await cluster.createKey(writer)
  for (const { url } of cluster.members) {
    await Promise.race([
      cluster.check(url, key), new Promise(resolve => setTimeout(resolve, 100))
    ])
  }
  const result: Round = { asked: 0, passedBefore: 0, stale: 0, wrong: 0, took: 0 }
  let answered = Infinity
  const over = new AbortController()
  const underWay = new Set<Promise<void>>()
  const ask = async () => {
    const sent = performance.now()
    const status = await cluster.check(through, key)
    result.asked++
    if (status === 200 && sent > answered) result.stale++
    else if (status === 200) result.passedBefore++
    else if (status !== 401) result.wrong++
  }
  const asker = async () => {
    while (!over.signal.aborted) {
      const asking = ask()
      underWay.add(asking)
      // A stopped server does not block requests to the others.
      await Promise.race([
        asking.finally(() => {
          underWay.delete(asking)
        }),
        new Promise(resolve => setTimeout(resolve, 20))
      ])
    }
  }
  const all = Array.from({ length: askers }, asker)
  await new Promise(resolve => setTimeout(resolve, 10))
  const began = performance.now()
  await cluster.manage(writer, 'POST', `/api-keys/${id}/revoke`)
  answered = performance.now()
  result.took = answered - began
  await new Promise(resolve => setTimeout(resolve, 30))
  over.abort()
  meanwhile()
  await Promise.all(all)
  await Promise.all(underWay)
  return result
}

function tell (what: string, results: readonly Round[]): void {
  const sum = (name: keyof Round) => results.reduce((total, each) => total + each[name], 0)
  const took = results.map(each => each.took).sort((one, other) => one - other)
  const quantile = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))]!.toFixed(1)
  console.log(
    `${what}: ${results.length} revoked, ${sum('asked')} requests, ${
      sum('passedBefore')
    } passed before the answer, stale passes: ${sum('stale')}, other answers: ${sum('wrong')}; answered after ${
      quantile(0.5)
    } ms (p50), ${quantile(0.99)} ms (p99)`
  )
  if (sum('stale') > 0 || sum('wrong') > 0) process.exitCode = 1
}

function require (what: string, holds: boolean): void {
  console.log(`${holds ? 'yes' : 'NO '}  ${what}`)
  if (!holds) process.exitCode = 1
}

const postgres = await startPostgres()
const cluster = await startCluster(postgres.url, size, lease)
const balancer = await roundRobin(cluster.members.map(({ url }) => url))
try {
  const urls = cluster.members.map(({ url }) => url)
  const all: Round[] = []
  for (let i = 0; i < rounds; i++) all.push(await round(cluster, balancer.url, urls[i % urls.length]!))
  tell(`${size} servers behind a round-robin`, all)

  const last = cluster.members.at(-1)!
  last.process.kill('SIGSTOP')
  const stopped = await round(cluster, balancer.url, urls[0]!, () => { last.process.kill('SIGCONT') })
  tell('one of them stopped (SIGSTOP), and continued after the answer', [stopped])
  require(`the answer waited for it no longer than the lease of ${lease} ms`, stopped.took < lease + slack)

  const known = await cluster.createKey(urls[0]!)
  const live = async () =>
    (await cluster.manage(urls[0]!, 'GET', '/replicas')).data.filter((each: { live: boolean }) => each.live).length
  while (await live() < size) await new Promise(resolve => setTimeout(resolve, 50))
  for (let i = 0; i < 20; i++) await cluster.check(last.url, known.key)
  last.process.kill('SIGSTOP')
  const began = performance.now()
  await cluster.manage(urls[0]!, 'POST', `/api-keys/${known.id}/revoke`)
  const took = performance.now() - began
  const next = await cluster.createKey(urls[0]!)
  const again = performance.now()
  await cluster.manage(urls[0]!, 'POST', `/api-keys/${next.id}/revoke`)
  const tookAgain = performance.now() - again
  // What is sent to a server that is stopped is the first that it reads when it goes on.
  const first = Array.from({ length: 20 }, () => cluster.check(last.url, known.key))
  last.process.kill('SIGCONT')
  const statuses = await Promise.all(first)
  require(`stopped again: the answer came after ${took.toFixed(0)} ms`, took < lease + slack)
  require(`the next change did not wait for it any more: ${tookAgain.toFixed(0)} ms`, tookAgain < lease / 2)
  require(
    'continued, its first 20 answers about the revoked key are refusals', statuses.every(status => status === 401)
  )
} finally {
  await balancer.close()
  await cluster.stop()
  await postgres.stop()
}
