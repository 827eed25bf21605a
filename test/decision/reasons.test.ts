/** Every reason of the judge, in every style, by each way of asking for a decision, on both databases. */
import tap, { type Test } from 'tap'
import { errorStyleNames } from '../../src/domain/resources/style.ts'
import type { Reason } from '../../src/domain/access/principal.ts'
import { statuses } from '../../src/guard/refusal/public-refusal.ts'
import { MovableClock, startOnEachDatabase, type TestServer } from '../support/test-server.ts'
import { deploymentClient, verifyAs } from './asking.ts'
import {
  compareWays, guardOf, mountReasons, passed, reasonsOfRequests, resourceOf, situationsOf, type Answered, type Ask,
  type Situation
} from './reasons.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock, mount: mountReasons, registration: 'open' })
tap.teardown(close)

for (const { name, server } of servers) {
  for (const style of errorStyleNames) {
    tap.test(`LK-05: guard and verify give the same answer for every reason in ${style} [${name}]`, async t => {
      const situations = await situationsOf(server, style)
      const reasons = new Set([...situations.map(({ reason }) => reason), ...reasonsOfRequests])
      t.strictSame(Object.keys(statuses).filter(reason => !reasons.has(reason as Reason)), [], 'no reason is left out')
      await compareWays(t, situations, [['guard', guardOf(server)], ['verify', await verifyOf(server, t)]])
    })
  }
}

/** Keys of others are told apart from those that do not exist in the audit log alone. */
function told ({ kind, reason }: Situation): string | undefined {
  const isHidden = kind === 'api_key' && (reason === 'wrong_resource' || reason === 'foreign_deployment')
  return isHidden ? 'unknown' : reason ?? undefined
}

/** Asks as a client of the deployment, which has the precise reason beside the answer that is compared. */
async function verifyOf (server: TestServer, t: Test): Promise<Ask> {
  const client = await deploymentClient(server, errorStyleNames.map(style => resourceOf(server.issuer, style)))
  return async (situation: Situation): Promise<Answered> => {
    const { resource, credential, needs, address, path } = situation
    const { status, json, text } = await verifyAs(server, client, { resource, credential, address, path, ...needs })
    if (status !== 200) throw new Error(`${situation.title}: ${status} ${text}`)
    t.equal(json.reason, told(situation), `${situation.title}: the precise reason`)
    return json.allowed === true
      ? passed(json.headers ?? {}, JSON.stringify(json.principal))
      : json.refusal as Answered
  }
}
