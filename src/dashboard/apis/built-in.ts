/** The APIs that every deployment has, by their ids. */

/** Latchkey's own. */
export const managementApi = 'res_management'

/** What OpenID Connect tells of a member; no credential is made for it. */
export const identityApi = 'res_identity'
