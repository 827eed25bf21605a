/** Why a URL could not be reached, in sentences for operators, shared by commands and `doctor`. */

export interface Unreachable {
  /** Node's error code, such as `ECONNREFUSED`, or else its message; `TimeoutError` after a timeout. */
  code: string
  found: string
  /** How to fix it; null: that depends on the service. */
  remedy: string | null
}

const unknownAuthority = [
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]

/** Explains `error`, which fetch has thrown for `url`. */
export function whyUnreachable (url: string, error: unknown): Unreachable {
  const { name, cause } = error as Error
  const { code: said, message } = (cause ?? {}) as NodeJS.ErrnoException
  const code = said ?? message ?? name
  if (unknownAuthority.includes(code)) {
    return {
      code,
      found: `the certificate of ${url} is signed by an unknown certificate authority (${code})`,
      remedy: 'If it is your own authority, set its certificate in the environment of this command: ' +
        'NODE_EXTRA_CA_CERTS=/path/to/ca.pem.',
    }
  }
  return { code, ...sentenceOf(url, code) }
}

function sentenceOf (url: string, code: string): Omit<Unreachable, 'code'> {
  switch (code) {
    case 'ECONNREFUSED': return { found: `nothing listens at ${url} (${code})`, remedy: null }
    case 'ENOTFOUND': case 'EAI_AGAIN': return {
      found: `the host of ${url} cannot be resolved (${code})`, remedy: null
    }
    case 'TimeoutError': return { found: `${url} did not answer in time`, remedy: null }
    case 'CERT_HAS_EXPIRED': return {
      found: `the certificate of ${url} has expired`,
      remedy: 'Renew it where TLS is terminated, most likely in the proxy.',
    }
    case 'CERT_NOT_YET_VALID': return {
      found: `the certificate of ${url} is not valid yet`,
      remedy: 'Synchronize the clock of this machine (NTP), or wait until the certificate is valid.',
    }
    case 'ERR_TLS_CERT_ALTNAME_INVALID': return {
      found: `the certificate of ${url} is for another name`,
      remedy: 'Get a certificate for this name, or use a name that it has.',
    }
  }
  if (/ssl|tls|EPROTO/i.test(code)) {
    return {
      found: `the server at ${url} does not speak TLS (${code})`,
      remedy: 'Terminate TLS there, in a proxy in front of the server, or use http:// if that is intended.',
    }
  }
  return { found: `${url} cannot be reached from here (${code})`, remedy: null }
}
