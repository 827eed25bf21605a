/**
 * DATABASE_URL of a PostgreSQL: every parameter is honoured or refused by its name, with the way out, and nothing of a
 * password is repeated.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import { postgresqlTarget, readPostgresqlUrl } from '../../src/config/database-url.ts'
import { ConfigurationError } from '../../src/base/errors.ts'

const usual = {
  schema: 'public',
  namesSchema: false,
  directTls: false,
  applicationName: 'latchkey',
  settings: [],
  startOptions: '',
  connections: 10
}

tap.test('what is honoured', async t => {
  const pem = join(t.testdir(), 'file.pem')
  writeFileSync(pem, '')
  const cases: [string, object][] = [
    ['//u:p@h:5/d', { host: 'h', port: 5, user: 'u', password: 'p', database: 'd', ...usual }],
    ['//u%40x:p%2F%3A%40@h/d%20e', { user: 'u@x', password: 'p/:@', database: 'd e' }],
    ['//u:50%@h/d', { password: '50%' }],
    ['//[::1]:5/d', { host: '::1', port: 5 }],
    ['///d', { host: undefined, database: 'd' }],
    ['//h', { host: 'h', database: undefined }],
    ['//u@/d?host=/run/postgresql', { host: '/run/postgresql', user: 'u', database: 'd' }],
    ['//%2Frun%2Fpostgresql/d', { host: '/run/postgresql' }],
    ['//h/d?user=u&password=p%40&port=6&dbname=e', { user: 'u', password: 'p@', port: 6, database: 'e' }],
    ['//h/d?password=a+b%20c&options=-c+work_mem=8MB', { password: 'a+b c', settings: [['work_mem', '8MB']] }],
    ['//h/d?schema=Lk_1-x', { schema: 'Lk_1-x', namesSchema: true }],
    ['//h/d', { tls: undefined }],
    ['//h/d?sslmode=disable', { tls: null }],
    ['//h/d?sslmode=require', { tls: { verify: 'full', ca: null } }],
    ['//h/d?sslmode=verify-full&sslrootcert=system', { tls: { verify: 'full', ca: null } }],
    [`//h/d?sslmode=verify-ca&sslrootcert=${pem}`, { tls: { verify: 'chain', ca: pem } }],
    [`//h/d?sslrootcert=${pem}&sslcert=${pem}&sslkey=${pem}`, {
      tls: { verify: 'full', ca: pem, certificate: pem, key: pem }
    }],
    ['//h/d?sslmode=no-verify', { tls: { verify: 'none' } }],
    ['//h/d?sslmode=require&sslnegotiation=direct', { directTls: true }],
    ['//h/d?options=-c%20work_mem%3D8MB%20--geqo-x=off%20-cjit=a%5C%20b%20endpoint=e', {
      settings: [['work_mem', '8MB'], ['geqo_x', 'off'], ['jit', 'a b']], startOptions: 'endpoint=e'
    }],
    ['//h/d?application_name=a%20b', { applicationName: 'a b' }],
    ['//h/d?connect_timeout=5&pool_timeout=9&connection_limit=20', { connectLimit: 9_000, connections: 20 }],
    [
      '//h/d?client_encoding=utf8&target_session_attrs=read-write&channel_binding=prefer&' +
        'gssencmode=disable&keepalives=1',
      {}
    ]
  ]
  for (const [rest, expected] of cases) {
    t.match(readPostgresqlUrl(`postgresql:${rest}`), { problems: [] }, rest)
    t.match(postgresqlTarget(`postgresql:${rest}`), expected, rest)
  }
})

tap.test('what is refused, by name and with the way out', async t => {
  const cases: [string, RegExp][] = [
    ['?schema=a&schema=b', /^the parameter schema is given more than once; /],
    ['?schema=', /^the parameter schema is empty; /],
    ['?schema=a"b', /^the parameter schema is not a schema name .*; write letters/],
    ['?schema=pg_temp', /^the parameter schema is not a schema name /],
    ['?sslmode=prefer', /^the parameter sslmode=prefer leaves it open .*; write sslmode=verify-full/],
    ['?sslmode=allow', /^the parameter sslmode=allow leaves it open /],
    ['?sslmode=on', /^the parameter sslmode is none of disable, /],
    ['?sslmode=verify-ca', /sslmode=verify-ca .*; name its file with sslrootcert/],
    [
      '?sslmode=verify-full&sslrootcert=/nowhere.pem',
      /^the parameter sslrootcert names \/nowhere\.pem, which cannot be read \(ENOENT\); name a PEM file/
    ],
    ['?sslmode=disable&sslrootcert=/dev/null', /sslmode=disable contradicts sslrootcert; /],
    ['?sslmode=no-verify&sslrootcert=/dev/null', /sslmode=no-verify checks no certificate/],
    ['?sslcert=/dev/null', /^sslcert and sslkey are needed together; /],
    ['?ssl=true', /^the parameter ssl is not the parameter for TLS here; write sslmode=verify-full/],
    ['?uselibpqcompat=true', /^the parameter uselibpqcompat: .*; write sslmode/],
    ['?channel_binding=require', /^the parameter channel_binding=require is not supported; /],
    ['?gssencmode=require', /^the parameter gssencmode=require: GSSAPI/],
    ['?target_session_attrs=standby', /^the parameter target_session_attrs=standby: Latchkey writes; name the primary/],
    ['?pgbouncer=true', /^the parameter pgbouncer is for a pooler in transaction mode, .*; leave it out/],
    ['?statement_timeout=1', /^the parameter statement_timeout: Latchkey sets its own limits /],
    ['?options=-c%20search_path=x', /^the parameter options sets search_path; write schema=NAME/],
    ['?options=-c%20DateStyle=German', /^the parameter options sets DateStyle, which Latchkey sets itself/],
    ['?options=-c', /^the parameter options is not a list such as -c name=value/],
    ['?connection_limit=1', /^the parameter connection_limit is not a whole number from 2 to 500; /],
    ['?connect_timeout=0', /^the parameter connect_timeout is not a whole number of seconds from 1 to 60; /],
    ['?client_encoding=latin1', /^the parameter client_encoding=latin1: /],
    ['?port=99999', /^the parameter port is not a port; /],
    ['?keepalives=0', /^the parameter keepalives is not 1: /],
    ['?application_name=%00', /^the parameter application_name is not 1 to 40 /],
    ['?search_path=x', /^the parameter search_path is not a parameter; write schema=NAME/],
    ['?__proto__=x', /^the parameter __proto__ is unknown /],
    [
      '?anything=x',
      /^the parameter anything is unknown \(docs\/postgresql\.md lists the supported ones\); leave it out$/
    ],
    ['/e', /^has a \/ in the name of the database; /]
  ]
  for (const [rest, expected] of cases) {
    const { problems } = readPostgresqlUrl(`postgresql://u:hunter2@h/d${rest}`)
    t.equal(problems.length, 1, `${rest}: ${problems.join(' ')}`)
    t.match(problems[0]?.replace(/^DATABASE_URL: /, ''), expected, rest)
    t.notMatch(problems.join(), 'hunter2')
    t.throws(() => postgresqlTarget(`postgresql://u:hunter2@h/d${rest}`), ConfigurationError)
  }
  for (const hosts of ['a,b', 'a:1,b:2', 'u:p,q@a,b', ',']) {
    t.match(readPostgresqlUrl(`postgresql://${hosts}/d`).problems, [/names several hosts; name one/], hosts)
  }
})

tap.test('a password that is not encoded is neither taken for something else nor repeated', async t => {
  for (const password of ['hun#ter2', 'hun/ter2', '1?hunter2=x', '1#hunter2', '1?a&hunter2', 'hun@ter2/']) {
    const { problems } = readPostgresqlUrl(`postgresql://u:${password}@h/d`)
    t.match(problems, [/percent-encode/], password)
    t.notMatch(problems.join(), /hun|ter2/)
  }
  for (const query of ['password=hun&ter2=x', 'password=hun&ter2', 'schema=lk&password=1&hunter2&ssl=1']) {
    const { problems } = readPostgresqlUrl(`postgresql://u@h/d?${query}`)
    t.match(problems[0], /has text after the parameter password .*; percent-encode an & in it \(%26\)/, query)
    t.notMatch(problems.join(), /hun|ter2/)
  }
})

tap.test('problems of the URL are named with all others, at the start', async t => {
  try {
    loadConfig({ PORT: 'x', DATABASE_URL: 'postgres://u:hunter2@h/d?sslmode=prefer&anything=1' }, t.testdir())
    t.fail('it was taken')
  } catch (error) {
    t.match((error as ConfigurationError).problems, [
      /^PORT: /, /^DATABASE_URL: the parameter sslmode/, /^DATABASE_URL: the parameter anything/
    ])
  }
})
