/** Loopback: hosts that can only be this machine. */
import { isIP } from 'node:net'

/** Whether a host name or address can only be this machine. */
export function isLoopback (host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}
