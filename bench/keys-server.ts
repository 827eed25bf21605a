/**
 * A server with any number of API keys in its database, and one guarded route. The first key is created normally; the
 * others are copies of its row with their own texts, inserted as fast as SQLite allows. Writes the texts to a file and
 * prints its path.
 */
import Database from 'better-sqlite3'
import Fastify from 'fastify'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apiKeyHint, newApiKeyText } from '../src/secrets/credential-text.ts'
import { digestOf } from '../src/secrets/digest.ts'
import { newId } from '../src/secrets/random.ts'
import { createApiKey, createOrganization, loadConfig, openLatchkey, updateResource } from '../src/index.ts'

const [folder, count, port] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])]
const issuer = `http://127.0.0.1:${port}`
mkdirSync(folder, { recursive: true })
const config = loadConfig({
  PORT: String(port), LATCHKEY_DATA: folder, LATCHKEY_ISSUER: issuer, LATCHKEY_LOG_LEVEL: 'silent'
})

const seeding = await openLatchkey(config)
await updateResource(seeding.operation, issuer, {
  scopes: [{ name: 'company:read', keyOnly: false, description: null }]
})
const { id: organizationId } = await createOrganization(seeding.operation, { name: 'Bench' })
const first = await createApiKey(seeding.operation, {
  organizationId, name: 'bench', resource: issuer, environment: 'live', scopes: ['company:read']
})
await seeding.close()

const texts = [first.text, ...copies(join(folder, 'latchkey.db'), first.key.id, first.text, count - 1)]
writeFileSync(join(folder, 'keys.txt'), texts.join('\n') + '\n')
texts.length = 0

const latchkey = await openLatchkey(config)
const app = Fastify({ logger: false })
await app.register(async api => {
  await api.register(latchkey.guard, { resource: issuer })
  api.get('/guarded', { config: { scopes: ['company:read'] } }, async () => ({ company: 'Bench', status: 'active' }))
})
await app.listen({ port, host: '127.0.0.1' })
process.stdout.write(JSON.stringify({ url: issuer, keys: join(folder, 'keys.txt') }) + '\n')

function copies (path: string, id: string, text: string, count: number): string[] {
  const database = new Database(path)
  const prefix = text.slice(0, text.indexOf('_'))
  const row = database.prepare('SELECT * FROM "ApiKey" WHERE "id" = ?').get(id) as Record<string, unknown>
  const columns = Object.keys(row)
  const insert = database.prepare(
    `INSERT INTO "ApiKey" (${columns.map(each => `"${each}"`).join(', ')}) VALUES (${
      columns.map(each => `@${each}`).join(', ')
    })`
  )
  const made = Array.from({ length: count }, () => newApiKeyText(prefix, 'live'))
  database.pragma('synchronous = OFF')
  database.transaction(() => {
    for (const each of made) {
      const keyId = newId('key')
      insert.run({ ...row, id: keyId, chainId: keyId, digest: digestOf(each), hint: apiKeyHint(each) })
    }
  })()
  database.pragma('wal_checkpoint(TRUNCATE)')
  database.close()
  return made
}
