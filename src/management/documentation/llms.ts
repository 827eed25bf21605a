/** The document for language models, in the format of llmstxt.org: name, summary, authentication, and links. */
import { failures } from '../../base/errors.ts'
import type { OpenApiDocument, Operation } from './openapi.ts'

export interface DocumentPaths { openapi: string, reference: string, principal: string }

/** Markdown, generated from the OpenAPI document. */
export function llmsText (document: OpenApiDocument, paths: DocumentPaths): string {
  const issuer = document.servers[0]!.url
  return [
    `# ${document.info.title}`,
    '',
    `> ${document.info.summary} ${document.info.description}`,
    '',
    ...authentication(document, paths.principal),
    '',
    '## Documents',
    '',
    `- [OpenAPI 3.1](${issuer}${paths.openapi}): every route, with schemas, examples and error codes`,
    `- [Reference](${issuer}${paths.reference}): the same as an interactive page`,
    `- [Authorization server metadata](${issuer}/.well-known/oauth-authorization-server): RFC 8414`,
    '',
    ...document.tags.flatMap((
      { name }
    ) => [`## ${name}`, '', ...operations(document, name, issuer + paths.reference), '']),
    '## Error codes of the management API',
    '',
    ...Object.entries(failures).map(([code, { status, message }]) => `- ${code.toUpperCase()} (${status}): ${message}`),
    '',
  ].join('\n')
}

function authentication ({ servers, components }: OpenApiDocument, principal: string): string[] {
  const { tokenUrl } =
    (components.securitySchemes.oauth2 as { flows: { clientCredentials: { tokenUrl: string } } }).flows
      .clientCredentials
  return [
    'Authenticate with exactly one of:',
    '',
    '- an API key of the management API in the header `x-api-key`',
    `- an access token in \`Authorization: Bearer\`: \`POST ${tokenUrl}\` as \`application/x-www-form-urlencoded\` with \`grant_type=client_credentials\`, \`client_id\`, \`client_secret\` and \`resource=${
      servers[0]!.url
    }/api/v1\``,
    '- the admin token of the deployment in `Authorization: Bearer`',
    '',
    `An operation that names scopes needs all of them. \`GET ${principal}\` shows the principal of a credential.`,
  ]
}

function operations ({ paths }: OpenApiDocument, tag: string, reference: string): string[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { tags }]) => tags.includes(tag))
      .map(([method, operation]) =>
        `- [${method.toUpperCase()} ${path}](${reference}#/${tag}/${operation.operationId}): ${sayings(operation)}`
      )
  )
}

function sayings ({ summary = '', description }: Operation): string {
  return description === undefined ? summary : `${summary}. ${description}`
}
