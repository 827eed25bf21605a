/** One of several servers on one PostgreSQL: all of Latchkey, and one guarded route. Prints its address. */
import { join } from 'node:path'
import { buildServer, loadConfig, openLatchkey } from '../src/index.ts'

const [folder, databaseUrl, issuer, port] = [
  process.argv[2]!, process.argv[3]!, process.argv[4]!, Number(process.argv[5])
]
const [secret, adminToken] = [process.argv[6]!, process.argv[7]!]
const latchkey = await openLatchkey(loadConfig({
  PORT: String(port),
  LATCHKEY_DATA: join(folder, String(port)),
  DATABASE_URL: databaseUrl,
  LATCHKEY_ISSUER: issuer,
  LATCHKEY_SECRET: secret,
  LATCHKEY_ADMIN_TOKEN: adminToken,
  LATCHKEY_LOG_LEVEL: 'silent'
}))
const app = await buildServer(latchkey)
await app.register(async api => {
  await api.register(latchkey.guard, { resource: issuer })
  api.get('/guarded', { config: { scopes: ['company:read'] } }, async () => ({ company: 'Bench', status: 'active' }))
})
await app.listen({ port, host: '127.0.0.1' })
process.stdout.write(JSON.stringify({ url: `http://127.0.0.1:${port}` }) + '\n')
