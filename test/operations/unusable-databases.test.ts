/**
 * Databases that no server can start with: serve, migrate and doctor name DATABASE_URL, the reason and the remedy, in
 * one sentence and without a stack.
 */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import Sqlite from 'better-sqlite3'
import tap, { type Test } from 'tap'
import { openLatchkey } from '../../src/app.ts'
import { loadConfig } from '../../src/config/config.ts'
import { examine } from '../../src/server/doctor/doctor.ts'
import { ConfigurationError } from '../../src/base/errors.ts'
import { openStorage } from '../../src/storage/index.ts'
import { databases } from '../support/databases.ts'
import { startFaultyProxy } from '../support/faulty-proxy.ts'
import { administer, freshDatabase, startPostgres } from '../support/postgres.ts'
import { freePort, latchkeyCommand, ownEnvironment, run } from '../support/running-server.ts'
import { eventually, until } from '../support/waiting.ts'

const secrets = {
  LATCHKEY_SECRET: 'Ok7ZQ1mVf4c9sLwX2tYbRaJhNdGuEiPo0', LATCHKEY_ADMIN_TOKEN: 'Ak7ZQ1mVf4c9sLwX2tYbRaJhNdGuEiPo1'
}

/** The error that serve throws, and the doctor's finding for the same database. */
async function saidOf (t: Test, url: string) {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-unusable-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const environment = {
    ...secrets, DATABASE_URL: url, LATCHKEY_DATA: folder, PORT: String(await freePort()), LATCHKEY_LOG_LEVEL: 'silent'
  }
  const refusal: unknown = await openLatchkey(loadConfig(environment)).then(
    ({ close }) => close().then(() => null), (error: unknown) => error
  )
  const finding = (await examine(environment)).find(({ check, status }) =>
    ['database', 'migrations'].includes(check) && status === 'failed'
  )
  return { environment, refusal, finding }
}

/** Asserts that both use the same words. */
async function isRefused (t: Test, what: string, url: string, sentence: RegExp): Promise<void> {
  const { refusal, finding } = await saidOf(t, url)
  t.ok(refusal instanceof ConfigurationError, `${what}: ${String(refusal)}`)
  const { problems } = refusal as ConfigurationError
  t.equal(problems.length, 1, what)
  t.match(problems[0], sentence, what)
  t.match(problems[0], /^DATABASE_URL: [^\n]+; [^\n]+$/, what)
  t.notMatch(problems[0], /hunter2|\bat [\w.]+ \(/, what)
  const [, reason = '', remedy = ''] = /^DATABASE_URL: (.*?); (.*)$/.exec(problems[0]!) ?? []
  t.match(
    finding, { found: reason, remedy: `${remedy.charAt(0).toUpperCase()}${remedy.slice(1)}.` }, `${what}: the doctor`
  )
}

const at = (
  url: string, parts: Partial<Record<'pathname' | 'username' | 'password' | 'port' | 'hostname' | 'search', string>>
) => Object.assign(new URL(url), parts).href

tap.test('who is not let in, and where there is nothing [postgresql]', async t => {
  const { url, drop } = await freshDatabase()
  t.teardown(drop)
  const role = `role_${new URL(url).pathname.slice(1)}`
  await administer(url, `CREATE ROLE ${role} LOGIN PASSWORD 'hunter2hunter2'`)
  t.teardown(() => administer(url, `DROP ROLE ${role}`))
  await administer(url, `CREATE ROLE ${role}_limited LOGIN PASSWORD 'hunter2hunter2' CONNECTION LIMIT 0`)
  t.teardown(() => administer(url, `DROP ROLE ${role}_limited`))
  const asRole = { username: role, password: 'hunter2hunter2' }
  const cases: [string, string, RegExp][] = [
    [
      'a missing database', at(url, { pathname: '/nowhere' }),
      /there is no database nowhere at 127\.0\.0\.1:\d+; create it \(CREATE DATABASE "nowhere" ENCODING 'UTF8'\), or name another$/
    ],
    [
      'a missing role', at(url, { username: 'nobody', password: 'hunter2' }),
      /the password of the role nobody is wrong or missing, or there is no such role at .*; correct it, or create the role/
    ],
    ['a wrong password', at(url, { password: 'hunter2' }), /the password of the role postgres is wrong or missing/],
    [
      'a role without a connection left', at(url, { username: `${role}_limited`, password: 'hunter2hunter2' }),
      /the server at 127\.0\.0\.1:\d+ has no connection left \(too many connections for role "\w+"\); raise max_connections there, or lower connection_limit here$/
    ],
    ['no password', at(url, { password: '' }), /the password of the role postgres is wrong or missing/],
    [
      'a server without TLS', at(url, { search: '?sslmode=require' }),
      /the server at 127\.0\.0\.1:\d+ does not support TLS, which sslmode requires; enable it there \(ssl = on\), or set sslmode=disable/
    ],
    [
      'a schema of others',
      at(url, asRole),
      new RegExp(
        `the role ${role} may not create tables in the schema public; GRANT CREATE, USAGE ON SCHEMA "public" TO ` +
          `"${role}", or set schema=NAME`
      )
    ],
    [
      'a schema that cannot be made',
      at(url, { ...asRole, search: '?schema=own' }),
      new RegExp(
        `there is no schema own, and the role ${role} may not create one in this database; CREATE SCHEMA "own" ` +
          `AUTHORIZATION "${role}"`
      )
    ],
    [
      'an unknown setting', at(url, { search: '?options=-c%20nonsense=1' }),
      /its options cannot be applied \(unrecognized configuration parameter "nonsense"\); /
    ],
    [
      'a setting that is refused', at(url, { search: '?options=-c%20work_mem=lots' }),
      /its options cannot be applied \(.*work_mem.*\); /
    ]
  ]
  for (const [what, own, sentence] of cases) await isRefused(t, what, own, sentence)

  const { code, stderr } = await run(process.execPath, [latchkeyCommand, 'migrate'], {
    env: ownEnvironment({ ...secrets, LATCHKEY_DATA: t.testdir(), DATABASE_URL: cases[0]![1] })
  })
  t.equal(code, 1)
  t.match(stderr, /^Latchkey cannot start:\n {2}- DATABASE_URL: there is no database nowhere [^\n]+\n$/)
})

tap.test('roles that pg_hba.conf rejects, or that have no password, or no right to the tables [postgresql]', async t => {
  const postgres = await startPostgres()
  t.teardown(postgres.stop)
  const { url } = postgres
  const rules = ['rejected all reject', 'absent all trust', 'scram all scram-sha-256']
  for (const rule of rules) {
    await administer(url, `COPY (SELECT '') TO PROGRAM 'sed -i "1i host all ${rule}" pg_hba.conf'`)
  }
  await administer(url, 'SELECT pg_reload_conf()')
  const isAbsent = (error: Error) => error.message.includes('"absent" does not exist')
  await until('the rules apply', () => administer(at(url, { username: 'absent' }), '').then(() => false, isAbsent))
  await isRefused(
    t, 'a role that is rejected', at(url, { username: 'rejected' }),
    /the server at 127\.0\.0\.1:\d+ rejects the role rejected \(pg_hba\.conf rejects connection for host .*\); allow it in pg_hba\.conf, and if that requires TLS set sslmode=verify-full$/
  )
  await isRefused(
    t, 'a role that is missing', at(url, { username: 'absent' }),
    /rejects the role absent \(role "absent" does not exist\); create it \(CREATE ROLE "absent" LOGIN\), or name another$/
  )
  await administer(url, "CREATE ROLE scram LOGIN PASSWORD 'hunter2hunter2'; GRANT ALL ON SCHEMA public TO scram")
  await isRefused(
    t, 'no password for SCRAM', at(url, { username: 'scram', password: '' }),
    /the server at 127\.0\.0\.1:\d+ requires a password; write it into the URL, or into PGPASSWORD$/
  )
  await (await openStorage(url)).close()
  await isRefused(
    t, 'tables of another role', at(url, { username: 'scram', password: 'hunter2hunter2' }),
    /the role scram lacks a privilege \(permission denied for table \w+\); name the role that owns the tables, or GRANT the missing privilege$/
  )
})

/** A listener in the place of PostgreSQL; returns its URL. */
async function listener (t: Test, onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer(socket => {
    socket.on('error', () => {})
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return `postgresql://latchkey:hunter2@127.0.0.1:${(server.address() as AddressInfo).port}/latchkey`
}

/** PostgreSQL's ErrorResponse. */
function errorResponse (code: string, message: string): Buffer {
  const fields = Buffer.from(['SFATAL', 'VFATAL', `C${code}`, `M${message}`, ''].join('\0') + '\0')
  const head = Buffer.from('E....')
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}

tap.test('a server that starts, a pooler that knows no such database, and one that fails at TLS [postgresql]', async t => {
  const answering = (code: string, message: string) =>
    listener(t, socket => { socket.once('data', () => { socket.end(errorResponse(code, message)) }) })
  await isRefused(
    t, 'a start', await answering('57P03', 'the database system is starting up'),
    /the server at 127\.0\.0\.1:\d+ is starting or stopping \(the database system is starting up\); start Latchkey again when it is up$/
  )
  await isRefused(
    t, 'as PgBouncer says it', await answering('08P01', 'no such database: latchkey'),
    /the server at 127\.0\.0\.1:\d+ refuses the connection \(no such database: latchkey\); check it: a pooler has to be in session mode/
  )
  const tls = await listener(t, socket => {
    // It agrees to TLS, and then speaks something else.
    socket.once('data', () => {
      socket.write('S')
      socket.once('data', () => { socket.end('this is no TLS') })
    })
  })
  await isRefused(
    t, 'TLS', `${tls}?sslmode=require`,
    /TLS with the server at 127\.0\.0\.1:\d+ fails \((EPROTO|ERR_SSL_\w+)\); check the files that sslrootcert, sslcert and sslkey name, and the log of the server$/
  )
})

tap.test('a PostgreSQL that is too old, by the version that it reports [postgresql]', async t => {
  const { url, drop } = await freshDatabase()
  t.teardown(drop)
  const { rows: [{ server_version_num: version }] } = await administer(url, 'SHOW server_version_num')
  const { hostname, port } = new URL(url)
  const old = await listener(t, near => {
    const far = connect(Number(port), hostname).on('error', () => {})
    near.pipe(far)
    far.on('data', bytes => { near.write(bytes.toString('latin1').replaceAll(version, '130012'), 'latin1') })
    far.on('close', () => { near.destroy() })
  })
  await isRefused(t, 'version 13', at(url, { port: new URL(old).port }), /the server is PostgreSQL 13; upgrade it to 14 or newer$/)
})

tap.test('a database without room at the start is said to be full [postgresql]', async t => {
  const { url, drop } = await freshDatabase()
  t.teardown(drop)
  const proxy = await startFaultyProxy(url)
  t.teardown(proxy.close)
  // The first is asked before the migrations, the other by one of them.
  for (const question of [1, 6]) {
    proxy.failAt(question, 'disk full')
    const { refusal } = await saidOf(t, proxy.url)
    t.ok(refusal instanceof ConfigurationError, String(refusal))
    t.match(String(refusal), /DATABASE_URL: the database is full \(.*No space left on device.*\); make room on its disk/)
  }
})

tap.test('a database that is not UTF-8, and one that can only be read [postgresql]', async t => {
  const { url, drop } = await freshDatabase()
  t.teardown(drop)
  const name = new URL(url).pathname.slice(1)
  const elsewhere = at(url, { pathname: '/postgres' })
  for (const encoding of ['LATIN1', 'SQL_ASCII']) {
    await administer(url, `CREATE DATABASE ${name}_${encoding} ENCODING '${encoding}' TEMPLATE template0 LOCALE 'C'`)
    t.teardown(() => administer(elsewhere, `DROP DATABASE ${name}_${encoding} WITH (FORCE)`))
    await isRefused(
      t,
      encoding,
      at(url, { pathname: `/${name}_${encoding.toLowerCase()}` }),
      new RegExp(
        `the encoding of the database is ${encoding}, which cannot store every name; ` +
          'create one with CREATE DATABASE … ENCODING \'UTF8\' TEMPLATE template0, and name it$'
      )
    )
  }
  const readOnly =
    /the database is read-only \(default_transaction_read_only is on .*\); make room, then, from another database, ALTER DATABASE … RESET default_transaction_read_only$/
  await administer(elsewhere, `ALTER DATABASE ${name} SET default_transaction_read_only = on`)
  const { refusal } = await saidOf(t, url)
  t.match(String(refusal), new RegExp(readOnly.source, 'm'), 'one that is empty')
  await administer(elsewhere, `ALTER DATABASE ${name} RESET default_transaction_read_only`)
  await (await openStorage(url)).close()
  await administer(elsewhere, `ALTER DATABASE ${name} SET default_transaction_read_only = on`)
  t.match(String((await saidOf(t, url)).refusal), new RegExp(readOnly.source, 'm'), 'one that is migrated')
})

tap.test('a standby is refused at the start, and no connection to one is ever used [postgresql]', async t => {
  const postgres = await startPostgres()
  t.teardown(postgres.stop)
  const storage = await openStorage(postgres.url)
  await storage.ping()
  await administer(postgres.url, "COPY (SELECT '') TO PROGRAM 'cat > standby.signal'")
  await postgres.kill()
  // A standby without a primary; `restart` waits for a writable server, which never comes.
  postgres.restart().catch(() => {})
  await until(
    'the standby answers',
    () =>
      administer(postgres.url, 'SELECT pg_is_in_recovery() AS standby').then(
        ({ rows }) => rows[0].standby === true, () => false
      )
  )
  await isRefused(
    t, 'a standby', postgres.url,
    /this server is a standby, which cannot be written and may lag behind; name the primary$/
  )
  await t.rejects(storage.ping(), { code: 'storage_unavailable', detail: /this server is a standby/ })
  await t.rejects(async () => await storage.registry.organization('org_x'), {
    code: 'storage_unavailable', detail: /this server is a standby/
  }, 'nor for a check')
  await storage.close()
})

const openssl = spawnSync('openssl', ['version']).status === 0 ? undefined : 'openssl is not installed'

/** Certificates made by openssl in `folder`: by a CA, for a name, from and to a day. */
function certificates (folder: string) {
  const make = (...parameters: string[]) => {
    const { status, stderr } = spawnSync('openssl', parameters, { cwd: folder, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }
  const authority = (name: string) => {
    make(
      'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj',
      `/CN=${name}`, '-days', '2'
    )
  }
  const signed = (name: string, by: string, altName: string, ...days: string[]) => {
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${altName}\n`)
    make(
      'req', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`
    )
    make(
      'x509', '-req', '-in', `${name}.csr`, '-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial', '-out',
      `${name}.pem`, '-extfile', `${name}.ext`, ...days
    )
  }
  return {
    authority,
    signed,
    pem: (name: string) => join(folder, `${name}.pem`),
    key: (name: string) => join(folder, `${name}.key`)
  }
}

tap.test('certificates: what each sslmode looks at, and what is said when it does not hold [postgresql]', {
  skip: openssl
}, async t => {
  const { authority, signed, pem, key } = certificates(t.testdir())
  authority('ca')
  authority('other')
  signed('good', 'ca', 'IP:127.0.0.1', '-days', '2')
  signed('elsewhere', 'ca', 'DNS:db.example.com', '-days', '2')
  signed('old', 'ca', 'IP:127.0.0.1', '-days', '-1')
  const postgres = await startPostgres()
  t.teardown(postgres.stop)
  const install = async (name: string) => {
    for (const [file, path] of [['server.crt', pem(name)], ['server.key', key(name)]] as const) {
      await administer(
        postgres.url,
        `COPY (SELECT unnest(string_to_array($pem$${
          readFileSync(path, 'utf8').trim()
        }$pem$, chr(10)))) TO PROGRAM 'rm -f ${file}; (umask 077; cat > ${file})'`
      )
    }
    await administer(postgres.url, 'ALTER SYSTEM SET ssl = on')
    const serial = () =>
      spawnSync('openssl', ['s_client', '-starttls', 'postgres', '-connect', new URL(postgres.url).host], {
        encoding: 'utf8', input: ''
      }).stdout
    await administer(postgres.url, 'SELECT pg_reload_conf()')
    await until(`${name} is in use`, () => serial().includes(`CN = ${name}`) || serial().includes(`CN=${name}`))
  }
  const by = (search: string) => at(postgres.url, { search })
  const ca = `sslrootcert=${pem('ca')}`
  const works = async (search: string) => {
    const storage = await openStorage(by(search))
    await storage.ping()
    const { rows } = await administer(
      postgres.url,
      "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'latchkey'"
    )
    t.strictSame(rows, [{ ssl: !['', '?sslmode=disable'].includes(search) }], search)
    await storage.close()
  }
  await install('good')
  for (
    const search of [
      `?sslmode=verify-full&${ca}`, `?sslmode=require&${ca}`, `?sslmode=verify-ca&${ca}`, `?${ca}`,
      '?sslmode=no-verify', '?sslmode=disable', ''
    ]
  ) await works(search)
  copyFileSync(pem('ca'), pem('replaced'))
  const storage = await openStorage(by(`?sslmode=verify-full&sslrootcert=${pem('replaced')}`))
  await storage.ping()
  rmSync(pem('replaced'))
  await administer(
    postgres.url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'latchkey%'"
  )
  const answers = () => storage.ping().then(() => true, () => false)
  t.ok(await eventually(answers, yes => yes), 'while the file is gone, new connections are checked by its last content')
  await storage.close()
  await isRefused(
    t, 'no CA named', by('?sslmode=require'),
    /the certificate of the server at 127\.0\.0\.1:\d+ is issued by a CA that is not trusted here \(\w+\); name the PEM file of its CA with sslrootcert=FILE$/
  )
  await isRefused(
    t, 'another CA', by(`?sslmode=verify-full&sslrootcert=${pem('other')}`),
    /the certificate of the server .*; name the PEM file of its CA with sslrootcert=FILE$/
  )
  await isRefused(
    t, 'a file that is no certificate', by(`?sslmode=verify-full&sslrootcert=${key('ca')}`),
    /the certificate of the server|TLS with the server/
  )
  await install('elsewhere')
  await isRefused(
    t, 'another name', by(`?sslmode=require&${ca}`),
    /the certificate of the server .* is for another name \(ERR_TLS_CERT_ALTNAME_INVALID\); write the host as the certificate has it, or sslmode=verify-ca with sslrootcert=FILE$/
  )
  await works(`?sslmode=verify-ca&${ca}`)
  await isRefused(
    t, 'verify-ca takes no other CA', by(`?sslmode=verify-ca&sslrootcert=${pem('other')}`),
    /the certificate of the server/
  )
  await install('old')
  await isRefused(
    t, 'expired', by(`?sslmode=verify-full&${ca}`),
    /the certificate of the server .* has expired \(CERT_HAS_EXPIRED\); renew it, or set this machine's clock$/
  )
})

for (const { name, fresh } of databases) {
  tap.test(`a database that a newer version has migrated is refused by serve, migrate and doctor, and left as it is [${name}]`, async t => {
    const { url, drop } = await fresh()
    t.teardown(drop)
    await (await openStorage(url)).close()
    const change = async (statement: string) => {
      if (name === 'postgresql') return (await administer(url, statement)).rows
      const file = new Sqlite(url.slice('file:'.length))
      try {
        return statement.startsWith('SELECT') ? file.prepare(statement).all() : file.exec(statement)
      } finally {
        file.close()
      }
    }
    const sentence =
      /the database was migrated by a newer version \(99991231235959_of_tomorrow is unknown to this one\); run that version or a later one, or restore the backup from before it$/
    const record = (finished: string, rolledBack: string) =>
      change(
        'INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, rolled_back_at, started_at, ' +
          `applied_steps_count) VALUES ('tomorrow', 'x', '99991231235959_of_tomorrow', ${finished}, ${rolledBack}, ` +
          'CURRENT_TIMESTAMP, 1)'
      )
    await record('CURRENT_TIMESTAMP', 'NULL')
    const before = await change('SELECT * FROM _prisma_migrations ORDER BY id')
    await isRefused(t, name, url, sentence)
    const { code, stderr } = await run(process.execPath, [latchkeyCommand, 'migrate'], {
      env: ownEnvironment({ ...secrets, LATCHKEY_DATA: t.testdir(), DATABASE_URL: url })
    })
    t.equal(code, 1)
    t.match(stderr, new RegExp(sentence.source, 'm'))
    t.strictSame(await change('SELECT * FROM _prisma_migrations ORDER BY id'), before)
    await change("DELETE FROM _prisma_migrations WHERE id = 'tomorrow'")
    await record('NULL', 'NULL')
    await isRefused(t, 'one that is half done', url, sentence)
    await change("DELETE FROM _prisma_migrations WHERE id = 'tomorrow'")
    await record('NULL', 'CURRENT_TIMESTAMP')
    await (await openStorage(url)).close()
    t.pass('one that was taken back does not count')
  })
}

tap.test('a clone in which the database clients were not generated says how to', async t => {
  const root = resolve(import.meta.dirname, '../..')
  const clone = t.testdir()
  cpSync(join(root, 'src'), join(clone, 'src'), {
    recursive: true, filter: path => !path.includes('/storage/generated')
  })
  for (const name of ['bin', 'prisma', 'node_modules', 'package.json']) symlinkSync(join(root, name), join(clone, name))
  const script =
    'const { openStorage } = await import(process.argv[1]); await openStorage(process.argv[2]).catch(error => { ' +
      'console.error(error.message) })'
  const { stderr } = await run(process.execPath, [
    '--input-type=module', '-e', script, join(clone, 'src/storage/index.ts'), `file:${join(clone, 'x.db')}`
  ], { cwd: clone })
  t.match(
    stderr,
    /^Latchkey cannot start:\n {2}- DATABASE_URL: the generated client of its database is missing \([^)]+\); run `npm run generate`\n$/
  )
})
