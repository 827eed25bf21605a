/** Why a URL gave no answer, in words for operators: commands and `doctor` say the same. */

export interface Unreachable {
  /** As Node names it, `ECONNREFUSED` say, else in its words; `TimeoutError` where nothing came in time. */
  code: string
  found: string
  /** What to do about it; null: that depends on what is asked for there. */
  remedy: string | null
}

const unknownAuthority = [
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]

/** What `error`, which fetch has thrown for `url`, means. */
export function whyUnreachable (url: string, error: unknown): Unreachable {
  const { name, cause } = error as Error
  const { code: said, message } = (cause ?? {}) as NodeJS.ErrnoException
  const code = said ?? message ?? name
  if (unknownAuthority.includes(code)) {
    return {
      code,
      found: `the certificate of ${url} comes from an authority that is not known here (${code})`,
      remedy: 'If the authority is your own, name its certificate in the environment of this command: ' +
        'NODE_EXTRA_CA_CERTS=/path/to/ca.pem.',
    }
  }
  return { code, ...sentenceOf(url, code) }
}

function sentenceOf (url: string, code: string): Omit<Unreachable, 'code'> {
  switch (code) {
    case 'ECONNREFUSED': return { found: `nothing listens at ${url} (${code})`, remedy: null }
    case 'ENOTFOUND': case 'EAI_AGAIN': return { found: `the host of ${url} is not known here (${code})`, remedy: null }
    case 'TimeoutError': return { found: `${url} did not answer in time`, remedy: null }
    case 'CERT_HAS_EXPIRED': return {
      found: `the certificate of ${url} has expired`,
      remedy: 'Renew it where TLS ends, in the proxy most likely.',
    }
    case 'CERT_NOT_YET_VALID': return {
      found: `the certificate of ${url} is not valid yet`,
      remedy: 'Have this machine keep time by NTP, or wait until it is.',
    }
    case 'ERR_TLS_CERT_ALTNAME_INVALID': return {
      found: `the certificate of ${url} is for another name`,
      remedy: 'Get one for this name, or use the name that it has.',
    }
  }
  if (/ssl|tls|EPROTO/i.test(code)) {
    return {
      found: `what listens at ${url} speaks no TLS (${code})`,
      remedy: 'Have TLS end there, in a proxy in front of the server, or use http:// where that is meant.',
    }
  }
  return { found: `${url} cannot be reached from here (${code})`, remedy: null }
}
