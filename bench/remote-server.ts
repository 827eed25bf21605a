/** An API in a process of its own, guarded by a remote guard, with the bare route for comparison. */
import Fastify from 'fastify'
import { fastifyGuard } from '../packages/guard/src/fastify.ts'
import { openGuard } from '../packages/guard/src/index.ts'

const [server, client, port] = [process.argv[2]!, process.argv[3]!, Number(process.argv[4])]
const [clientId, clientSecret] = atob(client).split(':') as [string, string]
const guard = await openGuard({ server, clientId, clientSecret, resource: server })
const answer = { company: 'Bench', status: 'active' }
const app = Fastify({ logger: false })
app.get('/bare', async () => answer)
await app.register(async api => {
  await api.register(fastifyGuard(guard))
  api.get('/guarded', { config: { scopes: ['company:read'] } }, async () => answer)
})
process.once('SIGINT', () => process.exit(0))
await app.listen({ port, host: '127.0.0.1' })
process.stdout.write(JSON.stringify({ url: `http://127.0.0.1:${port}` }) + '\n')
