/** The mapping of a provider's claims to groups: pure, so that a dry run shows what a sign-in would do. */
import type { GroupRule, TrustedProvider } from '../people/provider-trust.ts'

/** What a mapping makes of claims. */
export interface MappedGroups {
  /** The values of the claim, as read. */
  values: readonly string[]
  /** Ids, each once. */
  groups: readonly string[]
  /** Values without a rule: they give nothing. */
  unmapped: readonly string[]
}

/** The most values of a claim that are looked at: a stranger's directory decides how many there are. */
export const mostValues = 1_000

/** The groups that these claims give. A claim that is missing, or no list of texts, gives none. */
export function mappedGroups (
  { groupsClaim, groupMapping }: Pick<TrustedProvider, 'groupsClaim' | 'groupMapping'>,
  claims: Readonly<Record<string, unknown>>
): MappedGroups {
  const values = valuesOf(claimNamed(groupsClaim, claims)).slice(0, mostValues)
  const rules = Map.groupBy(groupMapping, ({ value }: GroupRule) => value)
  const groups = values.flatMap(value => rules.get(value) ?? []).map(({ group }) => group)
  return { values, groups: [...new Set(groups)], unmapped: values.filter(value => !rules.has(value)) }
}

/** The claim of this name, else the one at this path: Keycloak has `realm_access.roles`. */
function claimNamed (name: string, claims: Readonly<Record<string, unknown>>): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  let found: unknown = claims
  for (const part of name.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, part)) return undefined
    found = (found as Record<string, unknown>)[part]
  }
  return found
}

function valuesOf (claim: unknown): string[] {
  const values = Array.isArray(claim) ? claim : [claim]
  return [...new Set(values.filter(value => typeof value === 'string'))]
}
