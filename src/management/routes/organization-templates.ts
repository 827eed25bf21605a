/** Organization templates: limits and features of the organizations that partners' keys provision. */
import { Type } from '../../http/typebox-lite.ts'
import {
  createTemplate, deleteTemplate, getTemplate, unchanged, type OrganizationTemplate
} from '../../domain/tenancy/organization-template.ts'
import { revision } from '../conventions/etags.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { operationOf, requireDeployment } from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  as, exactly, Features, IdParams, limits, Moment, Name, nullable, pageOf, PageQuerystring, Texts
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['organizations:read'] }
const writeAccess = { scopes: ['organizations:write'] }
const ofDeployment = 'Requires a deployment-wide credential.'

const NewTemplate = exactly({ name: Name, features: Type.Optional(Features), ...limits })
const WireTemplate = Type.Object({
  id: as(Type.String(), 'tpl_3mKtQ0rXc2sVb8nLd4wEfG'),
  name: as(Type.String(), 'Partner plan'),
  features: Texts,
  callsPerMonth: nullable(Type.Integer()),
  creditsPerMonth: nullable(Type.Integer()),
  callsPerMinute: nullable(Type.Integer()),
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
}, { title: 'OrganizationTemplate' })

export const organizationTemplateRoutes = routes<CreationDependencies>(
  createTemplateRoute, listTemplatesRoute, getTemplateRoute, deleteTemplateRoute
)

function createTemplateRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/organization-templates', {
    config: writeAccess,
    schema: {
      summary: 'Create an organization template',
      description: `A template is not changed: another plan is another template. ${ofDeployment}`,
      body: NewTemplate,
      response: { 201: WireTemplate },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    requireDeployment(operation, 'Creating an organization template')
    return wireTemplate(await createTemplate(operation, request.body))
  }))
}

function listTemplatesRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/organization-templates', {
    config: readAccess,
    schema: {
      summary: 'List organization templates',
      description: `A page, newest first. ${ofDeployment}`,
      querystring: exactly(PageQuerystring),
      response: { 200: pageOf(WireTemplate) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    requireDeployment(operation, 'Listing organization templates')
    const query = pageQuery(request.query)
    return wirePage(query, await operation.store.organizationTemplates.page(query), wireTemplate)
  })
}

function getTemplateRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/organization-templates/:id', {
    config: readAccess,
    schema: {
      summary: 'Read an organization template',
      description: ofDeployment,
      params: IdParams,
      response: { 200: WireTemplate },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    requireDeployment(operation, 'Reading an organization template')
    return wireTemplate(await getTemplate(operation, request.params.id))
  })
}

function deleteTemplateRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/organization-templates/:id', {
    config: writeAccess,
    schema: {
      summary: 'Delete an organization template',
      description: 'Keys that name it provision nothing until they name another one. Organizations keep what it gave ' +
        `them. ${ofDeployment}`,
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) => {
    const operation = operationOf(dependencies, request)
    requireDeployment(operation, 'Deleting an organization template')
    return await ended(reply, deleteTemplate(operation, request.params.id))
  })
}

function wireTemplate (
  { id, name, features, callsPerMonth, creditsPerMonth, callsPerMinute, createdBy, createdAt }: OrganizationTemplate
) {
  return {
    [revision]: unchanged.revision,
    id,
    name,
    features,
    callsPerMonth,
    creditsPerMonth,
    callsPerMinute,
    createdBy,
    createdAt
  }
}
