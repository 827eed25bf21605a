import { mkdtempSync, writeFileSync } from 'node:fs'
import { startPostgres } from './support/postgres.ts'
import { makeTemplates } from './support/databases.ts'
const postgres = await startPostgres() as any
const url = typeof postgres === 'string' ? postgres : postgres.url
process.env.LATCHKEY_TEST_POSTGRES ??= url
const env = { LATCHKEY_TEST_POSTGRES: url, ...await makeTemplates(mkdtempSync('/tmp/trust-pg-'), url) }
writeFileSync('/tmp/trust-pg.env', Object.entries(env).map(([k, v]) => `export ${k}='${v}'`).join('\n') + '\n')
console.log('ready')
setInterval(() => {}, 1 << 30)
