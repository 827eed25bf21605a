/**
 * `npm run bench`: Latchkey's promises about speed, each against a comparison in the same run, as ratios, with their
 * spread over alternating rounds. `--only guard,token,…` runs some of it. Fails on an unexpected answer, not on a
 * missed figure: the last column shows those.
 */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { guard, introspection } from './guard.ts'
import { keys } from './keys.ts'
import { lists } from './lists.ts'
import { cleanUp, median, type Part, type Row, type Settings } from './measuring.ts'
import { memory } from './memory.ts'
import { revocation } from './revocation.ts'
import { startUp } from './start.ts'
import { token } from './token.ts'
import { edge, remote } from './remote.ts'
import { verify } from './verify.ts'

const parts: Readonly<Record<string, Part>> = {
  guard, token, introspection, verify, remote, edge, keys, lists, memory, start: startUp, revocation
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(parts).join(',') },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    clients: { type: 'string', default: '1000' },
    keys: { type: 'string', default: '1000000' },
    soak: { type: 'string', default: '60' },
    tries: { type: 'string', default: '10000' },
  },
})
const { only, ...figures } = values
const settings = Object.fromEntries(
  Object.entries(figures).map(([name, text]) => [name, Number(text)])
) as unknown as Settings

function print ({ what, against, values, reach, unit = '', absolute }: Row): void {
  const digits = (reach?.[1] ?? median(values)) >= 10 ? 0 : 2
  const spread = `${Math.min(...values).toFixed(digits)} – ${Math.max(...values).toFixed(digits)}`
  process.stdout.write(
    line([
      what, against, median(values).toFixed(digits), spread,
      reach === undefined ? unit.trim() : `${reach.join(' ')}${unit}`,
      reach === undefined ? '' : isReached(reach, median(values)) ? 'yes' : 'NO', absolute
    ])
  )
}

function isReached ([sign, figure]: NonNullable<Row['reach']>, value: number): boolean {
  return sign === '≥' ? value >= figure : value <= figure
}

function line (cells: readonly string[]): string {
  const widths = [32, 28, 7, 16, 9, 8, 0]
  return cells.map((cell, i) =>
    i === 0 || i === 1 || i === cells.length - 1 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
  ).join(' ').trimEnd() + '\n'
}

for (const [tool, remedy] of [['wrk', 'apt-get install wrk'], ['taskset', 'apt-get install util-linux']] as const) {
  if (spawnSync('which', [tool]).status !== 0) throw new Error(`npm run bench needs ${tool}: ${remedy}`)
}
const unknown = only.split(',').filter(name => !(name in parts))
if (unknown.length > 0) throw new Error(`--only takes ${Object.keys(parts).join(', ')}; not ${unknown.join(', ')}`)

process.on('exit', cleanUp)
process.once('SIGINT', () => process.exit(130))
process.stdout.write(
  `${settings.rounds} alternating rounds of ${settings.seconds} s, 32 connections, ${settings.clients} clients in ` +
    'turn; medians\n\n'
)
process.stdout.write(line(['what', 'against', 'median', 'spread', 'reach', 'reached', 'for orientation']))
for (const name of only.split(',')) for (const row of await parts[name]!(settings)) print(row)
