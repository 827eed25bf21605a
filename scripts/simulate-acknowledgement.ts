// npm run simulate -- [--seeds N] [--servers N] [--guards N] [--seed N] [--break RULE]
//
// Simulates the acknowledgement protocol (docs/replicas.md, docs/remote-guard.md) in many worlds, with up to N servers
// and N guards that follow each, in every other world. Exit code 1 if in one of them a check passed after the
// acknowledgement of a change that refuses it. With --break one rule is replaced by a
// wrong one, which the simulation must detect.
import { parseArgs } from 'node:util'
import { rules, simulate } from '../test/simulation/simulation.ts'
import { wrong } from '../test/simulation/wrong.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    servers: { type: 'string', default: '300' },
    guards: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    break: { type: 'string' }
  }
})
const [seeds, most, guards, first] = [values.seeds, values.servers, values.guards, values.seed].map(Number) as [
  number, number, number, number
]
const broken = values.break === undefined ? {} : wrong[values.break]?.rules
const areNumbers = [seeds, most, guards, first].every(Number.isSafeInteger)
if (!areNumbers || seeds < 1 || most < 2 || guards < 0 || broken === undefined) {
  console.error(
    'npm run simulate -- [--seeds N] [--servers N] [--guards N] [--seed N] ' +
      `[--break ${Object.keys(wrong).join('|')}]`
  )
  process.exit(2)
}

const lease = 2_000
const sum = {
  acknowledged: 0, lapsed: 0, looks: 0, trusted: 0, guardLooks: 0, guardsTrusted: 0, polls: 0, joins: 0
}
const waits: number[] = []
let greatest = 0
for (let seed = first; seed < first + seeds; seed++) {
  // Mostly few servers, which reach more states; sometimes the requested number.
  const servers = seed % 20 === 0 ? most : 2 + seed % Math.min(most - 1, 12)
  greatest = Math.max(greatest, servers)
  const outcome = simulate({
    seed, servers, changes: servers > 50 ? 40 : 200, lease, guards: seed % 2 === 0 ? guards : 0
  }, { ...rules, ...broken })
  for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += outcome[name]
  waits.push(...outcome.waits)
  if (outcome.violation === null) continue
  console.log(`world ${seed} of ${servers} servers, ${outcome.violation}`)
  process.exit(1)
}
waits.sort((one, other) => one - other)
const quantile = (share: number) =>
  `${waits[Math.min(waits.length - 1, Math.floor(waits.length * share))]!.toFixed(1)} ms`
console.log(
  `${seeds} worlds of up to ${greatest} servers, ${sum.acknowledged} changes acknowledged, ${sum.lapsed} of them ` +
    'after a whole lease'
)
console.log(
  `looked ${sum.looks} times at what a server would say, ${
    (sum.trusted / sum.looks * 100).toFixed(1)
  } % of the time from memory: nothing stale`
)
console.log(
  `looked ${sum.guardLooks} times at what a guard would say, ${
    (sum.guardsTrusted / sum.guardLooks * 100).toFixed(1)
  } % of the time from memory: nothing stale`
)
console.log(
  `acknowledgements: p50 ${quantile(0.5)}, p99 ${quantile(0.99)}, longest ${
    quantile(1)
  }; ${sum.polls} polls, ${sum.joins} joins`
)
