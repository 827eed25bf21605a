/** AI budgets over real HTTP, on both databases: reserve, settle, release, and what each of them refuses. */
import tap, { type Test } from 'tap'
import { MovableClock, startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'
import { asGateway, createGateway, createTenant, reserveFor } from '../support/gateway.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

for (const { name, server } of servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { admin } = server
  const gateway = await createGateway(server)
  const reserve = async (key: string, more: Json = {}): Promise<Answer> => await reserveFor(server, gateway, key, more)
  const settle = async ({ json: { id } }: Answer, body: Json): Promise<Answer> =>
    await asGateway(server, gateway, `/spend/reservations/${id}/settle`, body)
  const release = async ({ json: { id } }: Answer): Promise<Answer> =>
    await asGateway(server, gateway, `/spend/reservations/${id}/release`)
  const budgetOf = async (id: string): Promise<Json> => (await admin('GET', `/budgets/organizations/${id}`)).json
  const setBudget = async (id: string, limits: Json): Promise<Answer> =>
    await admin('PUT', `/budgets/organizations/${id}`, { day: null, month: null, ...limits })

  test('OC-10: of 200 calls, 40 at once, exactly those that the budget pays for are reserved', async t => {
    const { id, key } = await createTenant(server)
    await setBudget(id, { month: 50_000 })
    const statuses: number[] = []
    let left = 200
    await Promise.all(Array.from({ length: 40 }, async () => {
      while (left-- > 0) {
        const reserved = await reserve(key)
        statuses.push(reserved.status)
        if (reserved.status === 201) t.equal((await settle(reserved, { amount: 1_000 })).status, 200)
      }
    }))
    t.equal(statuses.length, 200)
    t.equal(statuses.filter(status => status === 201).length, 50)
    t.equal(statuses.filter(status => status === 429).length, 150)
    const { month, day } = await budgetOf(id)
    t.match(month, { limit: 50_000, spent: 50_000, reserved: 0, left: 0 })
    t.match(day, { limit: null, spent: 50_000, reserved: 0, left: null })
  })
}
