/** Write-behind batches: intervals, retries while the database is away, and no lost or repeated write. */
import { mock } from 'node:test'
import { setImmediate, setTimeout as pause } from 'node:timers/promises'
import tap from 'tap'
import { tokenMeter } from '../../../src/domain/tokens/issuance-meter.ts'
import { batchWriter, writtenInOneStatement } from '../../../src/domain/core/batch-writer.ts'
import { usageMeter } from '../../../src/domain/metering/usage-meter.ts'
import { lastUsedRecorder, writtenAtOnce } from '../../../src/domain/metering/last-used.ts'
import { until } from '../../support/waiting.ts'

const noon = new Date('2026-01-15T12:00:00Z')

/** A destination of writes that can fail, with the times of its tries. */
function place<T> () {
  const here = { away: false, tries: [] as number[], written: [] as T[] }
  const write = async (rows: Iterable<T>) => {
    here.tries.push(performance.now())
    await pause(1)
    if (here.away) throw new Error('away')
    here.written.push(...rows)
  }
  return { here, write }
}

tap.test('while the database is away each kind of usage is tried once in an interval, and nothing is lost: it is there once, when the database is', async t => {
  const interval = 40
  const [last, calls, tokens] = [
    place<[string, Date]>(), place<{ consumerId: string, calls: number }>(),
    place<{ clientId: string, tokens: number }>()
  ]
  const places = [last.here, calls.here, tokens.here]
  const uses = lastUsedRecorder(last.write, () => noon, interval)
  const meter = usageMeter(calls.write, interval)
  const issued = tokenMeter(tokens.write, () => noon, interval)
  for (const each of places) each.away = true
  const ids = Array.from({ length: 3 * writtenAtOnce }, (_, i) => `id_${i}`)
  const use = () => {
    for (const id of ids) {
      uses.touch(id)
      meter.count(id, noon)
      issued.count(id, null)
    }
  }
  use()
  const began = performance.now()
  await until('each is tried again', () => places.every(({ tries }) => tries.length >= 2))
  use()
  await until('each is tried twice more', () => places.every(({ tries }) => tries.length >= 4))
  for (const { tries } of places) {
    t.ok(tries.length <= (performance.now() - began) / interval + 1, `${tries.length} tries`)
  }
  for (const each of places) each.away = false
  await Promise.all([uses.stop(), meter.stop(), issued.stop()])
  t.strictSame(new Set(last.here.written.map(([id]) => id)), new Set(ids))
  const sums = (rows: [string, number][]) =>
    rows.reduce((sums, [id, n]) => sums.set(id, (sums.get(id) ?? 0) + n), new Map<string, number>())
  for (
    const found of [
      sums(calls.here.written.map(({ consumerId, calls }) => [consumerId, calls])),
      sums(tokens.here.written.map(({ clientId, tokens }) => [clientId, tokens]))
    ]
  ) {
    t.strictSame(found, new Map(ids.map(id => [id, 2])))
  }
})

tap.test('what could not be written is written later also when nothing more comes, until it is closed', async t => {
  const { here, write } = place<[string, Date]>()
  const uses = lastUsedRecorder(write, () => noon, 10)
  here.away = true
  uses.touch('id_a')
  await uses.flush()
  here.away = false
  await until('it is written', () => here.written.length > 0)
  t.strictSame(here.written, [['id_a', noon]])
  here.away = true
  uses.touch('id_b')
  await uses.stop()
  const { length } = here.tries
  await pause(30)
  t.equal(here.tries.length, length, 'the database may be gone for good')
})

tap.test('one turn at a time, and as many in an interval as what waits needs', async t => {
  const interval = 240
  let waiting = 25
  let writing = 0
  const turns: number[] = []
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => { mock.timers.reset() })
  const { schedule, flush } = batchWriter({
    size: () => waiting,
    async write (most) {
      t.equal(++writing, 1)
      turns.push(most)
      await setImmediate()
      waiting -= Math.min(waiting, most)
      writing--
    },
  }, interval, 10)
  /** The number of turns so many milliseconds later. */
  const after = async (milliseconds: number): Promise<number> => {
    mock.timers.tick(milliseconds)
    for (let i = 0; i < 5; i++) await setImmediate()
    return turns.length
  }
  schedule()
  schedule()
  t.strictSame([await after(interval - 1), await after(1)], [0, 1], 'what begins to wait waits an interval')
  t.strictSame([await after(interval / 2 - 1), await after(1)], [1, 2], 'fifteen were left: two turns')
  t.strictSame([await after(interval - 1), await after(1)], [2, 3], 'five were left: one')
  t.equal(await after(10 * interval), 3, 'nothing is left')
  waiting = 25
  await Promise.all([flush(), flush()])
  t.strictSame(turns.slice(3), [writtenInOneStatement], 'one flush writes it all, the other finds nothing')
  waiting = 10 * writtenInOneStatement + 1
  await flush()
  t.equal(waiting, 0)
  t.strictSame(
    turns.slice(4), Array.from({ length: 11 }, () => writtenInOneStatement), 'as many as one statement takes at a time'
  )
})
