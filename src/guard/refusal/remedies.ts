/**
 * What an operator is told of a refusal: the precise reason as a sentence, and what to do about it. One row for each
 * reason of the guard; the compiler requires it. Callers of a protected API are told less (public-refusal.ts).
 */
import type { Reason } from '../../domain/access/principal.ts'

/** `because`: what is wrong. `remedy`: what to do. One sentence each. */
export interface Explained { because: string, remedy: string }

export const remedies: Readonly<Record<Reason, Explained>> = {
  no_credential: {
    because: 'The request carries no credential.',
    remedy: 'Send the API key or the access token in the header that the API documents; proxies in between must pass ' +
      'that header on.',
  },
  several_credentials: {
    because: 'The request carries more than one credential.',
    remedy: 'Send exactly one, and look for a client or a proxy that adds a header of its own.',
  },
  credential_in_query: {
    because: 'The credential stands in the URL, where this API takes none.',
    remedy: 'Send it in a header, and replace it: URLs end up in logs.',
  },
  key_as_bearer: {
    because: 'An API key was sent as a bearer token.',
    remedy: 'Send the key in the header for keys of this API.',
  },
  malformed: {
    because: 'The credential is damaged, or is no credential of this server.',
    remedy: 'Compare it with the one that was given out: it may be cut off, carry quotes or spaces, or have been ' +
      'issued by another server.',
  },
  unknown: {
    because: 'There is no such credential here, or none that you may see.',
    remedy: 'Check that it was made on this deployment and in your organization, or make another one.',
  },
  foreign_deployment: {
    because: 'The key has the right form, but was not made on this deployment.',
    remedy: 'Use a key of this deployment: the caller may be configured for another environment.',
  },
  wrong_resource: {
    because: 'The credential is for another API.',
    remedy: 'Ask for a token with the identifier of this API as its resource, or use a key that was made for it.',
  },
  revoked: {
    because: 'The credential, or what it stands on, was revoked or deleted: its key, client, parent token, rule of ' +
      'workloads, authorization, member or signing key.',
    remedy: 'It does not come back: make another key, or ask for another token, and give that to the caller.',
  },
  expired: {
    because: 'The credential has expired.',
    remedy: 'Ask for another token; an expired key is replaced by a new one.',
  },
  rotated: {
    because: 'The key was replaced, and the time for both is over.',
    remedy: 'Give the caller the key that replaced it; if it has that already, somebody else uses the old one.',
  },
  disabled: {
    because: 'The key or client is disabled for the time being.',
    remedy: 'Enable it, once the reason for disabling it is gone.',
  },
  superseded: {
    because: 'The client was changed after this token was issued.',
    remedy: 'Ask for another token: the client gets one with what it may do now.',
  },
  organization_suspended: {
    because: 'The organization is suspended.',
    remedy: 'An operator of the deployment resumes it.',
  },
  address_not_allowed: {
    because: 'The credential may not be used from that address.',
    remedy: 'Add the address to the allowlist of the credential, or call from one that is on it; behind proxies, ' +
      'check LATCHKEY_TRUST_PROXY.',
  },
  wrong_environment: {
    because: 'The key is for the other environment: live and test do not mix.',
    remedy: 'Use a key of the environment that is served there.',
  },
  organization_not_found: {
    because: 'The request names an organization that the credential does not reach.',
    remedy: 'Name the organization of the credential, or use a credential of that organization.',
  },
  feature_missing: {
    because: 'The plan of the organization does not include what the route needs.',
    remedy: 'An operator of the deployment adds the feature to the organization.',
  },
  insufficient_scope: {
    because: 'The credential lacks a scope that the route needs.',
    remedy: 'Give the scope to the key, or to the client and then ask for another token; a member bounds what they ' +
      'made.',
  },
  policy_denied: {
    because: 'An access policy does not allow the request.',
    remedy: 'Read the policy that is named, and change it, or call at a time and from an address that it allows.',
  },
  object_not_allowed: {
    because: 'The credential is restricted to other objects.',
    remedy: 'Add the object to the key, or use a key that is not restricted.',
  },
  api_key_required: {
    because: 'The route takes API keys only.',
    remedy: 'Call it with an API key.',
  },
  session_required: {
    because: 'The route takes the session of an end user only.',
    remedy: 'Exchange an assertion of the publishable key for a session, and send that.',
  },
  person_required: {
    because: 'The route takes a signed-in person only.',
    remedy: 'Sign in at /api/v1/auth/login, and send no other credential.',
  },
  cross_site_request: {
    because: 'A change by the session of a person did not come from the pages of this server.',
    remedy: 'Open the page here and try again; programs use a key or a token.',
  },
  reauthentication_required: {
    because: 'An operator has to sign in again for a change to the deployment.',
    remedy: 'Sign in again at /api/v1/auth/login?prompt=login.',
  },
  rate_limited: {
    because: 'The calls of the minute are used up.',
    remedy: 'Wait as long as Retry-After said, spread the calls, or have callsPerMinute raised.',
  },
  quota_exceeded: {
    because: 'The allowance of the month is used up.',
    remedy: 'Wait for the next month, or have callsPerMonth or creditsPerMonth raised.',
  },
  insufficient_credits: {
    because: 'There are not enough credits left.',
    remedy: 'Grant credits to the organization, in the environment of the key.',
  },
  insufficient_budget: {
    because: 'The estimate of the call did not fit into a budget: its own, its account\'s or the deployment\'s.',
    remedy: 'Wait for the next day or month, lower max_tokens, or have the budget raised: `latchkey budget list`.',
  },
  tls_required: {
    because: 'The request came without TLS.',
    remedy: 'Use https, and replace the key: it has crossed the network in clear.',
  },
}
