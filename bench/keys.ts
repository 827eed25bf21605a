/** A server with many keys, all of them in use, against one with a thousand. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { measure, median, perSecond, resident, scratch, start, type Load, type Measured, type Part, type Server } from './measuring.ts'

interface Keyed { url: string, pid: number, keys: string }

/** How many keys the one has; wrk has as many ready for either, so that taking one costs it the same. */
const few = 1_000

export const keys: Part = async settings => {
  const [small, large] = [
    await start<Omit<Keyed, 'pid'>>('keys-server.ts', [join(scratch, 'few'), few, 4302]), await start<Omit<Keyed, 'pid'>>('keys-server.ts', [join(scratch, 'many'), settings.keys, 4303]),
  ]
  try {
    const empty = resident(large.pid)
    warm(small, few, settings.keys)
    awake(large, [small])
    warm(large, settings.keys, settings.keys)
    await pause(3_000)
    const perKey = (resident(large.pid) - empty) * 2 ** 20 / settings.keys
    const measured = new Map<Server<Keyed>, Measured[]>([[small, []], [large, []]])
    for (let round = -1; round < settings.rounds; round++) {
      for (const [server, figures] of measured) {
        awake(server, [small, large])
        const figure = measure(atRandom(server, settings.keys), round < 0 ? 2 : settings.seconds)
        if (round >= 0) figures.push(figure)
      }
    }
    const [one, other] = [measured.get(large)!, measured.get(small)!]
    const what = `${settings.keys} keys, throughput`
    return [
      { what, against: `${few} keys`, values: one.map(({ rate }, i) => rate / other[i]!.rate), reach: ['≥', 0.8], absolute: `${perSecond(one)} against ${perSecond(other)}; ${Math.round(perKey)} bytes a key` },
      { what: `${settings.keys} keys, p99`, against: `${few} keys`, values: one.map(({ p99 }, i) => p99 / other[i]!.p99), reach: ['≤', 2], absolute: `${milliseconds(one)} against ${milliseconds(other)}` },
    ]
  } finally {
    small.process.kill('SIGKILL')
    large.process.kill('SIGKILL')
  }
}

function milliseconds (measured: readonly Measured[]): string {
  return `${median(measured.map(({ p99 }) => p99)).toFixed(2)} ms`
}

/** Only one runs at a time: what the other still has to write is not to be paid for by this one. */
function awake (server: Server<Keyed>, all: readonly Server<Keyed>[]): void {
  for (const each of all) if (each !== server) each.process.kill('SIGSTOP')
  server.process.kill('SIGCONT')
}

/** Uses every key once. */
function warm (server: Server<Keyed>, count: number, slots: number): void {
  for (let used = 0; used < count;) {
    // What was on its way when wrk stopped is sent again.
    used += measure(inTurn(server, slots, used), count > few ? 10 : 1).requests - 64
  }
}

/** All keys are in memory before the first is sent; a file with fewer than `slots` is gone through again. */
function sending ({ url, pid, keys }: Keyed, slots: number, first: number, next: string): Load {
  const { host } = new URL(url)
  const script = [
    'local keys = {}',
    'local at = 0',
    'init = function(parameters)',
    '  local slots = tonumber(parameters[2])',
    '  at = tonumber(parameters[3])',
    '  while #keys < slots do',
    '    for key in io.lines(parameters[1]) do',
    '      if #keys == slots then break end',
    '      keys[#keys + 1] = key',
    '    end',
    '  end',
    '  math.randomseed(os.time())',
    'end',
    'request = function()',
    `  ${next}`,
    `  return "GET /guarded HTTP/1.1\\r\\nHost: ${host}\\r\\nx-api-key: " .. keys[at] .. "\\r\\n\\r\\n"`,
    'end',
  ].join('\n')
  return { name: `${slots} keys`, pid, url: `${url}/guarded`, script, parameters: [keys, slots, first] }
}

function inTurn (server: Keyed, slots: number, first: number): Load {
  return sending(server, slots, first, 'at = at % #keys + 1')
}

function atRandom (server: Keyed, slots: number): Load {
  return sending(server, slots, 0, 'at = math.random(#keys)')
}
