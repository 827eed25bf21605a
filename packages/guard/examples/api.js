// An API with one guarded route, on a port of the loopback interface that it prints. Reads LATCHKEY_URL,
// LATCHKEY_RESOURCE, LATCHKEY_CLIENT_ID and LATCHKEY_CLIENT_SECRET.
import { createServer } from 'node:http'
import { openGuard } from '@latchkey/guard'
import { httpGuard } from '@latchkey/guard/http'

const guard = await openGuard({
  server: process.env.LATCHKEY_URL,
  clientId: process.env.LATCHKEY_CLIENT_ID,
  clientSecret: process.env.LATCHKEY_CLIENT_SECRET,
  resource: process.env.LATCHKEY_RESOURCE
})
const guarded = httpGuard(guard, { scopes: ['invoices:read'] })
const api = createServer(async (request, response) => {
  const principal = await guarded(request, response)
  if (principal !== null) response.end(JSON.stringify({ invoices: [], for: principal.id }))
})
api.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => { console.log(api.address().port) })
process.once('SIGTERM', async () => {
  api.close()
  api.closeAllConnections()
  await guard.stop()
})
