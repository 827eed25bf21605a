/**
 * Presets: what is known of the issuers of well-known platforms. docs/workloads/ has a page for each, with the reasons.
 */

export const presetNames = [
  'kubernetes', 'spiffe', 'github-actions', 'gitlab', 'google', 'aws', 'azure', 'custom'
] as const
export type PresetName = typeof presetNames[number]

export interface Preset {
  /** The issuer, where all tenants have the same one; null: each has its own. */
  issuer: string | null
  algorithms: readonly string[]
  /** The longest life of an assertion, in seconds. */
  maxAge: number
  /** Whether each `jti` is taken once: a projected token is presented again and again. */
  singleUse: boolean
  /**
   * JSON Pointers of the claims that the issuer does not let its tenants choose and never gives to another: a rule has
   * a condition on one of them.
   */
  anchors: readonly string[]
}

export const presets: Readonly<Record<PresetName, Preset>> = {
  kubernetes: {
    issuer: null,
    algorithms: ['RS256', 'ES256'],
    maxAge: 3_600 + 7,
    singleUse: false,
    anchors: ['/sub', '/kubernetes.io/namespace', '/kubernetes.io/serviceaccount/uid'],
  },
  spiffe: { issuer: null, algorithms: ['RS256', 'ES256'], maxAge: 3_600, singleUse: false, anchors: ['/sub'] },
  'github-actions': {
    issuer: 'https://token.actions.githubusercontent.com',
    algorithms: ['RS256'],
    maxAge: 900,
    singleUse: true,
    // Names of owners and repositories can be registered again, and `sub` is made of them.
    anchors: ['/repository_id', '/repository_owner_id', '/enterprise_id'],
  },
  gitlab: {
    issuer: 'https://gitlab.com',
    algorithms: ['RS256'],
    maxAge: 3_600,
    singleUse: true,
    anchors: ['/project_id', '/namespace_id'],
  },
  google: {
    issuer: 'https://accounts.google.com',
    algorithms: ['RS256'],
    maxAge: 3_600,
    singleUse: false,
    anchors: ['/sub', '/google/compute_engine/project_number', '/google/compute_engine/instance_id'],
  },
  aws: {
    issuer: null,
    algorithms: ['RS256', 'ES384'],
    maxAge: 3_600,
    singleUse: true,
    anchors: ['/sub', '/https:~1~1sts.amazonaws.com~1/aws_account', '/https:~1~1sts.amazonaws.com~1/org_id'],
  },
  azure: { issuer: null, algorithms: ['RS256'], maxAge: 86_400, singleUse: false, anchors: ['/oid', '/sub'] },
  custom: { issuer: null, algorithms: ['RS256', 'ES256'], maxAge: 3_600, singleUse: false, anchors: ['/sub'] },
}
