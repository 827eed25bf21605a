/** The table of variables: rows drive reading, and a row with `<ID>` is read for each ID that is set. */
import tap from 'tap'
import { oneOf, readText, wholeNumber } from '../../src/config/readers.ts'
import { defaultOf, findRow, readTable, type Settings, type Table } from '../../src/config/table.ts'
import { unknownVariables } from '../../src/config/unknown-variables.ts'
import { commandVariables, variables } from '../../src/config/variables.ts'

const table = {
  port: { name: 'PORT', default: '3000', description: 'A port.', read: wholeNumber(1, 65_535) },
  url: { name: 'LATCHKEY_URL', default: 'http://localhost:<PORT>', description: 'A URL.', read: readText },
  secret: { name: 'LATCHKEY_SECRET', whenUnset: 'none', description: 'A secret.', read: readText },
  issuers: { name: 'LATCHKEY_IDP_<ID>_ISSUER', required: true, description: 'An issuer.', read: readText },
  secrets: { name: 'LATCHKEY_IDP_<ID>_SECRET', whenUnset: 'none', description: 'A secret.', read: readText },
  clientSecrets: {
    name: 'LATCHKEY_IDP_<ID>_CLIENT_SECRET', whenUnset: 'none', description: 'A client secret.', read: readText
  },
  names: { name: 'LATCHKEY_IDP_<ID>_NAME', default: '<ID> at <PORT>', description: 'A name.', read: readText },
  modes: { name: 'LATCHKEY_IDP_<ID>_MODE', default: 'on', description: 'A mode.', read: oneOf('on', 'off') },
  colors: { name: 'LATCHKEY_STYLE_<ID>_COLOR', default: 'blue', description: 'A color.', read: readText },
} as const satisfies Table

tap.test('a row is read by its reader, else its default is', async t => {
  const { settings, problems } = readTable(table, {}, '/')
  t.strictSame(problems, [])
  t.match(settings, { port: 3000, url: 'http://localhost:3000', secret: null })
  t.match(readTable(table, { PORT: ' 80 ', LATCHKEY_URL: '', LATCHKEY_SECRET: 'x' }, '/').settings, {
    port: 80, url: 'http://localhost:80', secret: 'x'
  })
  t.equal(defaultOf(table.port), 3000)
})

tap.test('a problem begins with the name of its variable, and the default stands in for the value', async t => {
  const { settings, problems } = readTable(table, { PORT: 'http' }, '/')
  t.strictSame(problems, ['PORT: "http" is not a whole number from 1 to 65535'])
  t.equal(settings.url, 'http://localhost:3000')
})

tap.test('a row with <ID> is read for each ID that any row of its family names', async t => {
  const { settings, problems } = readTable(table, {
    LATCHKEY_IDP_GOOGLE_ISSUER: 'https://accounts.example.com',
    LATCHKEY_IDP_GOOGLE_CLIENT_SECRET: 'one',
    LATCHKEY_IDP_MY_OWN_2_ISSUER: 'https://idp.example.com',
    LATCHKEY_IDP_MY_OWN_2_NAME: 'Ours',
    LATCHKEY_IDP_EMPTY_ISSUER: ' ',
  }, '/')
  t.strictSame(problems, [])
  // The type follows from the row: text where it is required or has a default, else null where it is not set.
  const issuers: ReadonlyMap<string, string> = settings.issuers
  const clientSecrets: ReadonlyMap<string, string | null> = settings.clientSecrets
  const modes: ReadonlyMap<string, 'on' | 'off'> = settings.modes
  t.strictSame([...issuers], [['GOOGLE', 'https://accounts.example.com'], ['MY_OWN_2', 'https://idp.example.com']])
  t.strictSame([...clientSecrets], [['GOOGLE', 'one'], ['MY_OWN_2', null]])
  t.strictSame([...settings.secrets], [['GOOGLE', null], ['MY_OWN_2', null]], 'not the secret of GOOGLE_CLIENT')
  t.strictSame([...settings.names], [['GOOGLE', 'GOOGLE at 3000'], ['MY_OWN_2', 'Ours']])
  t.strictSame([...modes], [['GOOGLE', 'on'], ['MY_OWN_2', 'on']])
  t.strictSame([...settings.colors], [], 'another family has IDs of its own')
})

tap.test('problems of a row with <ID> name the variable of the ID', async t => {
  const environment = { LATCHKEY_IDP_A_MODE: 'maybe', LATCHKEY_IDP_B_ISSUER: 'x' }
  t.strictSame(readTable(table, environment, '/').problems, [
    'LATCHKEY_IDP_A_ISSUER: is required, because another variable with the ID A is set',
    'LATCHKEY_IDP_A_MODE: "maybe" is none of on, off',
  ])
})

tap.test('a variable with an ID is known, and a mistyped one is named with the row that it is nearest to', async t => {
  const rows = Object.values(table)
  t.match(findRow('LATCHKEY_IDP_X_CLIENT_SECRET', rows), { row: table.clientSecrets, id: 'X' })
  t.match(findRow('LATCHKEY_SECRET', rows), { row: table.secret, id: null })
  for (const name of ['LATCHKEY_IDP_ISSUER', 'LATCHKEY_IDP__ISSUER', 'LATCHKEY_IDP_x_ISSUER', 'LATCHKEY_IDP_X_']) {
    t.equal(findRow(name, rows), null, name)
  }
  const cases: [name: string, nearest: string | null][] = [
    ['LATCHKEY_IDP_GOOGLE_ISSUER', null],
    ['LATCHKEY_IDP_GOOGLE_ISUER', 'LATCHKEY_IDP_<ID>_ISSUER'],
    ['LATCHKEY_IDP_A_VERY_LONG_IDENTIFIER_CLIENTSECRET', 'LATCHKEY_IDP_<ID>_CLIENT_SECRET'],
    ['LATCHKEY_IDP_google_ISSUER', 'LATCHKEY_IDP_<ID>_ISSUER'],
    ['LATCHKEY_SECERT', 'LATCHKEY_SECRET'],
  ]
  for (const [name, nearest] of cases) {
    t.strictSame(
      unknownVariables({ [name]: 'x' }, rows),
      nearest === null ? [] : [`${name}: is unknown and ignored; the nearest known variable is ${nearest}`]
    )
  }
})

tap.test('every row says exactly once what applies when its variable is not set, and every default can be read', async t => {
  const rows: [string, Table[string]][] = Object.entries({ ...variables, ...commandVariables })
  for (const [key, row] of rows) {
    t.equal([row.default, row.whenUnset, row.required].filter(each => each !== undefined).length, 1, row.name)
    t.match(row.description, /^[A-Z`].*\.$/, row.name)
    if (row.default === undefined || row.default === '') continue
    const filled = row.default.replace('<PORT>', '3000').replace('<LATCHKEY_DATA>', '/data')
    const { settings, problems } = readTable({ [key]: row }, { [row.name]: filled }, '/')
    t.strictSame(problems, [], row.name)
    t.not((settings as Settings<Table>)[key], undefined, row.name)
  }
  t.equal(new Set(rows.map(([, { name }]) => name)).size, rows.length)
})
