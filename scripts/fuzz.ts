// npm run fuzz -- --seconds 60 [--seed N] [--database sqlite|postgresql]: hostile requests to a real server, generated
// from its OpenAPI document, some on connections that are reset; for this time on each database. Exit code 1 if an
// answer is a 5xx, reveals internals or a secret, differs from the document, or hangs; if an error occurs without an
// answer; or if memory grows.
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { databases } from '../test/support/databases.ts'
import { fuzz, type FuzzReport } from '../test/support/fuzz.ts'
import { startServer } from '../test/support/test-server.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' }, database: { type: 'string' } }
})
const seconds = Number(values.seconds)
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed)
const chosen = databases.filter(({ name }) => values.database === undefined || values.database === name)
if (!(seconds > 0) || !Number.isSafeInteger(seed) || chosen.length === 0) {
  console.error('npm run fuzz -- [--seconds N] [--seed N] [--database sqlite|postgresql]')
  process.exit(2)
}

/** Bytes by which the heap may grow over three quarters of the time: the server caches what requests name. */
const mostGrowth = 64 * 2 ** 20

let failed = false
for (const { name, fresh } of chosen) {
  const { url, drop } = await fresh()
  const server = await startServer({
    database: url, registration: 'open', environment: { LATCHKEY_LOG_LEVEL: 'silent' }
  })
  const report = await fuzz(server, { seed, seconds })
  await server.close()
  await drop()
  const growth = report.heap.late - report.heap.early
  tell(name, report, growth)
  const failure = report.failure ?? (growth > mostGrowth ? `the heap has grown by ${megabytes(growth)}` : null)
  if (failure === null) continue
  failed = true
  console.log(`\n${failure}\n\nnpm run fuzz -- --seconds ${seconds} --seed ${seed} --database ${name}`)
}
process.exit(failed ? 1 : 0)

function tell (
  name: string, { requests, resets, statuses, reached, operations, heap }: FuzzReport, growth: number
): void {
  const classes = Map.groupBy(statuses, ([status]) => `${Math.floor(status / 100)}xx`)
  const line = (name: string) => {
    const found = classes.get(name) ?? []
    const each = found.sort(([one], [other]) => one - other).map(([status, times]) => `${status}: ${times}`).join(', ')
    return `${name}  ${found.reduce((total, [, times]) => total + times, 0)}${each === '' ? '' : `  (${each})`}`
  }
  console.log(
    `${name}: ${requests} requests in ${seconds} s, ${resets} of them reset, seed ${seed}; ${reached.size} of ` +
      `${operations} operations did something`
  )
  for (const name of ['2xx', '3xx', '4xx', '5xx']) console.log(line(name))
  console.log(
    `heap  ${megabytes(heap.early)} after a quarter, ${megabytes(heap.late)} at the end (${growth > 0 ? '+' : ''}${
      megabytes(growth)
    })`
  )
}

function megabytes (bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`
}
