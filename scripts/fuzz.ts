// npm run fuzz -- --seconds 60 [--seed N]: hostile requests against a real server on SQLite, made from its OpenAPI document.
// Exit code 1 when an answer is a 5xx, tells of the inside or of a secret, is not what the document announces, or hangs.
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { fuzz } from '../test/fuzz.ts'
import { startServer } from '../test/harness.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } } })
const seconds = Number(values.seconds)
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed)
if (!(seconds > 0) || !Number.isSafeInteger(seed)) {
  console.error('npm run fuzz -- [--seconds N] [--seed N]')
  process.exit(2)
}

const server = await startServer({ registration: 'open', environment: { LATCHKEY_LOG_LEVEL: 'silent' } })
const { requests, statuses, reached, operations, failure } = await fuzz(server, { seed, seconds })
await server.close()

const classes = Map.groupBy(statuses, ([status]) => `${Math.floor(status / 100)}xx`)
const line = (name: string) => {
  const found = classes.get(name) ?? []
  const each = found.sort(([one], [other]) => one - other).map(([status, times]) => `${status}: ${times}`).join(', ')
  return `${name}  ${found.reduce((total, [, times]) => total + times, 0)}${each === '' ? '' : `  (${each})`}`
}
console.log(`${requests} requests in ${seconds} s, seed ${seed}; ${reached.size} of ${operations} operations did something`)
for (const name of ['2xx', '3xx', '4xx', '5xx']) console.log(line(name))
if (failure !== null) console.log(`\n${failure}\n\nnpm run fuzz -- --seconds ${seconds} --seed ${seed}`)
process.exit(failure === null ? 0 : 1)
