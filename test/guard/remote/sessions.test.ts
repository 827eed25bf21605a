/** Sessions of a remote guard, one after the other: what is left of the former, and what a change of all brings. */
import tap from 'tap'
import { hostResourceId } from '../../../src/domain/resources/resource.ts'
import { updateResource } from '../../../src/domain/declaration/resource-change.ts'
import { timed, until } from '../../support/waiting.ts'
import { startGuarded } from '../../support/guarded-node-api.ts'

const opened = (passed: readonly { method: string, path: string, status: number }[]): number =>
  passed.filter(({ path, status }) => path.endsWith('/guard/sessions') && status === 201).length

tap.test('a guard ends the session that a change of its resource outdates: no change waits for it', async t => {
  const { server, guard, get, key, passed } = await startGuarded(t)
  const { key: text } = await key()
  for (let i = 1; i <= 4; i++) {
    t.equal((await get({ 'x-api-key': text })).status, 200)
    const ms = await timed(async () => {
      await updateResource(server.latchkey.operation, hostResourceId, { mostCredits: i })
    })
    t.comment(`the change took ${ms} ms`)
    await until('the guard is trusted again', () => opened(passed) === i + 1 && guard.isTrusted)
  }
  t.equal(passed.filter(({ method }) => method === 'DELETE').length, 4)
})
