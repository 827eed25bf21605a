// npm run crash -- --cycles 200 [--database sqlite|postgresql] [--seed N]: kills a real server under real load at
// random moments, restarts it on the same data, and checks everything that it had acknowledged. Without --database:
// both. Exit code 1 if anything acknowledged is lost, anything is half done, or the server gives an answer that it must
// not give.
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { crash, type CrashReport } from '../test/crash/cycles.ts'

const { values } = parseArgs({
  options: { cycles: { type: 'string', default: '20' }, database: { type: 'string' }, seed: { type: 'string' } }
})
const cycles = Number(values.cycles)
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed)
const databases = (['sqlite', 'postgresql'] as const).filter(name =>
  values.database === undefined || values.database === name
)
if (!(Number.isSafeInteger(cycles) && cycles > 0) || !Number.isSafeInteger(seed) || databases.length === 0) {
  console.error('npm run crash -- [--cycles N] [--database sqlite|postgresql] [--seed N]')
  process.exit(2)
}

let failed = false
for (const database of databases) {
  const began = performance.now()
  const report = await crash({
    database,
    cycles,
    seed,
    onCycle: (cycle, { lost, halfDone, wrong }) => {
      tell(cycle, [...lost, ...halfDone, ...wrong].length)
    }
  })
  print(database, report, (performance.now() - began) / 1_000)
  failed ||= report.lost.length + report.halfDone.length + report.wrong.length > 0
}
process.exit(failed ? 1 : 0)

function tell (cycle: number, problems: number): void {
  if (process.stderr.isTTY || cycle % 20 === 0) {
    process.stderr.write(`${cycle} of ${cycles} cycles, ${problems} problems\n`)
  }
}

function print (database: string, report: CrashReport, seconds: number): void {
  const { acknowledged, unanswered, lost, halfDone, wrong, restarts, recoveries } = report
  const total = [...acknowledged.values()].reduce((sum, n) => sum + n, 0)
  console.log(`\n${database}: ${cycles} cycles in ${seconds.toFixed(0)} s, seed ${seed}`)
  for (const [kind, n] of report.crashes) console.log(`  ${kind.padEnd(30)} ${n}`)
  console.log(`acknowledged writes ${total}`)
  for (const [kind, n] of [...acknowledged].sort(([one], [other]) => one < other ? -1 : 1)) {
    console.log(`  ${kind.padEnd(30)} ${n}`)
  }
  console.log(`not answered        ${unanswered}`)
  console.log(`lost                ${lost.length}`)
  console.log(`half done           ${halfDone.length}`)
  console.log(`otherwise wrong     ${wrong.length}`)
  console.log(`start after a crash ${spread(restarts)}`)
  if (recoveries.length > 0) console.log(`database back to first answer ${spread(recoveries)}`)
  for (const problem of [...lost, ...halfDone, ...wrong].slice(0, 40)) console.log(`  ! ${problem}`)
}

/** Milliseconds: the median and the maximum. */
function spread (times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  return `median ${Math.round(sorted[Math.floor(sorted.length / 2)]!)} ms, longest ${Math.round(sorted.at(-1)!)} ms`
}
