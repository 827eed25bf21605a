/** Checks that each identity provider of the configuration is found, and is what the configuration says. */
import { systemClock } from '../../base/clock.ts'
import { providerVariable } from '../../config/identity-providers.ts'
import type { Config } from '../../config/config.ts'
import { providerClient, reasonOf } from '../../protocol/upstream/provider-client.ts'
import { failed, ok, type Finding } from './finding.ts'

export async function checkIdentityProviders ({ identityProviders, issuer }: Config): Promise<Finding[]> {
  return await Promise.all(identityProviders.map(async provider => {
    const check = `identity provider ${provider.id}`
    try {
      await providerClient(provider, systemClock).metadata()
      return ok(check, `${provider.issuer} is found; its client has the redirect URI ${issuer}/api/v1/auth/callback`)
    } catch (error) {
      return failed(
        check, reasonOf((error as Error).cause),
        `Set ${providerVariable(provider.id, 'ISSUER')} to \`issuer\` in its discovery document, and let this ` +
          'machine reach it; people sign in in other ways meanwhile.'
      )
    }
  }))
}
