// The server that is killed: Latchkey and a small API behind its guard, of which one route costs credits. It reads the
// environment of `latchkey serve`, and prints `ready` once it listens.
import { buildServer, openLatchkey, styles } from '../../src/index.ts'
import { declare } from '../../examples/declare.ts'
import { paidApi, paidScope, spendingCost } from './names.ts'

const latchkey = await openLatchkey()
await declare(latchkey, { identifier: paidApi, name: 'Paid API', scopes: [paidScope], style: styles.ledgerbee })
const app = await buildServer(latchkey)
await app.register(async api => {
  await api.register(latchkey.guard, { resource: paidApi })
  api.get('/look', { config: { scopes: [paidScope] } }, async () => ({ seen: true }))
  api.post('/spend', { config: { scopes: [paidScope], credits: spendingCost } }, async ({ spending }) => ({ spending }))
}, { prefix: '/paid' })
// The parent process holds the other end, and may be killed as well.
process.stdin.on('end', () => { process.exit() }).resume()
process.once('SIGTERM', async () => {
  await app.close()
  // Otherwise it would keep the process from ending.
  process.stdin.destroy()
})
await app.listen({ port: latchkey.config.port, host: latchkey.config.host })
process.stdout.write('ready\n')
