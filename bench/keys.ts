/** A server with many keys, all in use, against one with a thousand. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import {
  measure, median, perSecond, resident, scratch, start, type Load, type Measured, type Part, type Server
} from './measuring.ts'

interface Keyed {
  url: string, pid: number, keys: string
}

/** The keys of the smaller server; wrk holds as many texts for either, so that picking one costs it about the same. */
const few = 1_000

export const keys: Part = async settings => {
  const [small, large] = [
    await start<Omit<Keyed, 'pid'>>('keys-server.ts', [join(scratch, 'few'), few, 4302]),
    await start<Omit<Keyed, 'pid'>>('keys-server.ts', [join(scratch, 'many'), settings.keys, 4303])
  ]
  try {
    const empty = resident(large.pid)
    warm(small, few, settings.keys)
    awake(large, [small])
    warm(large, settings.keys, settings.keys)
    await pause(3_000)
    const perKey = (resident(large.pid) - empty) * 2 ** 20 / settings.keys
    const measured = new Map<Server<Keyed>, Measured[]>([[small, []], [large, []]])
    for (let round = 0; round < settings.rounds; round++) {
      for (const [server, figures] of measured) {
        awake(server, [small, large])
        // Discards the work that a paused server has to catch up with.
        measure(atRandom(server, settings.keys), 1)
        figures.push(measure(atRandom(server, settings.keys), settings.seconds))
      }
    }
    const [one, other] = [measured.get(large)!, measured.get(small)!]
    const what = `${settings.keys} keys, throughput`
    return [
      {
        what,
        against: `${few} keys`,
        values: one.map(({ rate }, i) => rate / other[i]!.rate),
        reach: ['≥', 0.8],
        absolute: `${perSecond(one)} against ${perSecond(other)}; ${Math.round(perKey)} bytes a key`
      },
      {
        what: `${settings.keys} keys, p99`,
        against: `${few} keys`,
        values: one.map(({ p99 }, i) => p99 / other[i]!.p99),
        reach: ['≤', 2],
        absolute: `${milliseconds(one)} against ${milliseconds(other)}`
      }
    ]
  } finally {
    small.process.kill('SIGKILL')
    large.process.kill('SIGKILL')
  }
}

function milliseconds (measured: readonly Measured[]): string {
  return `${median(measured.map(({ p99 }) => p99)).toFixed(2)} ms`
}

/** Only one server runs at a time, so that the pending writes of the other do not count against it. */
function awake (server: Server<Keyed>, all: readonly Server<Keyed>[]): void {
  for (const each of all) if (each !== server) each.process.kill('SIGSTOP')
  server.process.kill('SIGCONT')
}

/** Uses every key once. */
function warm (server: Server<Keyed>, count: number, slots: number): void {
  for (let used = 0; used < count;) {
    // Requests that were under way when wrk stopped are repeated.
    used += measure(inTurn(server, slots, used), count > few ? 10 : 1).requests - 64
  }
}

/**
 * All keys are in memory before the first request, in one text: with a table of a million texts, Lua's collector would
 * pause for times that look like the server's. A file with fewer than `slots` keys is repeated.
 */
function sending ({ url, pid, keys }: Keyed, slots: number, first: number, next: string): Load {
  const { host } = new URL(url)
  const script = [
    'local keys, width, slots, at = "", 0, 0, 0',
    'init = function(parameters)',
    '  slots = tonumber(parameters[2])',
    '  at = tonumber(parameters[3])',
    '  local file = io.open(parameters[1]):read("*a")',
    '  width = file:find("\\n")',
    '  keys = file:rep(math.ceil(slots * width / #file))',
    '  math.randomseed(os.time())',
    'end',
    'request = function()',
    `  ${next}`,
    '  local key = keys:sub((at - 1) * width + 1, at * width - 1)',
    // Lua hashes the last characters of a text, and some of its middle, to intern it: the key stands there.
    `  return "GET /guarded HTTP/1.1\\r\\nx-api-key: " .. key .. "\\r\\nHost: ${host}\\r\\n\\r\\n"`,
    'end',
  ].join('\n')
  return { name: `${slots} keys`, pid, url: `${url}/guarded`, script, parameters: [keys, slots, first] }
}

function inTurn (server: Keyed, slots: number, first: number): Load {
  return sending(server, slots, first, 'at = at % slots + 1')
}

function atRandom (server: Keyed, slots: number): Load {
  return sending(server, slots, 0, 'at = math.random(slots)')
}
