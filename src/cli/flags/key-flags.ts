/** The flags of an API key, and the request that they stand for. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { allowlistOf, allowlistOption, expiryOption, repeated, scopeOption } from '../command.ts'
import { annotationsOf, withAnnotationFlags, type AnnotationFlags } from './annotation-flags.ts'
import { limitChangeOf, withLimitFlags, type LimitFlags } from './limit-flags.ts'
import type { Expiry } from '../time.ts'

export interface KeyFlags extends AnnotationFlags, LimitFlags {
  org?: string
  resource?: string
  env?: string
  name?: string
  access?: string
  scope?: string[]
  object?: Objects
  anyObject?: boolean
  alsoOrg?: string[]
  onlyOwnOrg?: boolean
  creator?: string
  allowIp?: string[]
  allowAnyIp?: boolean
  expires?: Expiry
  portalTemplate?: string
  portalCeiling?: string
}

/** For each object type, the ids that a key is restricted to. */
export type Objects = Record<string, string[]>

/** Adds the flags of a key's authority, for commands that create or change a key. */
export function withAuthorityFlags (command: Command, scopes?: string): Command {
  command
    .addOption(
      new Option('--access <level>', 'everything its creator may do, everything its creator may read, or the given ' +
        'scopes').choices([
        'full', 'read-only', 'custom'
      ])
    )
    .addOption(scopeOption(scopes ?? 'a scope or a pattern (invoices:*, *:read); repeat it for several'))
    .addOption(
      new Option('--object <type:id>', 'an object that it is restricted to; repeat it for several')
        .argParser(collectObject)
    )
    .option('--also-org <id>', 'another organization whose data it reaches; repeat it for several', repeated)
    .addOption(allowlistOption())
  return withLimitFlags(command).addOption(expiryOption())
    .option('--portal-template <id>', 'of a partner\'s key: the template of the organizations that it provisions')
    .addOption(
      new Option('--portal-ceiling <role>', 'of a partner\'s key: the highest role that it mints sign-in links for')
        .choices(['owner', 'admin', 'member', 'viewer'])
    )
}

/** Adds the flags of a new key, created or imported. */
export function withNewKeyFlags (command: Command): Command {
  command
    .option('--org <id>', 'the organization that it belongs to; default: the token\'s own')
    .requiredOption('--resource <identifier>', 'the protected API it is for')
    .addOption(
      new Option('--env <name>', 'its environment').choices(['live', 'test']).makeOptionMandatory()
    )
    .requiredOption('--name <text>', 'a display name')
  withAuthorityFlags(command).option('--creator <id>', 'the member whose permissions bound it')
  return withAnnotationFlags(command)
}

/** The request for a new key. */
export function newKeyOf (flags: KeyFlags): object {
  return {
    organization: flags.org,
    resource: flags.resource,
    environment: flags.env,
    creator: flags.creator,
    ...keyChangeOf(flags)
  }
}

/** The request for a change of a key; undefined: no change. */
export function keyChangeOf (flags: KeyFlags): object {
  return {
    name: flags.name,
    access: flags.access,
    scopes: flags.scope,
    objects: flags.anyObject ? {} : flags.object,
    organizations: flags.onlyOwnOrg ? [] : flags.alsoOrg,
    allowlist: allowlistOf(flags),
    ...limitChangeOf(flags),
    expiresAt: flags.expires?.at,
    portal: portalOf(flags),
    ...annotationsOf(flags),
  }
}

function portalOf ({ portalTemplate: template, portalCeiling: ceiling }: KeyFlags): object | undefined {
  return template === undefined && ceiling === undefined ? undefined : { template, ceiling }
}

/** The type ends at the first colon: ids may contain colons. */
function collectObject (text: string, before: Objects = {}): Objects {
  const match = /^([^:]+):(.+)$/s.exec(text)
  if (match === null) throw new InvalidArgumentError('Write its type and its id: projects:prj_1.')
  const [, type, id] = match as unknown as [string, string, string]
  return { ...before, [type]: [...(Object.hasOwn(before, type) ? before[type]! : []), id] }
}
