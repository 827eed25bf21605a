/** What the command line says about a key, and what the API is told of it. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { allowlistOf, allowlistOption, expiryOption, repeated, scopeOption } from './command.ts'
import { limitChangeOf, withLimitFlags, type LimitFlags } from './limit-flags.ts'
import type { Expiry } from './time.ts'

export interface KeyFlags extends LimitFlags {
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
}

/** Type of object → the ids of those that a key is restricted to. */
export type Objects = Record<string, string[]>

/** The flags of what a key may do, for all that make or change one. */
export function withAuthorityFlags (command: Command, scopes?: string): Command {
  command
    .addOption(
      new Option('--access <level>', 'all its creator may, all they may read, or what is named here').choices([
        'full', 'read-only', 'custom'
      ])
    )
    .addOption(scopeOption(scopes ?? 'a scope or a pattern (invoices:*, *:read); repeat it for several'))
    .addOption(
      new Option('--object <type:id>', 'an object that it is restricted to, of the type; repeat it for several')
        .argParser(collectObject)
    )
    .option('--also-org <id>', 'a further organization whose data it reaches; repeat it for several', repeated)
    .addOption(allowlistOption())
  return withLimitFlags(command).addOption(expiryOption())
}

/** The flags of a new key, made here or taken over. */
export function withNewKeyFlags (command: Command): Command {
  command
    .option('--org <id>', 'the organization it belongs to; the token\'s own unless given')
    .requiredOption('--resource <identifier>', 'the protected API it is for')
    .addOption(
      new Option('--env <name>', 'which environment it is for').choices(['live', 'test']).makeOptionMandatory()
    )
    .requiredOption('--name <text>', 'what people call it')
  return withAuthorityFlags(command).option('--creator <id>', 'the member that it never does more than')
}

/** What the flags say of a new key. */
export function newKeyOf (flags: KeyFlags): object {
  return {
    organization: flags.org,
    resource: flags.resource,
    environment: flags.env,
    creator: flags.creator,
    ...keyChangeOf(flags)
  }
}

/** What the flags say that may be said of any key; undefined: leave it as it is. */
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
  }
}

/** The type ends at the first colon; an id may hold more of them. */
function collectObject (text: string, before: Objects = {}): Objects {
  const match = /^([^:]+):(.+)$/s.exec(text)
  if (match === null) throw new InvalidArgumentError('Write its type and its id: projects:prj_1.')
  const [, type, id] = match as unknown as [string, string, string]
  return { ...before, [type]: [...(Object.hasOwn(before, type) ? before[type]! : []), id] }
}
