/** PostgreSQL commits one of two serializable transactions on a row, and makes the other retry. */
import tap from 'tap'
import { databases } from '../support/databases.ts'
import { startServer } from '../support/test-server.ts'

for (const { name, fresh } of databases) {
  tap.test(`T15: of many changes of one client at once each is made, under a generation of its own [${name}]`, async t => {
    const database = await fresh()
    const server = await startServer({ database: database.url })
    t.teardown(async () => {
      await server.close()
      await database.drop()
    })
    const { clientId } = await server.createClient()
    const answers = await Promise.all(
      Array.from(
        { length: 60 }, (_, i) => server.admin('PATCH', `/clients/${clientId}`, { allowlist: [`10.0.0.${i}`] })
      )
    )
    t.strictSame(answers.filter(({ status }) => status !== 200).map(({ status }) => status), [])
    t.equal(new Set(answers.map(({ json }) => json.generation)).size, 60, 'no generation is given twice')
    t.equal((await server.admin('GET', `/clients/${clientId}`)).json.generation, 61)
  })
}
