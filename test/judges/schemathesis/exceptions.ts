/**
 * Findings of schemathesis that are right behaviour of the server. Every other finding is a failure. Most are of one
 * kind: a schema describes the form of a value, and the server refuses the value for its meaning.
 */
export interface Finding {
  /** The code of the check: ST202 is a refused request that the schema accepts. */
  check: string
  /** `POST /api/v1/clients`. */
  operation: string
  status: number
  /** The body of the answer. */
  answer: string
  /** The request, as a command line. */
  request: string
}

export interface Exception { because: string, covers (finding: Finding): boolean }

interface Refusal { code?: string, error?: string, error_description?: string, details?: { field?: string } }

function refusalOf ({ answer }: Finding): Refusal {
  try {
    return JSON.parse(answer) as Refusal
  } catch {
    return {}
  }
}

/** A refused value of the form that the schema demands. */
function refuses (code: string, ...fields: string[]): Exception['covers'] {
  return finding => {
    const { code: said, details } = refusalOf(finding)
    return finding.check === 'ST202' && finding.status === 400 && said === code &&
      (fields.length === 0 || fields.includes(String(details?.field)))
  }
}

function refusesAsOAuth (operations: RegExp, errors: readonly string[], description = /./): Exception['covers'] {
  return finding => {
    const { error, error_description: said = '' } = refusalOf(finding)
    return finding.check === 'ST202' && finding.status === 400 && operations.test(finding.operation) &&
      errors.includes(String(error)) && description.test(said)
  }
}

export const exceptions: readonly Exception[] = [
  {
    because: 'a resource is named that there is not, or is not the caller\'s to see',
    covers: refuses('UNKNOWN_RESOURCE')
  },
  { because: 'a scope is named that the resource does not declare', covers: refuses('UNKNOWN_SCOPE') },
  { because: 'a scope is API-key only', covers: refuses('SCOPE_API_KEY_ONLY') },
  {
    because: 'no portable pattern tells IP addresses and CIDR ranges from other texts',
    covers: refuses('INVALID_ALLOWLIST')
  },
  {
    because: 'an expiry lies in the past, or in UTC outside the years that RFC 3339 can spell',
    covers: refuses('INVALID_EXPIRY')
  },
  {
    because: 'a cursor carries a mark of the server: a made-up one is none',
    covers: refuses('INVALID_REQUEST', 'cursor')
  },
  {
    because: 'the coverage phase fills headers with letters and digits alone, whatever their pattern',
    covers: finding => refuses('INVALID_REQUEST', 'if-match')(finding) && /If-Match: \w*'/.test(finding.request)
  },
  {
    because:
      'values have to fit each other: a range that ends before it begins, an hour without an end, two grants for one ' +
        'resource, scopes without a resource',
    covers: refuses(
      'INVALID_REQUEST', 'from', 'to', 'until', 'before', 'times', 'conditions.times', 'conditions.times.hours',
      'conditions.times.zone', 'grants', 'jwks', 'tokenEndpointAuthMethod',
      'resource'
    )
  },
  {
    because:
      'the thing in the path cannot have done to it what is asked for: it is built in, or has keys instead of a secret',
    covers: finding =>
      refuses('INVALID_REQUEST')(finding) &&
      /\/(resources\/\{id\}|clients\/\{id\}\/rotate-secret)/.test(finding.operation) &&
      /is Latchkey's own API|is built in|has no secret to rotate/.test(finding.answer)
  },
  {
    because: 'the types of events are a list that grows; the pattern says how they are spelled',
    covers: refuses('INVALID_REQUEST', 'type')
  },
  {
    because: 'patterns of scopes have a grammar that no one pattern tells',
    covers: refuses('INVALID_REQUEST', 'scopes', 'conditions.scopes')
  },
  {
    because: 'an identifier is a URL without a fragment and without credentials',
    covers: refuses('INVALID_REQUEST', 'identifier')
  },
  { because: 'a filter by address takes an IP address', covers: refuses('INVALID_REQUEST', 'address') },
  {
    because: 'a member called __proto__, or a constructor with a prototype, is refused wherever it stands',
    covers: finding => refuses('INVALID_REQUEST')(finding) && /__proto__|constructor/.test(finding.request),
  },
  {
    because: 'a body of more than 64 KiB is refused before its schema is asked, good or bad (413 is documented)',
    covers: ({ check, status }) => (check === 'ST201' || check === 'ST202') && status === 413,
  },
  {
    because: 'there are no response types yet: the endpoint refuses everybody',
    covers: refusesAsOAuth(/ \/api\/v1\/oauth\/authorize$/, ['unsupported_response_type'])
  },
  {
    because:
      'a client proves itself in one way: Basic and client_id in the body are two, and a schema cannot say so across ' +
        'both',
    covers: refusesAsOAuth(
      / \/api\/v1\/(auth\/token|oauth\/(introspect|revoke))$/, ['invalid_request'],
      /one mechanism|client_id|client_assertion|client authentication|credential/
    )
  },
  {
    because: 'so it is where a client asks for verdicts',
    covers: finding =>
      refuses('INVALID_REQUEST')(finding) && / \/api\/v1\/verify$/.test(finding.operation) &&
      /authenticated in several ways at once/.test(finding.answer)
  },
  {
    because: 'forward-auth takes every method, TRACE too, and refuses a peer that is no trusted proxy at once',
    covers: ({ check, operation, status, answer }) =>
      check === 'ST204' && status === 403 && / \/api\/v1\/forward-auth\//.test(operation) &&
      /answers trusted proxies alone/.test(answer)
  },
  {
    because: 'a guard confirms changes that its session was sent, and reports calls of today and yesterday',
    covers: finding =>
      refuses('INVALID_REQUEST')(finding) && /\/guard\/sessions\/\{session\}\/(poll|usage)$/.test(finding.operation) &&
      /is not between the last confirmed one|are reported for today and yesterday/.test(finding.answer)
  },
  {
    because: 'what a token is asked for has to exist',
    covers: refusesAsOAuth(/ \/api\/v1\/auth\/token$/, [
      'invalid_target', 'invalid_scope', 'unauthorized_client', 'unsupported_grant_type'
    ])
  },
  {
    because: 'an assertion is signed: a made-up one is none',
    covers: refusesAsOAuth(/ \/api\/v1\/auth\/session$/, ['invalid_grant'])
  },
  {
    because: 'RFC 7591 leaves what metadata mean, and whether they fit each other, to the server',
    covers: refusesAsOAuth(/ \/api\/v1\/oauth\/register/, ['invalid_client_metadata', 'invalid_redirect_uri'])
  }
]
