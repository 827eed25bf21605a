/** Events of the audit log in the words of people, by what they are about. The machine's name stands below them. */

/** What events are about; `prefix`: of their types, as the API filters by it. */
export interface Area { name: string, prefix: string, events: Readonly<Record<string, string>> }

export const areas: readonly Area[] = [
  {
    name: 'API keys',
    prefix: 'api_key.',
    events: {
      created: 'Key created',
      imported: 'Key imported',
      updated: 'Key changed',
      rotated: 'Key replaced',
      disabled: 'Key disabled',
      enabled: 'Key enabled',
      revoked: 'Key revoked',
    }
  },
  {
    name: 'Credentials',
    prefix: 'credential.',
    events: { refused: 'Credential refused', reuse_detected: 'Used credential came again' }
  },
  {
    name: 'Clients',
    prefix: 'client.',
    events: {
      created: 'Client created',
      registered: 'Client registered itself',
      updated: 'Client changed',
      secret_rotated: 'Client secret replaced',
      disabled: 'Client disabled',
      enabled: 'Client enabled',
      revoked: 'Client revoked',
      reaped: 'Unused client removed',
      refused: 'Client refused',
    }
  },
  {
    name: 'Approvals of clients',
    prefix: 'client_approval.',
    events: { created: 'Client approved', removed: 'Approval taken back' }
  },
  {
    name: 'Introspection',
    prefix: 'introspection.',
    events: { refused: 'Introspection refused' }
  },
  {
    name: 'Tokens',
    prefix: 'token.',
    events: { revoked: 'Token revoked' }
  },
  {
    name: 'Consents',
    prefix: 'consent.',
    events: { given: 'Access allowed', ended: 'Allowed access ended' }
  },
  {
    name: 'Connections',
    prefix: 'authorization.',
    events: {
      created: 'Application connected',
      updated: 'Connection changed',
      ended: 'Connection ended',
      refresh_repeated: 'Refresh token used twice',
    }
  },
  {
    name: 'Members',
    prefix: 'member.',
    events: { created: 'Member added', updated: 'Member changed', removed: 'Member removed' }
  },
  {
    name: 'Invitations',
    prefix: 'invitation.',
    events: { created: 'Person invited', accepted: 'Invitation accepted', revoked: 'Invitation revoked' }
  },
  { name: 'Skills', prefix: 'skill.', events: { published: 'Skill published', yanked: 'Skill yanked' } },
  {
    name: 'Third-party sources',
    prefix: 'third_party_source.',
    events: { created: 'Source added', updated: 'Source changed', fetched: 'Source asked', removed: 'Source removed' }
  },
  { name: 'AI budgets', prefix: 'budget.', events: { set: 'AI budget set', removed: 'AI budget removed' } },
  {
    name: 'AI spending',
    prefix: 'spend_reservation.',
    events: { unsettled: 'AI call charged without a settlement', forced: 'Implausible cost settled' }
  },
  {
    name: 'Provider keys',
    prefix: 'provider_key.',
    events: {
      created: 'Provider key set',
      replaced: 'Provider key replaced',
      removed: 'Provider key removed',
      leased: 'Provider key leased',
      resealed: 'Provider key sealed anew',
    }
  },
  {
    name: 'Virtual keys',
    prefix: 'virtual_key.',
    events: { created: 'Virtual key made', revoked: 'Virtual key revoked' }
  },
  {
    name: 'Groups',
    prefix: 'group.',
    events: {
      created: 'Group created',
      updated: 'Group changed',
      deleted: 'Group deleted',
      member_added: 'Member added to a group',
      member_removed: 'Member taken out of a group',
    }
  },
  {
    name: 'Policies',
    prefix: 'policy.',
    events: { created: 'Policy created', updated: 'Policy changed', deleted: 'Policy deleted' }
  },
  {
    name: 'Sign-in',
    prefix: 'sign_in.',
    events: { refused: 'Sign-in refused' }
  },
  {
    name: 'Sessions',
    prefix: 'person_session.',
    events: { created: 'Signed in', ended: 'Session ended' }
  },
  {
    name: 'Sign-in links',
    prefix: 'sign_in_link.',
    events: { created: 'Sign-in link made', used: 'Sign-in link used', refused: 'Sign-in link refused' }
  },
  {
    name: 'Passkeys',
    prefix: 'passkey.',
    events: {
      added: 'Passkey added',
      renamed: 'Passkey renamed',
      removed: 'Passkey removed',
      used: 'Passkey used',
      refused: 'Passkey refused',
    }
  },
  {
    name: 'Accounts',
    prefix: 'identity.',
    events: { linked: 'Account linked', unlinked: 'Account unlinked' }
  },
  {
    name: 'Trusted providers',
    prefix: 'trusted_provider.',
    events: { created: 'Provider trusted', updated: 'Trusted provider changed', removed: 'Trust taken back' }
  },
  {
    name: 'E-mail domains',
    prefix: 'email_domain.',
    events: { created: 'E-mail domain given', removed: 'E-mail domain taken' }
  },
  {
    name: 'APIs',
    prefix: 'resource.',
    events: { created: 'API created', updated: 'API changed', revoked: 'API revoked' }
  },
  {
    name: 'Publishable keys',
    prefix: 'publishable_key.',
    events: {
      created: 'Publishable key created', updated: 'Publishable key changed', revoked: 'Publishable key revoked'
    }
  },
  {
    name: 'Webhook tokens',
    prefix: 'webhook_token.',
    events: { created: 'Webhook token created', revoked: 'Webhook token revoked' }
  },
  {
    name: 'Trusted issuers',
    prefix: 'trusted_issuer.',
    events: { created: 'Issuer trusted', updated: 'Trusted issuer changed', deleted: 'Trusted issuer deleted' }
  },
  {
    name: 'Workload rules',
    prefix: 'workload_rule.',
    events: { created: 'Rule added', updated: 'Rule changed', deleted: 'Rule deleted' }
  },
  {
    name: 'Workloads',
    prefix: 'workload.',
    events: { admitted: 'Workload got a token', refused: 'Workload refused' }
  },
  {
    name: 'Registration tokens',
    prefix: 'registration_token.',
    events: {
      created: 'Registration token created',
      updated: 'Registration token changed',
      revoked: 'Registration token revoked',
      spent: 'Registration token used',
      exhausted: 'Registration token used up',
    }
  },
  {
    name: 'Tokens of this API',
    prefix: 'access_token.',
    events: { created: 'Access token created', updated: 'Access token changed', revoked: 'Access token revoked' }
  },
  {
    name: 'Credits',
    prefix: 'credits.',
    events: { granted: 'Credits granted' }
  },
  {
    name: 'Organizations',
    prefix: 'organization.',
    events: {
      created: 'Organization created',
      updated: 'Organization changed',
      suspended: 'Organization suspended',
      resumed: 'Organization resumed',
      deleted: 'Organization deleted',
    }
  },
  {
    name: 'Organization templates',
    prefix: 'organization_template.',
    events: { created: 'Organization template created', deleted: 'Organization template deleted' }
  },
  {
    name: 'Signing keys',
    prefix: 'signing_key.',
    events: {
      created: 'Signing key created',
      published: 'Signing key published',
      rotated: 'Signing key rotated',
      retired: 'Signing key retired',
      revoked: 'Signing key revoked',
      resealed: 'Signing key encrypted anew',
      removed: 'Signing key removed',
    }
  },
  {
    name: 'Admin token',
    prefix: 'admin_token.',
    events: { used: 'Admin token used' }
  },
  {
    name: 'Effective access',
    prefix: 'effective_access.',
    events: { repaired: 'Caches repaired' }
  },
  {
    name: 'Database',
    prefix: 'database.',
    events: { lost_changes: 'Database lost changes', maybe_lost_changes: 'Database may have lost changes' }
  },
  {
    name: 'Lost changes',
    prefix: 'lost_change.',
    events: { accepted: 'Lost change accepted' }
  },
  {
    name: 'Audit log',
    prefix: 'audit.',
    events: {
      chain_opened: 'Chain begun',
      chain_closed_off: 'Chain closed off',
      chain_recovered: 'Chain recovered',
      key_recorded: 'Key of the chain recorded',
      pruned: 'Old rows removed',
    }
  },
]

/** By type. */
export const eventWords: Readonly<Record<string, string>> = Object.fromEntries(areas.flatMap(({ prefix, events }) =>
  Object.entries(events).map(([event, text]) => [prefix + event, text] as const)))

/** A type of event in words; the type itself where there are none. */
export function wordsOf (type: string): string {
  return type === 'unreadable' ? 'Unreadable row' : eventWords[type] ?? type
}

/** Whether events of this type say that something was refused. */
export function isRefusal (type: string): boolean {
  return type.endsWith('.refused') || type === 'credential.reuse_detected' || type === 'authorization.refresh_repeated'
}

/** Actors that are no records. */
export const actors: Readonly<Record<string, string>> = { admin: 'Admin token', system: 'Latchkey' }
