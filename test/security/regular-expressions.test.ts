/**
 * Every regular expression and every schema pattern in src/: its input, the longest length of it, and that its time
 * grows no faster than that length.
 */
import ajvCompiler from '@fastify/ajv-compiler'
import Fastify from 'fastify'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import tap, { type Test } from 'tap'
import ts from 'typescript'
import { serverOptions } from '../../src/server/http-server.ts'
import { withoutAnySecrets, withoutWebhookToken } from '../../src/secrets/redaction.ts'
import { startServer } from '../support/test-server.ts'
import { leastTime } from '../support/waiting.ts'

const { bodyLimit, http } = serverOptions({ logLevel: 'silent', trustProxy: [] })

/** The longest text of each origin, in characters: the limits of Node for headers and of Fastify for bodies. */
const longest = {
  headers: http!.maxHeaderSize!,
  body: bodyLimit!,
  session: 16_384,
  /** Answers of a server to the command line are unlimited; half a megabyte is more than any page. */
  answer: 524_288,
  /** A field whose own limit, at most this, is checked first. */
  field: 2_048,
  /**
   * Trusted input: configuration, a command line, a driver's message, an answer of the database. Measured all the same.
   */
  own: 16_384,
} as const

type Origin = keyof typeof longest

/** File, expression, origin of its input. */
const table: readonly (readonly [file: string, expression: string, reads: Origin])[] = [
  ['base/ip-address.ts', '/^(0|[1-9]\\d{0,2})$/', 'field'],
  ['base/ip-address.ts', '/^(?:(\\d+\\.\\d+\\.\\d+\\.\\d+)|\\[([\\da-f:.]{2,45})\\])(?::\\d{1,5})?$/i', 'headers'],
  ['base/ip-address.ts', '/^::ffff:(\\d+\\.\\d+\\.\\d+\\.\\d+)$/', 'field'],
  ['cli/command.ts', '/^[1-9]\\d{0,8}$/', 'own'],
  ['cli/command.ts', '/^redirectUris\\[(\\d+)\\]/', 'answer'],
  ['cli/confirmation.ts', '/^y(es)?$/i', 'own'],
  ['cli/connection.ts', '/(?<!\\/)\\/+$/', 'own'],
  ['cli/connection.ts', '/^[\\x21-\\x7e]+$/', 'own'],
  ['cli/connection.ts', '/^https?:$/', 'own'],
  ['cli/flags/key-flags.ts', '/^([^:]+):(.+)$/s', 'own'],
  ['cli/commands/budget.ts', '/^\\d{1,16}$/', 'own'],
  ['cli/commands/policy.ts', '/^(\\d\\d:\\d\\d)-(\\d\\d:\\d\\d)$/', 'own'],
  ['cli/print.ts', '/[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]/gu', 'answer'],
  ['cli/print.ts', '/\\.\\d+Z$/', 'answer'],
  ['cli/time.ts', '/^(\\d{1,9})([smhdw])$/', 'own'],
  ['cli/time.ts', '/^(\\d{4}-\\d\\d-\\d\\d)T\\d\\d:\\d\\d(:\\d\\d(\\.\\d{1,3})?)?(Z|[+-]\\d\\d:\\d\\d)$/', 'own'],
  ['cli/time.ts', '/^\\d{4}-/', 'own'],
  ['cli/time.ts', '/^\\d{4}-\\d\\d-\\d\\d$/', 'own'],
  ['cli/commands/usage.ts', '/^[1-9]\\d*$/', 'own'],
  ['cli/command.ts', '/^\\d{1,10}$/', 'own'],
  ['dashboard/confirmation.ts', '/\\s+/', 'body'],
  ['dashboard/api-keys/creation.ts', '/[\\s,]+/', 'body'],
  ['dashboard/clients/creation.ts', '/[\\s,]+/', 'body'],
  ['dashboard/groups/creation.ts', '/[\\s,]+/', 'body'],
  ['dashboard/spending/budget-form.ts', '/0{1,4}$/', 'answer'],
  ['dashboard/spending/budgets.ts', '/0{1,4}$/', 'answer'],
  ['dashboard/spending/budget-form.ts', '/^(\\d{1,10})(?:\\.(\\d{1,6}))?$/', 'body'],
  ['dashboard/policies/policy.ts', '/[\\s,]+/', 'body'],
  ['domain/registries/archive-names.ts', '/[. ]$/', 'field'],
  [
    'domain/registries/archive-names.ts',
    '/[\\p{Cc}\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufffd]/u',
    'field'
  ],
  ['domain/registries/archive-names.ts', '/\\/$/', 'field'],
  ['domain/registries/archive-names.ts', '/^(\\.\\/)+/', 'field'],
  [
    'domain/registries/archive-names.ts',
    '/^(con|conin\\$|conout\\$|prn|aux|nul|com[0-9\\u00b9\\u00b2\\u00b3]|lpt[0-9\\u00b9\\u00b2\\u00b3]) *(\\.|$)/i',
    'field'
  ],
  ['domain/registries/archive-names.ts', '/(^|\\/)\\.\\.?(\\/|$)|\\\\/', 'field'],
  ['domain/registries/archive-names.ts', '/\\p{Default_Ignorable_Code_Point}/gu', 'field'],
  ['domain/registries/archive-names.ts', '/^[A-Za-z]:/', 'field'],
  ['domain/registries/front-matter.ts', '/[\\p{Cc}\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]/u', 'body'],
  ['domain/registries/front-matter.ts', '/[\\t\\r\\n]/g', 'body'],
  ['domain/registries/front-matter.ts', '/\\r?\\n/', 'answer'],
  ['domain/registries/front-matter.ts', 'pattern ^[a-z0-9]+(-[a-z0-9]+)*$', 'field'],
  ['domain/registries/registry-name.ts', '/[A-Za-z0-9.-]/', 'field'],
  ['domain/registries/registry-name.ts', '/^(_http)?(?:_p([0-9]{1,5}))?(.*)$/', 'field'],
  ['domain/registries/registry-name.ts', '/^[a-zA-Z0-9.-]+\\/[a-zA-Z0-9._-]+$/', 'field'],
  ['domain/registries/registry-name.ts', '/^\\//', 'field'],
  ['domain/registries/registry-name.ts', '/_(_|[0-9a-f]{2})/g', 'field'],
  ['domain/registries/skill-archive.ts', '/^([^/]+\\/)?SKILL\\.md$/', 'field'],
  [
    'domain/registries/skill-bundle.ts',
    'pattern ^(0|[1-9][0-9]*)(\\.(0|[1-9][0-9]*)){2}(-[0-9A-Za-z.-]+)?(\\+[0-9A-Za-z.-]+)?$',
    'field'
  ],
  [
    'domain/registries/skill-bundle.ts',
    'pattern ^[^+-]+(-(0|[1-9][0-9]*|[0-9]*[^0-9.+][^.+]*)(\\.(0|[1-9][0-9]*|[0-9]*[^0-9.+][^.+]*))*)?(\\+.*)?$',
    'field'
  ],
  ['domain/registries/skill-bundle.ts', 'pattern ^[^.+]+(\\.[^.+]+)*(\\+[^.+]+(\\.[^.+]+)*)?$', 'field'],
  ['domain/registries/source-request.ts', '/^[!#$%&\'*+.^_`|~0-9A-Za-z-]{1,64}$/', 'body'],
  ['domain/registries/source-request.ts', '/^[\\u0021-\\u007e]([\\u0020-\\u007e\\t]*[\\u0021-\\u007e])?$/', 'body'],
  ['domain/registries/tar-archive.ts', '/^ *([0-7]{1,11})[ \\0]*$/', 'field'],
  ['domain/registries/tar-archive.ts', '/^[0-9]+ comment=[0-9a-f]{40,64}\\n$/', 'answer'],
  ['domain/registries/tar-archive.ts', '/^([1-9][0-9]{0,6}) ([^=\\n]+)=/', 'field'],
  ['dashboard/policies/named.ts', '/[\\s,]+/', 'body'],
  ['dashboard/members/one-member.ts', '/[\\s,]+/', 'body'],
  ['dashboard/organizations/credits.ts', '/^\\d{1,15}$/', 'body'],
  ['decision/client-proof.ts', 'pattern ^[\\x20-\\x7e]*$', 'field'],
  ['decision/guard-sessions/schemas.ts', 'pattern ^[0-9]{4}-[0-9]{2}-[0-9]{2}$', 'body'],
  ['decision/spending/schemas.ts', 'pattern ^[^\\u0000-\\u001f\\u007f-\\u009f]+$', 'body'],
  ['decision/spending/schemas.ts', 'pattern ^[\\x21-\\x7e]+$', 'body'],
  ['domain/spending/provider-key.ts', 'pattern ^[!-~]+$', 'body'],
  ['domain/spending/provider-key.ts', 'pattern ^[a-z0-9][a-z0-9._-]{0,63}$', 'body'],
  ['management/routes/spend.ts', 'format date', 'field'],
  ['management/routes/budgets.ts', 'pattern ^[^\\u0000-\\u001f\\u007f-\\u009f]+$', 'field'],
  ['decision/verify-schema.ts', 'pattern ^[a-z][a-z0-9-]{0,63}$', 'body'],
  ['decision/verify-schema.ts', 'pattern ^[!#$%&\'*+.^_`|~0-9A-Za-z-]{1,32}$', 'body'],
  ['decision/verify-schema.ts', 'pattern ^/[\\x21-\\x7e]*$', 'field'],
  ['config/identity-providers.ts', '/[?#@\\s]|\\/\\.well-known\\//', 'own'],
  ['config/identity-providers.ts', '/\\s+/', 'own'],
  ['config/identity-providers.ts', '/^[!#-[\\]-~]+$/', 'own'],
  ['config/identity-providers.ts', '/^https?:\\/\\//', 'own'],
  [
    'domain/providers/email-domain.ts',
    '/^(?:[a-z\\d](?:[a-z\\d-]{0,61}[a-z\\d])?\\.)+[a-z](?:[a-z\\d-]{0,61}[a-z\\d])?$/',
    'field'
  ],
  ['fetch/cache-lifetime.ts', '/^\\d{1,10}$/', 'headers'],
  ['fetch/cache-lifetime.ts', '/^"|"$/g', 'headers'],
  ['fetch/outbound-fetch.ts', '/^\\[|\\]$/g', 'own'],
  ['pages/request.ts', '/^\\d{1,6}$/', 'headers'],
  ['protocol/upstream/login-transaction.ts', '/^(?:__Host-)?latchkey_login_[\\w-]{8}$/', 'headers'],
  ['protocol/upstream/logout-token.ts', '/^application\\//', 'field'],
  ['protocol/upstream/return-to.ts', '/[^!-[\\]-~]/', 'field'],
  ['protocol/upstream/return-to.ts', '/^\\/(?!\\/)/', 'field'],
  ['protocol/upstream/verified-sign-in.ts', '/[^\\w.-]/g', 'headers'],
  ['server/doctor/mcp/authorization-server.ts', '/\\/$/', 'answer'],
  ['server/doctor/mcp/documents.ts', '/\\/$/', 'answer'],
  ['server/doctor/mcp/documents.ts', '/\\r?\\n\\r?\\n/', 'answer'],
  ['server/doctor/mcp/documents.ts', '/^data: ?(.*)$/m', 'answer'],
  ['server/doctor/mcp/documents.ts', '/<title[^<>]*>([^<]*)/i', 'answer'],
  ['server/doctor/mcp/documents.ts', '/\\srole="alert"[^<>]*>([^<]*)/i', 'answer'],
  ['server/doctor/mcp/documents.ts', '/&(?:#(\\d{1,7})|([a-z]{2,6}));/g', 'answer'],
  ['server/doctor/mcp/documents.ts', '/\\s+/', 'answer'],
  ['server/doctor/mcp/resource-server.ts', '/\\/$/', 'answer'],
  ['server/doctor/mcp/resource-server.ts', '/\\bresource_metadata\\s*=\\s*"([^"]+)"/i', 'headers'],
  ['server/doctor/mcp/resource-server.ts', '/\\bscope\\s*=\\s*"([^"]*)"/i', 'headers'],
  ['server/doctor/mcp/resource-server.ts', '/^bearer\\b/i', 'headers'],
  ['config/readers.ts', '/(?<!\\/)\\/+$/', 'own'],
  ['config/readers.ts', '/^(.+):(\\d{1,5})$/', 'own'],
  ['base/loopback.ts', '/^\\[|\\]$/g', 'own'],
  ['config/readers.ts', '/^\\[|\\]$/g', 'own'],
  ['config/table.ts', '/<(\\w+)>/g', 'own'],
  ['config/table.ts', '/^[A-Z\\d]+(?:_[A-Z\\d]+)*$/', 'own'],
  ['config/server-file.ts', '/^\\[|\\]$/g', 'own'],
  ['config/readers.ts', '/^\\d{1,6}$/', 'own'],
  ['config/readers.ts', '/^\\s*([\\w-]+)=(.*)$/', 'own'],
  ['config/readers.ts', '/^https?:/', 'own'],
  ['config/readers.ts', '/^https?:\\/\\//', 'own'],
  ['config/distinct-secrets.ts', '/^(Bearer|Basic) +/i', 'own'],
  ['config/readers.ts', '/^\\w+/', 'own'],
  ['config/unknown-variables.ts', '/^LATCHKEY_(?:SERVICE_|PORT_|TEST_|PRISMA_|JUDGES$)/', 'own'],
  ['config/readers.ts', '/^file:./i', 'own'],
  ['config/readers.ts', '/^postgres(ql)?:\\/\\//i', 'own'],
  ['config/postgresql/options.ts', '/(?:\\\\.|[^\\\\\\s])+/gs', 'own'],
  ['config/database-url.ts', '/[/?#]/', 'own'],
  ['config/postgresql/options.ts', '/\\\\(.)/gs', 'own'],
  ['config/postgresql/parameters.ts', '/^(pg_|information_schema$)/i', 'own'],
  ['config/postgresql/parameters.ts', '/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/', 'own'],
  ['config/postgresql/options.ts', '/^[A-Za-z_][\\w.]*$/', 'own'],
  ['config/postgresql/parameters.ts', '/^[\\x20-\\x7e]{1,40}$/', 'own'],
  ['config/postgresql/parameters.ts', '/^\\d{1,6}$/', 'own'],
  ['decision/forward-auth/asked-needs.ts', '/^\\d{1,9}$/', 'headers'],
  ['decision/forward-auth/forward-answer.ts', '/[^\\x20-\\x7e]/g', 'headers'],
  ['decision/forward-auth/forward-auth.ts', '/[/?]/', 'headers'],
  ['decision/forward-auth/original-request.ts', '/[&;]/', 'headers'],
  ['decision/forward-auth/original-request.ts', '/[/\\\\\\p{Cc}]|%(?:2f|5c|2e|0)/iu', 'headers'],
  ['decision/forward-auth/original-request.ts', '/^\\.\\.?(;|$)/', 'headers'],
  ['decision/forward-auth/original-request.ts', '/^\\/[\\x21-\\x7e]*$/', 'headers'],
  ['decision/forward-auth/upstream-headers.ts', '/[^\\x21-\\x24\\x26-\\x7e]/gu', 'headers'],
  ['domain/client-metadata/redirect-uri.ts', '/^::ffff:(?:7f[\\da-f]{2}|0):/', 'field'],
  ['domain/client-metadata/redirect-uri.ts', '/^\\[|\\]$/g', 'field'],
  ['domain/members/email.ts', '/[A-Z]/g', 'field'],
  ['domain/members/email.ts', '/^[^\\s@\\p{C}]+@[^\\s@\\p{C}]+$/u', 'field'],
  ['domain/metering/credit.ts', '/^crd_/', 'own'],
  ['domain/resources/resource-identifier.ts', '/%(?:[\\da-f]{2})?/gi', 'field'],
  ['domain/resources/resource-identifier.ts', '/[\\w.~-]/', 'field'],
  ['domain/resources/resource-identifier.ts', '/^[\\x21-\\x7e]+$/', 'body'],
  ['domain/resources/resource-identifier.ts', '/^[a-z][a-z0-9+.-]*:/i', 'body'],
  ['domain/resources/resource-metadata.ts', '/^res_\\w{1,64}$/', 'headers'],
  ['domain/resources/scope.ts', '/^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,128}$/', 'body'],
  ['domain/access/checks/end-user-session.ts', '/^[\\x21-\\x7e]{1,255}$/', 'session'],
  ['domain/access/checks/end-user-session.ts', '/^jwt$/i', 'session'],
  ['domain/resources/style.ts', '/^[a-z][a-z0-9]{0,15}$/', 'body'],
  ['domain/policy/time-window.ts', '/^([01]\\d|2[0-3]):[0-5]\\d$/', 'field'],
  [
    'domain/policy/time-window.ts', '/^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?(Z|[+-]\\d\\d:\\d\\d)$/',
    'field'
  ],
  ['domain/tokens/access-token.ts', '/^([A-Za-z0-9_-]{14,2048})\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*$/', 'headers'],
  ['domain/tokens/access-token.ts', '/^[\\w-]{43}$/', 'headers'],
  [
    'guard/log.ts',
    '/^([a-z]{2,8}_([0-9A-Za-z]{22}|host|management)|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\\d{1,12})$/', 'headers'
  ],
  ['guard/log.ts', '/^[.]?[a-z]{1,12}([-_.][a-z]{1,12})?$|^v\\d$|^$/', 'headers'],
  ['guard/log.ts', '/^[a-z][a-z0-9+.-]*:\\/\\/[^/?]*/i', 'headers'],
  ['guard/remote/verify.ts', '/^\\/[\\x21-\\x7e]{0,2047}$/', 'headers'],
  ['guard/remote/verify.ts', '/^[!#$%&\'*+.^_`|~0-9A-Za-z-]{1,32}$/', 'headers'],
  ['guard/presentation.ts', '/^bearer +([A-Za-z0-9\\-._~+/]+=*)$/i', 'headers'],
  ['guard/presentation.ts', '/^bearer(\\s|$)/i', 'headers'],
  ['guard/presentation.ts', '/^bearer +(\\S+)$/i', 'headers'],
  ['management/conventions/unknown-path.ts', '/\\/(?:token|access_token)$/i', 'headers'],
  ['protocol/shared/oauth-error.ts', '/[^\\x20-\\x21\\x23-\\x5b\\x5d-\\x7e]/g', 'field'],
  ['management/routes/audit.ts', 'pattern ^[a-z_]+\\.[a-z_]*$', 'field'],
  ['management/documentation/openapi.ts', '/:(\\w+)/g', 'own'],
  ['management/documentation/openapi.ts', '/\\{(\\w+)\\}/g', 'own'],
  ['management/documentation/operation-names.ts', '/[^A-Za-z0-9]+/', 'own'],
  ['management/documentation/operation-names.ts', '/^\\/api\\/v1\\//', 'own'],
  ['management/schemas/api-keys.ts', 'pattern ^([0-9A-Fa-f]{64}|[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$', 'body'],
  ['management/routes/portal.ts', 'pattern ^[\\x21-\\x7e]*$', 'body'],
  ['management/routes/resources.ts', 'pattern ^[a-z][a-z0-9]{0,15}$', 'body'],
  ['management/schemas/declared-scopes.ts', 'pattern ^[!#-\\[\\]-~]{1,128}$', 'body'],
  ['management/conventions/schemas.ts', 'pattern ^[A-Za-z0-9_-]*$', 'field'],
  [
    'management/conventions/idempotent-creation.ts', 'pattern ^("[!#-\\[\\]-~]{1,128}"|[!#-+\\x2d-\\[\\]-~]{1,128})$',
    'headers'
  ],
  ['management/schemas/policies.ts', 'pattern ^([01][0-9]|2[0-4]):[0-5][0-9]$', 'body'],
  [
    'management/conventions/etags.ts',
    'pattern ^(\\*|(W/)?"[!#-~\\x80-\\xff]*"([ \\t]*,[ \\t]*(W/)?"[!#-~\\x80-\\xff]*")*)$', 'headers'
  ],
  [
    'management/conventions/schemas.ts',
    'pattern ^[ \\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000\\ufeff]*' +
      '[^\\u0000-\\u0020\\u007f-\\u00a0\\u061c\\u1680\\u2000-\\u200a\\u200e\\u200f\\u2028-\\u202f\\u205f' +
      '\\u2066-\\u2069\\u3000\\ufeff]' +
      '[^\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$',
    'body'
  ],
  [
    'management/conventions/schemas.ts',
    'pattern ^[^\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$', 'body'
  ],
  [
    'management/conventions/schemas.ts',
    'pattern ^[^\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]{1,64}$', 'body'
  ],
  ['management/conventions/schemas.ts', 'pattern ^[^\\u0000-\\u001f\\u007f-\\u009f]*$', 'body'],
  ['management/conventions/schemas.ts', 'pattern ^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]{22}$', 'body'],
  ['management/conventions/etags.ts', '/(W\\/)?"([^"]*)"/g', 'headers'],
  ['management/conventions/query-values.ts', '/^\\d{1,6}$/', 'field'],
  ['management/conventions/idempotent-creation.ts', 'pattern ^[1-9][0-9]{0,4}$', 'headers'],
  ['management/routes/audit.ts', 'format date', 'field'],
  ['management/schemas/usage.ts', 'format date', 'field'],
  ['management/conventions/schemas.ts', 'pattern ^[A-Za-z0-9_]+(,[A-Za-z0-9_]+){0,99}$', 'headers'],
  ['dashboard/choice.ts', '/\\W/', 'field'],
  ['cli/flags/list-flags.ts', '/^\\d{4}-/', 'own'],
  ['storage/rows/sorted-page.ts', '/[\\\\%_]/g', 'field'],
  ['management/documentation/refusal-responses.ts', 'format date-time', 'own'],
  ['management/conventions/etags.ts', '/^[1-9]\\d{0,8}$/', 'headers'],
  ['management/conventions/schemas.ts', 'format date-time', 'field'],
  ['management/conventions/schemas.ts', 'pattern ^[a-z][a-z0-9-]{0,63}$', 'body'],
  ['management/conventions/schemas.ts', 'pattern ^[a-z][a-z0-9_-]{0,63}$', 'body'],
  ['management/routes/server.ts', 'format date-time', 'own'],
  ['management/schemas/explain.ts', 'pattern ^[A-Z]+ /[\\x21-\\x7e]*$', 'field'],
  ['management/explanation/pasted-credential.ts', '/\\s/', 'body'],
  ['management/explanation/pasted-credential.ts', '/^(key|cli|mat|aut)_[0-9A-Za-z]{22}$/', 'body'],
  [
    'management/explanation/subject-form.ts',
    '/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/', 'body'
  ],
  ['dashboard/explain/explain.ts', '/[\\s,]+/', 'body'],
  ['dashboard/explain/explain.ts', '/^\\d{1,10}$/', 'body'],
  ['dashboard/explain/explain.ts', '/^(key|cli|aut|mat)_[0-9A-Za-z]{22}$/', 'body'],
  ['protocol/hosted-clients/metadata-document.ts', '/\\.$/', 'own'],
  ['protocol/registration/bearer.ts', '/^bearer +([A-Za-z0-9._~+/-]+=*)$/i', 'headers'],
  ['protocol/registration/metadata-members.ts', '/[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]/gu', 'body'],
  ['protocol/registration/metadata-members.ts', '/[\\s\\p{Cc}]/u', 'body'],
  ['protocol/shared/schemas.ts', 'format uri', 'own'],
  ['dashboard/trusted-issuers/issuer-form.ts', '/[./]/', 'field'],
  ['dashboard/trusted-issuers/issuer-form.ts', '/\\r?\\n/', 'field'],
  ['dashboard/trusted-issuers/issuer-form.ts', '/^\\d{1,9}$/', 'field'],
  ['dashboard/trusted-issuers/rule-form.ts', '/\\s+/', 'field'],
  ['domain/workloads/assertion.ts', '/^application\\//', 'session'],
  ['domain/workloads/assertion.ts', '/^spiffe:\\/\\/[^/]+(?=\\/)/', 'session'],
  ['domain/workloads/claim-match.ts', '/~(?![01])/', 'field'],
  ['domain/workloads/issuer-change.ts', '/[?#\\s]/', 'field'],
  ['domain/workloads/token-review.ts', '/^[-A-Za-z0-9._~+/]{16,}={0,2}$/', 'field'],
  ['protocol/workloads/token-reviewer.ts', '/\\.$/', 'own'],
  ['domain/workloads/issuer-change.ts', '/^spiffe:\\/\\/[a-z0-9._-]{1,255}$/', 'field'],
  ['protocol/workloads/issuer-keys.ts', '/\\.$/', 'own'],
  ['protocol/workloads/issuer-keys.ts', '/\\/$/', 'field'],
  ['protocol/grants/exchange-parameters.ts', '/^[1-9]\\d{0,8}$/', 'session'],
  ['protocol/grants/token-request.ts', '/^application\\/x-www-form-urlencoded *(?:;|$)/i', 'headers'],
  ['protocol/grants/token-request.ts', '/^[\\x20-\\x7e]*$/', 'session'],
  ['protocol/fast-path/plain-request.ts', '/^([A-Za-z0-9_.-]+):([A-Za-z0-9_.-]+)$/', 'headers'],
  ['protocol/fast-path/plain-request.ts', '/^[1-9]\\d{0,3}$/', 'headers'],
  ['protocol/fast-path/plain-request.ts', '/^application\\/x-www-form-urlencoded(?:; ?charset=utf-8)?$/i', 'headers'],
  ['protocol/fast-path/plain-request.ts', '/^basic ([a-z0-9+/]+={0,2})$/i', 'headers'],
  [
    'config/readers.ts',
    '/^(?:\\*|(?:\\*\\.)?(?:[a-z\\d](?:[a-z\\d-]{0,61}[a-z\\d])?\\.)+[a-z][a-z\\d-]{0,61}[a-z\\d])$/',
    'own'
  ],
  ['config/readers.ts', '/^[a-z][a-z\\d+-]{0,62}$/', 'own'],
  ['domain/client-metadata/client-id-url.ts', '/["<>\\\\^`{|}]/', 'headers'],
  ['domain/client-metadata/client-id-url.ts', '/^[!-~]+$/', 'headers'],
  ['domain/client-metadata/client-id-url.ts', '/^\\[|\\]$/g', 'headers'],
  ['domain/client-metadata/client-id-url.ts', '/^https:\\/\\/[^/?]*@/', 'headers'],
  ['domain/client-metadata/redirect-uri.ts', '/["<>\\\\^`{|}]/', 'field'],
  [
    'domain/client-metadata/redirect-uri.ts',
    '/^(http:\\/\\/(?:localhost|127\\.0\\.0\\.1|\\[::1\\]))(?::(\\d{1,5}))?($|[/?][^#]*$)/',
    'field'
  ],
  ['domain/client-metadata/redirect-uri.ts', '/^[!-~]+$/', 'field'],
  ['domain/client-metadata/redirect-uri.ts', '/^[^/?#]*\\/\\/[^/?#]*@/', 'field'],
  ['protocol/fast-path/fast-path.ts', '/^[\\x21\\x23-\\x5b\\x5d-\\x7e]+(?: [\\x21\\x23-\\x5b\\x5d-\\x7e]+)*$/', 'body'],
  ['base/reachability.ts', '/ssl|tls|EPROTO/i', 'own'],
  ['secrets/credential-text.ts', '/^([a-z][a-z0-9]{0,15})_(live|test)_[0-9A-Za-z]{33}$/', 'body'],
  ['secrets/credential-text.ts', '/^[a-z][a-z0-9]{0,15}_(live|test)_/', 'body'],
  ['pages/consent/display.ts', '/[\\p{C}\\p{Zl}\\p{Zp}]+/gu', 'body'],
  ['pages/consent/display.ts', '/\\p{Z}+/gu', 'body'],
  ['pages/consent/display.ts', '/(\\p{M}{3})\\p{M}+/gu', 'body'],
  ['pages/passkey-descriptions.ts', 'pattern ^[A-Za-z0-9_-]+$', 'body'],
  ['pages/passkey-descriptions.ts', 'pattern ^[a-z-]{1,20}$', 'body'],
  ['secrets/credential-text.ts', '/^lk[a-z]{3}_[A-Za-z0-9_-]{43}$/', 'body'],
  ['secrets/credential-text.ts', '/^lkmat_[0-9A-Za-z]{33}$/', 'body'],
  ['secrets/credential-text.ts', '/^lkpse_[A-Za-z0-9_-]{43}$/', 'headers'],
  ['secrets/credential-text.ts', '/^lksil_[A-Za-z0-9_-]{43}$/', 'body'],
  ['secrets/credential-text.ts', '/^lkrat_[A-Za-z0-9_-]{43}$/', 'body'],
  ['secrets/credential-text.ts', '/^lkrgt_[A-Za-z0-9_-]{43}$/', 'body'],
  ['secrets/credential-text.ts', '/^[A-Za-z0-9_-]{43}$/', 'body'],
  ['secrets/credential-text.ts', '/^[a-z][a-z0-9]{0,15}_pub_(live|test)_[0-9A-Za-z]{22}$/', 'body'],
  [
    'secrets/credential-text.ts', '/^https?:\\/\\/[^#\\s]{1,2000}#(lksil_[A-Za-z0-9_-]{43})$/', 'body'
  ],
  ['secrets/credential-text.ts', '/^whk_[A-Za-z0-9_-]{43}$/', 'body'],
  ['secrets/redaction.ts', '/%([0-9a-f]{2})/gi', 'body'],
  ['secrets/redaction.ts', '/(?<![\\w-])(?=[\\w-]*[A-Z0-9])(?=[\\w-]*[a-z])[\\w-]{33,}/g', 'body'],
  ['secrets/redaction.ts', '/(?<=[a-z][a-z0-9]{0,15})(_(?:live|test)_)[0-9A-Za-z]+/g', 'body'],
  ['secrets/redaction.ts', '/(eyJ)[\\w-]+(\\.[\\w.-]+)?/g', 'body'],
  ['secrets/redaction.ts', '/(lk[a-z]{3}_|whk_)[\\w-]{8,}/g', 'body'],
  ['secrets/redaction.ts', '/whk_/i', 'body'],
  ['storage/replication/acknowledgements.ts', '/^\\d{1,20}:\\d{1,20}:[\\d,]*$/', 'own'],
  ['storage/engine/database.ts', '/^postgres(ql)?:\\/\\//', 'own'],
  ['storage/engine/failures.ts', '/^(08|28|3D|53|57|58)[0-9A-Z]{3}$|^(55P03|25006|25P03)$/', 'own'],
  ['storage/engine/failures.ts', '/^SQLITE_(BUSY|LOCKED|IOERR|CANTOPEN|READONLY|PERM|PROTOCOL|CORRUPT|NOTADB)/', 'own'],
  ['storage/engine/failures.ts', '/can\'t reach database server|timeout exceeded when trying to connect|query read ' +
    'timeout|connection terminated|client was closed|client has encountered a connection error|cannot use a pool ' +
    'after|database connection is not open|not currently accepting connections/i', 'own'],
  ['storage/migrations/schema-engine.ts', '/External error id#(\\d+)/', 'own'],
  ['http/process-warning.ts', '/["\\\\]/g', 'field'],
  ['http/process-warning.ts', '/299 \\S+ "((?:[^"\\\\]|\\\\.)*)"/g', 'answer'],
  ['http/process-warning.ts', '/\\\\(.)/g', 'answer'],
  ['base/plain-text.ts', '/[\\p{Cc}\\p{Cs}\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]/gu', 'body'],
  ['base/plain-text.ts', '/\\p{Cc}/u', 'body'],
]

interface Found { file: string, expression: string }

const src = resolve(import.meta.dirname, '../../src')
const patternMethods = new Set(['match', 'matchAll', 'search'])
/** Options for keys (node:crypto), which are no formats of a schema. */
const keyFormats = new Set(["'jwk'", "'pem'"])

/** Expressions of a source: literals, those built at run time, and those that ajv compiles for a schema. */
function expressionsOf (file: string, text: string): Found[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found: Found[] = []
  const visit = (node: ts.Node): void => {
    if (isExpression(node, source)) {
      found.push({ file, expression: ts.isPropertyAssignment(node) ? schemaExpression(node) : node.getText(source) })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function isExpression (node: ts.Node, source: ts.SourceFile): boolean {
  if (ts.isRegularExpressionLiteral(node)) return true
  if (ts.isPropertyAssignment(node)) {
    const name = node.name.getText(source)
    return literalText(node.initializer) !== null &&
      (name === 'pattern' || (name === 'format' && !keyFormats.has(node.initializer.getText(source))))
  }
  if (ts.isNewExpression(node) || ts.isCallExpression(node)) {
    // A format defined by a pattern is in the table by that pattern.
    if (node.expression.getText(source) === 'RegExp') {
      return !/^\w+\.pattern$/.test(node.arguments?.[0]?.getText(source) ?? '')
    }
    const [first] = node.arguments ?? []
    const { expression: called } = node
    return ts.isPropertyAccessExpression(called) && patternMethods.has(called.name.text) && first !== undefined &&
      !ts.isRegularExpressionLiteral(first)
  }
  return false
}

/** As `pattern …` or `format …`. */
function schemaExpression (node: ts.PropertyAssignment): string {
  return `${node.name.getText()} ${literalText(node.initializer)}`
}

/** The value of a string literal, or of several joined by `+`; null: another expression. */
function literalText (node: ts.Expression): string | null {
  if (ts.isStringLiteralLike(node)) return node.text
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.PlusToken) return null
  const [left, right] = [literalText(node.left), literalText(node.right)]
  return left === null || right === null ? null : left + right
}

function sources (): Found[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.ts') && !name.includes('generated')
  ).sort()
    .flatMap(name => expressionsOf(name, readFileSync(join(src, name), 'utf8')))
}

const key = ({ file, expression }: Found) => `${file}: ${expression}`

tap.test('every regular expression and every pattern in src/ is in the table, and nothing else is', async t => {
  t.strictSame(
    [...new Set(sources().map(key))].sort(), table.map(([file, expression]) => key({ file, expression })).sort()
  )
})

tap.test('the scan finds expressions in every shape', async t => {
  const text = [
    'const a = /x/g', "b.match('y')", 'new RegExp(c)', "RegExp('d')", "({ pattern: '^e$', format: 'date-time' })",
    "createKey({ format: 'jwk' })", 'd.match(/f/)'
  ].join('\n')
  t.strictSame(expressionsOf('a.ts', text).map(({ expression }) => expression), [
    '/x/g', "b.match('y')", 'new RegExp(c)', "RegExp('d')", 'pattern ^e$', 'format date-time', '/f/'
  ])
})

/** Patterns and formats anywhere in a schema, the names of `patternProperties` included. */
function patternsIn (schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  return Object.entries(schema).flatMap(([name, value]) => {
    const own = (name === 'pattern' || name === 'format') && typeof value === 'string' ? [`${name} ${value}`] : []
    const names = name === 'patternProperties' ? Object.keys(value as object).map(each => `pattern ${each}`) : []
    return [...own, ...names, ...patternsIn(value)]
  })
}

tap.test('no schema of a route has a pattern that the table lacks', async t => {
  const { latchkey, close } = await startServer()
  t.teardown(close)
  const found = new Set<string>()
  const app = Fastify(serverOptions({ logLevel: 'silent', trustProxy: [] }))
  app.addHook('onRoute', ({ schema = {} }) => {
    for (const part of [schema.body, schema.querystring, schema.params, schema.headers]) {
      patternsIn(part).forEach(each => found.add(each))
    }
  })
  await app.register(latchkey.routes)
  await app.close()
  t.ok(found.size > 5, 'there are some')
  const known = new Set<string>([...table.map(([, expression]) => expression), 'pattern ^.*$'])
  t.strictSame([...found].filter(each => !known.has(each)), [])
})

/** The measured work: all that an expression does on a text. */
type Work = (text: string) => unknown

const compile = ajvCompiler()({}, { customOptions: {} } as never)

function workOf (expression: string): Work {
  const [kind, schema] = [expression.slice(0, expression.indexOf(' ')), expression.slice(expression.indexOf(' ') + 1)]
  if (kind === 'format') {
    return compile(
      { schema: { type: 'string', format: schema }, method: 'POST', url: '/', httpPart: 'body' } as never
    ) as Work
  }
  const pattern = kind === 'pattern' ? new RegExp(schema, 'u') : literal(expression)
  // As in the sources: an expression with `g` scans the whole text, any other looks for one match.
  return pattern.global ? text => text.replace(pattern, '') : text => pattern.test(text)
}

function literal (text: string): RegExp {
  const end = text.lastIndexOf('/')
  return new RegExp(text.slice(1, end), text.slice(end + 1))
}

/** Building blocks of the worst texts: the literals of the expression, and one character of each usual class. */
function piecesOf (expression: string): string[] {
  const named = expression.replace(/\[[^\]]*\]/g, ' ').replace(/\\[a-zA-Z]/g, ' ').match(/[\w:%"'.@=-]+/g) ?? []
  return [
    ...new Set([
      ...named.filter(each => each.length <= 16), 'test', 'a', 'A', '0', '_', '-', '.', ':', '/', ' ', '\t', '\n', '=',
      '%41', '"', ',', '\\', 'é', '\u202e', '{', '/a', 'a.', '0.', 'A-', '-a:'
    ])
  ]
}

interface Attack { start: string, piece: string, end: string }

function attacksOn (expression: string): Attack[] {
  const pieces = piecesOf(expression)
  const begins = [
    'bearer ', 'Basic ', 'application/x-www-form-urlencoded', '"', 'https://', 'lkmat_', 'a_live_',
    '2027-01-31T00:00:00.'
  ]
  // An expression that is not anchored can start anywhere in the text.
  const starts = expression.includes('^') ? ['', ...new Set(pieces.slice(0, 4)), ...begins] : ['']
  return pieces.flatMap(piece => starts.flatMap(start => ['', '\u0000'].map(end => ({ start, piece, end }))))
}

function textOf ({ start, piece, end }: Attack, length: number): string {
  return (start + piece.repeat(Math.ceil(length / piece.length))).slice(0, length - end.length) + end
}

const timeOf = (work: Work, text: string, runs: number): number => leastTime(runs, () => work(text))

/** Four times the length takes four times as long in linear time, sixteen times in quadratic time. */
const mostGrowth = 12
/** Milliseconds below which a difference is noise. */
const noise = 0.3
/** Garbage collection, a cold cache or other work spoils one comparison, never all. */
const tries = 8

function growsTooFast (work: Work, attack: Attack, length: number): boolean {
  const [short, long] = [textOf(attack, length / 4), textOf(attack, length)]
  // One run first: it nearly always is fast enough to stop here.
  if (timeOf(work, long, 1) < noise) return false
  for (let i = 0; i < tries; i++) {
    const time = timeOf(work, long, 4)
    if (time < noise || time <= mostGrowth * timeOf(work, short, 4)) return false
  }
  return true
}

/**
 * The first attack under which the time of `work` grows faster than its text, at any length up to `most`; null: none.
 */
function worstOf (work: Work, attacks: readonly Attack[], most: number): string | null {
  let slowest: { attack: Attack, time: number } | null = null
  for (const attack of attacks) {
    // Exponential time shows at these lengths; at one that shows quadratic time it would never end.
    for (const length of [20, 30, 40]) {
      if (timeOf(work, textOf(attack, attack.start.length + length), 4) > 5) {
        return `${JSON.stringify(attack)} at ${length} characters`
      }
    }
    for (const length of [2_048, 16_384]) {
      if (length <= most && growsTooFast(work, attack, length)) {
        return `${JSON.stringify(attack)} at ${length} characters`
      }
    }
    if (most <= 16_384) continue
    const time = timeOf(work, textOf(attack, 4_096), 1)
    if (slowest === null || time > slowest.time) slowest = { attack, time }
  }
  return slowest !== null && growsTooFast(work, slowest.attack, most)
    ? `${JSON.stringify(slowest.attack)} at ${most} characters`
    : null
}

tap.test('the measure sees quadratic and exponential time', async t => {
  for (const bad of ['/(eyJ)[\\w-]+\\.[\\w.-]+/g', '/\\s+$/', '/(a+)+!/', '/\\d+\\.\\d+$/', '/^(a|aa)+$/']) {
    t.type(worstOf(workOf(bad), attacksOn(bad), 16_384), 'string', bad)
  }
  for (const good of ['/^[a-z]+$/', '/[^a]/g', '/a{1,3}b/']) {
    t.equal(worstOf(workOf(good), attacksOn(good), 16_384), null, good)
  }
})

function linear (t: Test, name: string, work: Work, attacks: readonly Attack[], reads: Origin): void {
  t.equal(worstOf(work, attacks, longest[reads]), null, `${name} reads ${reads}`)
}

tap.test('N10: no expression takes longer than in proportion to what it reads', async t => {
  for (const [file, expression, reads] of table) {
    linear(t, `${file}: ${expression}`, workOf(expression), attacksOn(expression), reads)
  }
})

tap.test('N10: taking secrets out of a path and out of an error takes time in proportion to their length', async t => {
  const attacks = attacksOn(
    table.filter(([file]) => file === 'secrets.ts').map(([, expression]) => expression).join(' ')
  )
  linear(t, 'withoutAnySecrets', withoutAnySecrets, attacks, 'body')
  linear(t, 'withoutWebhookToken', withoutWebhookToken, attacks, 'headers')
})
