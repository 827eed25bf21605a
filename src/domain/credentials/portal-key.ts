/** Partners' keys: API keys of the management API that provision organizations and mint sign-in links for them. */
import { Failure } from '../../base/errors.ts'
import type { Role } from '../members/roles.ts'
import { hasPortalScope, provisionScope } from '../resources/portal-scopes.ts'
import { managementResourceId, type Resource } from '../resources/resource.ts'
import { expand } from '../resources/scope.ts'
import type { OrganizationTemplatePort } from '../tenancy/organization-template.ts'

/** What the deployment sets of a partner's key. */
export interface PortalSettings {
  /** The template of the organizations that it provisions; null: it provisions none. */
  templateId: string | null
  /** It mints sign-in links for members of this role and of lower ones. */
  ceiling: Role
}

/** As a request gives them: what is left out stays as it is. */
export interface PortalInput { template?: string | null, ceiling?: Role }

/** Below admin: a partner lets people in, and administers nothing. */
export const defaultCeiling: Role = 'member'

/**
 * The settings of a key with these scopes; null: it is no partner's. `requireScopesHeld` decides whether the actor may
 * give the scopes.
 * @throws Failure `invalid_request` for settings without the scopes, for a key that provisions without a template, and
 * for one that is bound to a member; `not_found` for an unknown template.
 */
export async function portalSettings (
  tx: OrganizationTemplatePort, resource: Resource,
  key: { access: string, scopes: readonly string[], creatorId: string | null },
  before: PortalSettings | null, given: PortalInput | undefined
): Promise<PortalSettings | null> {
  const names = key.access === 'custom' && resource.id === managementResourceId
    ? expand(key.scopes, resource.scopes)
    : []
  if (!hasPortalScope(names)) {
    if (given === undefined) return null
    throw invalid('portal', 'Only a key of the management API with portal-provision or portal-sso-mint has `portal`.')
  }
  if (key.creatorId !== null) {
    throw invalid('creator', 'A key with portal-provision or portal-sso-mint is bound to no member; name none.')
  }
  const templateId = given?.template === undefined ? before?.templateId ?? null : given.template
  if (templateId === null && names.includes(provisionScope)) {
    throw invalid(
      'portal', 'A key with portal-provision needs `portal.template`, the organization template whose limits its ' +
        'organizations get. List them: GET …/organization-templates'
    )
  }
  if (templateId !== null && given?.template !== undefined) await requireTemplate(tx, templateId)
  return { templateId, ceiling: given?.ceiling ?? before?.ceiling ?? defaultCeiling }
}

async function requireTemplate (tx: OrganizationTemplatePort, id: string): Promise<void> {
  if (await tx.organizationTemplates.get(id) !== null) return
  throw new Failure('not_found', {
    message: `There is no organization template ${JSON.stringify(id.slice(0, 64))}.`, details: { field: 'portal' }
  })
}

function invalid (field: string, message: string): Failure {
  return new Failure('invalid_request', { message, details: { field } })
}
