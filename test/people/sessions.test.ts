/** The session of a person as a credential: where it is taken, and when it has ended. */
import tap from 'tap'
import { asPerson, createPerson, signIn } from '../support/people.ts'
import { startOnEachDatabase } from '../support/test-server.ts'

const started = await startOnEachDatabase({
  environment: { LATCHKEY_SESSION_IDLE: '600', LATCHKEY_SESSION_MAX: '3600' }
})
tap.teardown(started.close)

for (const { name, server } of started.servers) {
  tap.test(`[${name}] the management API takes the session of a person, with what the member may do now`, async t => {
    const ada = await createPerson(server)
    const { status, json } = await asPerson(server, ada)('GET', '/members')
    t.equal(status, 200)
    t.strictSame(json.data.map(({ id }: { id: string }) => id), [ada.id], 'of the own organization alone')
    const viewer = await createPerson(server, { organization: ada.organization, role: 'viewer' })
    const call = asPerson(server, viewer)
    t.equal((await call('GET', '/api-keys')).status, 200)
    const refused = await call('POST', '/groups', { organization: ada.organization, name: 'g', scopes: [] })
    t.equal(refused.status, 403)
    t.equal(refused.json.details.reason, 'insufficient_scope')
  })

  tap.test(`[${name}] a session ends by disuse, by age, and with its member`, async t => {
    const ada = await createPerson(server)
    const call = asPerson(server, ada)
    const status = async (): Promise<number> => (await call('GET', '/members')).status
    server.clock.advance(599)
    t.equal(await status(), 200)
    t.equal(await status(), 200)
    const eve = await createPerson(server)
    server.clock.advance(601)
    const idle = await asPerson(server, eve)('GET', '/members')
    t.equal(idle.status, 401)
    t.equal(idle.json.details.reason, 'invalid_session')
    const again = await signIn(server, ada.id)
    t.equal((await asPerson(server, again)('GET', '/members')).status, 200)
    await server.admin('POST', `/members/${ada.id}/remove`)
    t.equal((await asPerson(server, again)('GET', '/members')).status, 401)
  })
}
