/** HTTP Basic credentials (RFC 7617), as a client of ours sends them. */

/** The Authorization header of a client. */
export function basicCredentials (id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}
