/** The flags of clients that act for people: redirect URIs, grants, the kind of application, ID tokens and PKCE. */
import { Option, type Command } from 'commander'
import { repeated } from '../command.ts'

export interface DescriptionFlags {
  redirectUri?: string[]
  grantType?: string[]
  applicationType?: string
  idTokenAlg?: string
  pkceOptional?: boolean
  pkceRequired?: boolean
}

/** The names of the flags, for a command that needs one of several. */
export const descriptionFlagNames =
  '--redirect-uri, --grant-type, --application-type, --id-token-alg, --pkce-optional, --pkce-required'

/** Adds the flags. `redirectUri`: what the first one does. */
export function withDescriptionFlags (command: Command, redirectUri: string): Command {
  return command
    .addOption(new Option('--redirect-uri <uri>', `${redirectUri}; repeat it for several`).argParser(repeated))
    .addOption(grantTypeOption())
    .addOption(
      new Option('--application-type <name>', 'what it is; default: web if every redirect URI is https, else native')
        .choices(['web', 'native'])
    )
    .addOption(
      new Option('--id-token-alg <name>', 'the algorithm that signs its ID tokens; default: ES256')
        .choices(['ES256', 'RS256'])
    )
    .addOption(
      new Option('--pkce-optional', 'let it leave PKCE out of a request with nonce and the scope openid')
        .conflicts('pkceRequired')
    )
    .option('--pkce-required', 'require PKCE of every request; the default')
}

function grantTypeOption (): Option {
  const option = new Option('--grant-type <name>', 'a grant that it may use; repeat it for several')
    .choices(['client_credentials', 'authorization_code', 'refresh_token'])
  const readChoice = option.parseArg!
  return option.argParser((value, before: readonly string[] = []) =>
    repeated(String(readChoice<unknown>(value, undefined)), before))
}

/** The members of the API that the flags stand for; undefined: not given. */
export function descriptionIn (flags: DescriptionFlags) {
  return {
    redirectUris: flags.redirectUri,
    grantTypes: flags.grantType,
    applicationType: flags.applicationType,
    idTokenSignedResponseAlg: flags.idTokenAlg,
    pkceRequired: flags.pkceOptional ? false : flags.pkceRequired
  }
}
