// npm run tamper [-- --database sqlite|postgresql]: a database administrator without LATCHKEY_SECRET rewrites the
// history of a real server in every known way, each followed by a change and a restart. Prints the findings of
// `latchkey audit verify`, without and with exported heads. Exit code 1 if one is found by neither, or a server sealed
// it.
import { parseArgs } from 'node:util'
import { inWords, playAdministrator, ways } from '../test/support/database-administrator.ts'
import { databases } from '../test/support/databases.ts'

const { values } = parseArgs({ options: { database: { type: 'string' } } })
const played = databases.filter(({ name }) => values.database === undefined || values.database === name)
if (played.length === 0) {
  console.error('npm run tamper [-- --database sqlite|postgresql]')
  process.exit(2)
}

let unnamed = 0
for (const { name, fresh } of played) {
  console.log(`\n${name}`)
  await playAdministrator(await fresh(), ways, ({ what, refused, api, command, withHeads, heads }, way) => {
    const isNamed = withHeads !== null && (inWords(api) === inWords(command)) && (way.named === null || api !== null)
    if (!isNamed) unnamed++
    const changes = refused.victim || refused.deployment ? 'changes refused' : 'changes kept'
    console.log(
      `${isNamed ? '  ' : '! '}${what}\n      ${changes}; verify: ${inWords(api)}; with heads: ${
        inWords(withHeads)
      }; heads alone: ${inWords(heads)}`
    )
  })
}
console.log(`\n${ways.length} ways on ${played.length} database${played.length === 1 ? '' : 's'}: ${unnamed} not named`)
process.exit(unnamed === 0 ? 0 : 1)
