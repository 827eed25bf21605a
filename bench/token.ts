/** The token endpoint against a minimal one, and against unmodified oidc-provider. */
import { alternate, start, throughput, tokenRequests, type Part } from './measuring.ts'

interface Issuer { url: string, clients: string[] }

export const token: Part = async settings => {
  const latchkey = await start<Issuer>('latchkey-server.ts', [settings.clients, 4300])
  const stock = await start<Issuer>('stock-server.ts', [settings.clients, 4301])
  try {
    const measured = alternate([
      {
        name: 'bare route that signs',
        pid: latchkey.pid,
        url: `${latchkey.url}/sign`,
        script: tokenRequests(latchkey.clients)
      },
      {
        name: 'the same, signing as ours',
        pid: latchkey.pid,
        url: `${latchkey.url}/sign-quickly`,
        script: tokenRequests(latchkey.clients)
      },
      {
        name: 'token endpoint',
        pid: latchkey.pid,
        url: `${latchkey.url}/api/v1/auth/token`,
        script: tokenRequests(latchkey.clients)
      },
      {
        name: 'oidc-provider as it comes',
        pid: stock.pid,
        url: `${stock.url}/token`,
        script: tokenRequests(stock.clients)
      }
    ], settings)
    return [
      throughput(measured, 'token endpoint', 'bare route that signs', 0.85),
      throughput(measured, 'token endpoint', 'the same, signing as ours', 0.85),
      throughput(measured, 'token endpoint', 'oidc-provider as it comes', 2.5),
    ]
  } finally {
    latchkey.process.kill()
    stock.process.kill()
  }
}
