/** The routes of passkeys: their page and its forms, and what the script of the pages asks. */
import type { FastifyInstance } from 'fastify'
import { addressBlock, addressOf, countedAddress } from '../base/ip-address.ts'
import { Failure } from '../base/errors.ts'
import { requireFreshSignIn, requireOwnSignIn } from '../domain/people/fresh-sign-in.ts'
import { removePasskey, renamePasskey } from '../domain/people/passkey-change.ts'
import { addPasskey, beginRegistration, passkeysChange } from '../domain/people/passkey-registration.ts'
import { beginPasskeySignIn, signInByPasskey } from '../domain/people/passkey-sign-in.ts'
import { relyingParty } from '../domain/people/passkey.ts'
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '../domain/people/webauthn.ts'
import { digestOf } from '../secrets/digest.ts'
import { newSecret } from '../secrets/random.ts'
import { changingPerson, cookieOfOwnPage, signedInPerson, type CurrentPerson } from './current-person.ts'
import { sendPage } from './page.ts'
import * as descriptions from './passkey-descriptions.ts'
import { passkeysPage, passkeysPath } from './passkey-page.ts'
import { configuredProviders, field, operationOf, reasonOf, returnToOf, seeOther } from './request.ts'
import { browserCookie, browserOf, sessionCookie } from './session-cookie.ts'
import type { SignInOptions } from './sign-in-options.ts'
import { authPath } from './sign-in-page.ts'

/** Answers of authenticators: some have long ids, keys and signatures, each twice. */
const bodyLimit = 32_768

export function passkeyRoutes (app: FastifyInstance, options: SignInOptions): void {
  app.get(passkeysPath, { schema: descriptions.passkeys }, async (request, reply) => {
    const person = await signedInPerson(options, request)
    const passkeys = await options.store.passkeys.ofMember(person.member.id)
    return sendPage(reply, passkeysPage(passkeys, reasonAgainstChange(options, person)))
  })
  additionRoutes(app, options)
  changeRoutes(app, options)
  signInRoutes(app, options)
}

function additionRoutes (app: FastifyInstance, options: SignInOptions): void {
  app.post(`${passkeysPath}/options`, { schema: descriptions.addingOptions }, async request => {
    const person = await changingPerson(options, request)
    return await beginRegistration(operationOf(options, request, person), options, person)
  })
  app.post<{ Body: { name: string, credential: RegistrationResponseJSON } }>(
    passkeysPath, { bodyLimit, schema: descriptions.adding }, async (request, reply) => {
      const person = await changingPerson(options, request)
      requireScript(request)
      const { name, credential: response } = request.body
      await addPasskey(operationOf(options, request, person), options, person, { name: readName(name), response })
      return await reply.code(201).send({ location: passkeysPath })
    }
  )
}

function changeRoutes (app: FastifyInstance, options: SignInOptions): void {
  app.post<{ Params: { id: string } }>(
    `${passkeysPath}/:id/name`, { schema: descriptions.naming }, async (request, reply) => {
      const person = await changingPerson(options, request)
      const name = readName(field(request, 'name'))
      await renamePasskey(operationOf(options, request, person), person, request.params.id, name)
      return await seeOther(request, reply, passkeysPath)
    }
  )
  app.post<{ Params: { id: string } }>(
    `${passkeysPath}/:id/remove`, { schema: descriptions.removing }, async (request, reply) => {
      const person = await changingPerson(options, request)
      const operation = operationOf(options, request, person)
      await removePasskey(operation, person, request.params.id, configuredProviders(options))
      return await seeOther(request, reply, passkeysPath)
    }
  )
}

function signInRoutes (app: FastifyInstance, options: SignInOptions): void {
  const { issuer, clock, linkFailures: failures } = options
  app.post(`${passkeysPath}/sign-in/options`, { schema: descriptions.signInOptions }, async (request, reply) => {
    cookieOfOwnPage(options, request)
    const browser = browserOf(issuer, request.raw) ?? newSecret()
    const asked = await beginPasskeySignIn(options, digestOf(browser))
    return await reply.header('set-cookie', browserCookie(issuer, browser)).send(asked)
  })
  app.post<{ Body: { credential: AuthenticationResponseJSON } }>(
    `${passkeysPath}/sign-in`, { bodyLimit, schema: descriptions.signIn }, async (request, reply) => {
      const cookie = cookieOfOwnPage(options, request)
      const block = addressBlock(countedAddress(request))
      if (failures.exhausted(block) !== null) throw new Failure('too_many_requests')
      requireScript(request)
      const { credential } = request.body
      const location = returnToOf(request) ?? `${authPath}/login`
      const browser = browserOf(issuer, request.raw)
      const from = { address: addressOf(request), requestId: request.id }
      try {
        const begun = await signInByPasskey(options, credential, {
          from, browser: browser === null ? '' : digestOf(browser), replaces: cookie && digestOf(cookie)
        })
        return await reply.header('set-cookie', sessionCookie(issuer, begun, clock())).send({ location })
      } catch (error) {
        if (error instanceof Failure && error.code === 'invalid_passkey') failures.count(block)
        throw error
      }
    }
  )
}

/** @throws Failure `invalid_request` for a name that nobody sees. */
function readName (text: string): string {
  const name = text.trim()
  if (name !== '') return name
  throw new Failure('invalid_request', { message: 'name is blank.', details: { field: 'name' } })
}

/** Where JavaScript is off, the browser sends the form itself. @throws Failure `unsupported_media_type`. */
function requireScript ({ body }: { body: { credential?: unknown } | undefined }): void {
  if (typeof body?.credential === 'object') return
  throw new Failure('unsupported_media_type', {
    message: 'Passkeys need JavaScript, because browsers offer them to scripts alone. Sign in with a link instead.'
  })
}

/** Why a session adds and removes no passkeys, as the page says it; null: it does. */
export function reasonAgainstChange ({ issuer, clock }: SignInOptions, person: CurrentPerson): string | null {
  return reasonOf(() => {
    relyingParty(issuer)
    requireOwnSignIn(person.session)
    requireFreshSignIn(person, clock(), passkeysChange)
  })
}
