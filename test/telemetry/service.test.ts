/** Services: in which order they start and stop, and what a failed start leaves behind. */
import tap from 'tap'
import { countingLoss } from '../../src/telemetry/lost-entries.ts'
import { inOrder, together, type Service } from '../../src/telemetry/service.ts'
import { newTelemetry } from '../../src/telemetry/telemetry.ts'

/** A service that writes down what happens to it. */
function noted (events: string[], name: string, start: () => void = () => {}): Service {
  return {
    async start () {
      events.push(`start ${name}`)
      await null
      start()
      events.push(`${name} has started`)
    },
    async stop (until) {
      events.push(`stop ${name} ${until}`)
      await null
      events.push(`${name} has stopped`)
    },
  }
}

tap.test('services start one after the other and stop one after the other in reverse', async t => {
  const events: string[] = []
  const services = inOrder([noted(events, 'a'), { stop: async () => { events.push('stop b') } }, noted(events, 'c')])
  await services.start()
  t.strictSame(events.splice(0), ['start a', 'a has started', 'start c', 'c has started'])
  await services.stop(5)
  t.strictSame(events, ['stop c 5', 'c has stopped', 'stop b', 'stop a 5', 'a has stopped'])
})

tap.test('when a service does not start, all are stopped and none after it is started', async t => {
  const events: string[] = []
  const broken = () => { throw new Error('no start') }
  const services = inOrder([noted(events, 'a'), noted(events, 'b', broken), noted(events, 'c')])
  await t.rejects(async () => { await services.start() }, { message: 'no start' })
  t.strictSame(events, [
    'start a', 'a has started', 'start b', 'stop c -Infinity', 'c has stopped', 'stop b -Infinity', 'b has stopped',
    'stop a -Infinity', 'a has stopped'
  ])
})

tap.test('services that stop together do not wait for each other', async t => {
  const events: string[] = []
  const services = together([noted(events, 'a'), noted(events, 'b')])
  await services.start()
  await services.stop(5)
  t.strictSame(events, [
    'start a', 'start b', 'a has started', 'b has started', 'stop a 5', 'stop b 5', 'a has stopped', 'b has stopped'
  ])
})

tap.test('what a writer has lost when it stops is counted and logged by its job; nothing lost is not', async t => {
  const telemetry = newTelemetry()
  const lines: object[] = []
  telemetry.background.logTo({ error: (context, message) => { lines.push({ ...context, message }) } })
  await countingLoss(telemetry, 'calls', { stop: async () => 3 }).stop(-Infinity)
  await countingLoss(telemetry, 'refusals', { stop: async () => 0 }).stop(-Infinity)
  t.strictSame(telemetry.metrics.lost.entries(), [['calls', '', 3]])
  t.match(lines, [{ job: 'calls', lost: 3 }])
  t.equal(lines.length, 1)
})
