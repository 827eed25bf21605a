/** The rules between the TLS parameters of a `postgresql://` URL. */
import type { PostgresqlTarget, TargetDraft } from './target.ts'

/** The recommended parameter, for error messages. */
export const encrypted = 'sslmode=verify-full (encrypted, and the certificate of the server checked)'

export function tlsOf (
  { mode, files, directTls }: TargetDraft, report: (problem: string) => void
): PostgresqlTarget['tls'] {
  const { sslrootcert: ca, sslcert: certificate, sslkey: key } = files
  const named = [...Object.keys(files), ...(directTls ? ['sslnegotiation=direct'] : [])]
  const isHalf = (certificate === undefined) !== (key === undefined)
  if (isHalf) report('sslcert and sslkey are needed together; name both files, or neither')
  if (mode === undefined && named.length === 0) return undefined
  if (mode === 'disable') {
    const rest = named.join(', ')
    if (rest !== '') {
      report(`the parameter sslmode=disable contradicts ${rest}; write ${encrypted}, or leave the rest out`)
    }
    return null
  }
  if (mode === 'verify-ca' && ca === undefined) report(withoutCa)
  if (mode === 'no-verify' && ca !== undefined) report(unverified)
  // Without sslmode, a named CA or certificate means that the server is to be verified.
  const verify = mode === 'no-verify' ? 'none' : mode === 'verify-ca' ? 'chain' : 'full'
  return { verify, ca: ca ?? null, certificate: certificate ?? null, key: key ?? null }
}

const withoutCa = 'the parameter sslmode=verify-ca accepts any host with a certificate of the CA, so the CA must be ' +
  'your own; name its file with sslrootcert, or write sslmode=verify-full'
const unverified = 'the parameter sslmode=no-verify checks no certificate, and sslrootcert names one; write ' +
  'sslmode=verify-full or verify-ca'
