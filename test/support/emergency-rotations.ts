/**
 * Emergency rotations of the signing key under load: callers get tokens from one server and use them at once on
 * another.
 */
import type { Cluster } from './cluster.ts'

/** Faults of a rotation: tokens that were refused although their key was not revoked, and servers that answered 503. */
export interface Seen {
  rotations: number,
  revocations: number,
  tokens: number,
  uses: number,
  keys: number,
  refused: string[],
  unavailable: string[],
  took: number[]
}

export interface Wanted {
  rotations: number
  /** Every n-th rotation is a revocation of the active key; 0: none. */
  revokeEvery?: number
  callers?: number
}

/** Rotates on each server in turn under load; `cluster` has at least two servers. */
export async function rotateUnderLoad (
  cluster: Cluster, { rotations, revokeEvery = 0, callers = 8 }: Wanted
): Promise<Seen> {
  const urls = cluster.members.map(({ url }) => url)
  const client = await clientOf(cluster)
  const seen: Seen = {
    rotations: 0, revocations: 0, tokens: 0, uses: 0, keys: 0, refused: [], unavailable: [], took: []
  }
  const kids = new Set<string>()
  const revoked = new Set<string>()
  const over = new AbortController()

  const use = async (token: string, url: string): Promise<void> => {
    const answer = await fetch(`${url}/api/v1/principal`, { headers: { authorization: `Bearer ${token}` } })
    const text = await answer.text()
    seen.uses++
    if (answer.status === 503) seen.unavailable.push(`${url}: ${text}`)
    else if (answer.status !== 200 && !revoked.has(kidOf(token))) {
      seen.refused.push(`${answer.status} at ${url}: ${text}`)
    }
  }
  const caller = async (first: number): Promise<void> => {
    for (let turn = first; !over.signal.aborted; turn++) {
      const answer = await fetch(`${urls[turn % urls.length]!}/api/v1/auth/token`, {
        method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials', ...client })
      })
      const { access_token: token, ...rest } = await answer.json() as { access_token?: string }
      if (token === undefined) {
        seen.unavailable.push(`${answer.status} ${JSON.stringify(rest)}`)
        continue
      }
      seen.tokens++
      kids.add(kidOf(token))
      // The other servers first: they may not have its key yet.
      for (const url of [...urls, ...urls].slice((turn + 1) % urls.length, (turn + 1) % urls.length + urls.length)) {
        await use(token, url)
      }
    }
  }
  const all = Promise.all(Array.from({ length: callers }, (_, i) => caller(i)))
  const rotate = async (url: string): Promise<void> => {
    if (revokeEvery > 0 && (seen.rotations + 1) % revokeEvery === 0) {
      const { data } = await cluster.manage(url, 'GET', '/signing-keys?state=active') as { data: { id: string }[] }
      // Its tokens may be refused as soon as this request is sent.
      revoked.add(data[0]!.id)
      await cluster.manage(url, 'POST', `/signing-keys/${data[0]!.id}/revoke`, { reason: 'it leaked' })
      seen.revocations++
    } else await cluster.manage(url, 'POST', '/signing-keys/rotate', { now: true })
    seen.rotations++
  }
  try {
    while (seen.rotations < rotations) {
      const tokens = seen.tokens
      const began = performance.now()
      await rotate(urls[seen.rotations % urls.length]!)
      seen.took.push(performance.now() - began)
      while (seen.tokens < tokens + 2 * callers) await new Promise(resolve => setImmediate(resolve))
    }
  } finally {
    over.abort()
    await all
  }
  seen.keys = kids.size
  seen.took.sort((one, other) => one - other)
  return seen
}

async function clientOf (cluster: Cluster): Promise<{ client_id: string, client_secret: string }> {
  const { url } = cluster.members[0]!
  const { id: organization } = await cluster.manage(url, 'POST', '/organizations', { name: 'Callers' })
  const { clientId, clientSecret } = await cluster.manage(url, 'POST', '/clients', {
    organization, name: 'caller', grants: [{ resource: `${cluster.issuer}/api/v1`, scopes: ['api-keys:read'] }]
  })
  return { client_id: clientId, client_secret: clientSecret }
}

function kidOf (token: string): string {
  return (JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { kid: string }).kid
}
