/**
 * SECURITY L2: an attacker with write access to the database, but without LATCHKEY_SECRET, cannot rewrite history
 * unnoticed, nor make a server seal it.
 */
import tap from 'tap'
import { inWords, playAdministrator, ways } from '../support/database-administrator.ts'
import { oneDatabase } from '../support/databases.ts'

for (const { name, fresh } of oneDatabase) {
  tap.test(`L2: ${ways.length} ways to rewrite history are each named by the API and the command, and no change and no start seals one [${name}]`, async t => {
    let played = 0
    await playAdministrator(await fresh(), ways, ({ what, refused, api, command, withHeads, exits }, way) => {
      played++
      const expected = {
        refused: way.refused,
        api: inWords(way.named),
        command: inWords(way.named),
        withHeads: inWords(way.namedWithHeads),
        exits: 1
      }
      t.strictSame(
        { refused, api: inWords(api), command: inWords(command), withHeads: inWords(withHeads), exits }, expected, what
      )
    })
    t.equal(played, ways.length)
  })
}
