/** `latchkey whoami`: the principal of the credential in use. */
import { Command } from 'commander'
import { calling } from '../command.ts'
import { fieldLines, instant, words } from '../print.ts'

interface Principal {
  kind: string
  id: string
  name: string
  organization: string | null
  environment: string
  resource: string | null
  scopes: string[]
  allowlist: string[]
  expiresAt: string | null
}

export function whoamiCommand (): Command {
  return new Command('whoami').description('show the principal of the credential in use')
    .action(calling<Principal, object>(showPrincipal, api => api.get('/principal')))
}

function showPrincipal (principal: Principal): string {
  return fieldLines([
    ['id', principal.id],
    ['kind', principal.kind],
    ['name', principal.name],
    ['organization', principal.organization],
    ['environment', principal.environment],
    ['resource', principal.resource],
    ['scopes', words(principal.scopes)],
    ['addresses', words(principal.allowlist)],
    ['expires', instant(principal.expiresAt) ?? 'never'],
  ])
}
