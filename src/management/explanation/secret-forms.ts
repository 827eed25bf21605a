/**
 * Secrets that no API takes, told by their form alone. Nothing is looked up, so the answer is the same for one that
 * exists, that belongs to another organization, and that never existed.
 */
import type { Explained } from '../../guard/refusal/remedies.ts'
import {
  isPersonSessionText, isPublishableText, isRegistrationAccessText, isRegistrationTokenText, isSignInLinkText,
  isUnlabelledSecret, isWebhookToken, resemblesAdminToken, resemblesManagementToken, signInLinkSecretIn
} from '../../secrets/credential-text.ts'

export const secretForms = [
  'client_secret', 'sign_in_link', 'registration_token', 'registration_access_token', 'publishable_key',
  'management_token', 'webhook_token', 'person_session', 'admin_token'
] as const

/**
 * `client_secret`: or an authorization code, or a refresh token; the three have one form. The last four are found
 * where the actor may see them; a form is told of one that is not found.
 */
export type SecretForm = typeof secretForms[number]

const tests: Readonly<Record<SecretForm, (text: string) => boolean>> = {
  client_secret: isUnlabelledSecret,
  sign_in_link: text => isSignInLinkText(text) || signInLinkSecretIn(text) !== null,
  registration_token: isRegistrationTokenText,
  registration_access_token: isRegistrationAccessText,
  publishable_key: isPublishableText,
  management_token: resemblesManagementToken,
  webhook_token: isWebhookToken,
  person_session: isPersonSessionText,
  admin_token: resemblesAdminToken,
}

/** Null: it has none of these forms. */
export function secretFormOf (text: string): SecretForm | null {
  return secretForms.find(form => tests[form](text)) ?? null
}

const notFound = 'none that you may see'

/** What such a secret is for, and what to do instead of sending it to an API. */
export const formSentences: Readonly<Record<SecretForm, Explained>> = {
  client_secret: {
    because: 'This has the form of a client secret, an authorization code or a refresh token: no API takes these.',
    remedy: 'Exchange it at the token endpoint, /api/v1/auth/token, and send the access token of the answer to the ' +
      'API. A secret that was sent to an API stands in its logs: rotate it.',
  },
  sign_in_link: {
    because: 'This is a sign-in link: no API takes it.',
    remedy: 'Open it in a browser; it signs in once. For a program make an API key.',
  },
  registration_token: {
    because: 'This is a registration token: it lets clients register, and no API takes it.',
    remedy: 'Send it as Authorization: Bearer to the registration endpoint, /api/v1/auth/register, alone.',
  },
  registration_access_token: {
    because: 'This is the registration access token of a client that registered itself: no API takes it.',
    remedy: 'Send it as Authorization: Bearer to the registration_client_uri of that client, and use an access token ' +
      'for APIs.',
  },
  publishable_key: {
    because: 'This is a publishable key: it names an application in a browser, and proves nothing.',
    remedy: 'Exchange an assertion of the end user for a session with it, and send the session token to the API.',
  },
  management_token: {
    because: `This has the form of an access token of the management API; there is no such token here, or ${notFound}.`,
    remedy: 'Send it to the management API of the deployment and organization that it was made for, or make another.',
  },
  webhook_token: {
    because: `This has the form of the token of a webhook; there is no such token here, or ${notFound}.`,
    remedy: 'It belongs into the URL of its webhook alone. Make another for the API key that it acts for.',
  },
  person_session: {
    because: `This has the form of the cookie of a signed-in person; there is no such session, or ${notFound}.`,
    remedy: 'It belongs into the browser of that person alone. Sign in again; programs use an API key or a token.',
  },
  admin_token: {
    because: 'This has the form of the admin token of a deployment.',
    remedy: 'It opens the management API of its own deployment alone. For other APIs make an API key; if it was sent ' +
      'anywhere else, replace it.',
  },
}
