/**
 * For each of 100 tests drawn at random, and for the rules of people, a defect that its title rules out: `npm run
 * mutate` applies it.
 */
/* eslint no-template-curly-in-string: "off" -- Titles and texts are as in the sources. */

/**
 * `title`: the test's, as in its source. `find`: a text that occurs once in all sources under src/, bin/ and examples/,
 * in any file. `replace`: the defective text, with which the test has to fail.
 */
export interface Mutation { title: string, find: string, replace: string }

export const mutations: readonly Mutation[] = [
  {
    title: 'a change of a kind that this version does not know clears the cache [postgresql]',
    find: 'default: return Object.hasOwn(known, written.of) ? change : { of: \'everything\' }',
    replace: 'default: return change',
  },
  {
    title: 'CL-03: of many calls on two servers exactly as many pass as there are credits, each paid once [${name}]',
    find: 'where: { organizationId, environment, balance: { gte: amount } }, data: { balance',
    replace: 'where: { organizationId, environment }, data: { balance',
  },
  {
    title: '[${name}] what is read past Prisma is what is committed, is not kept past a change that is under way, and is nothing once the database is closed',
    find: 'case \'organization\': this.#organizations.delete(change.id); break',
    replace: 'case \'organization\': break',
  },
  {
    title: 'CL-03: a grant is an entry and an audit row, in one transaction [${name}]',
    find: `return await store.transaction(async tx => {
    requireVisibleOrganization(actor, await tx.organizations.get(organizationId), organizationId)
    const balance = await tx.credits.add(account, amount)`,
    replace: `return await (work => work(store))(async tx => {
    requireVisibleOrganization(actor, await tx.organizations.get(organizationId), organizationId)
    const balance = await tx.credits.add(account, amount)`,
  },
  {
    title: 'L1: the canaries were everywhere',
    find: `if (!(status >= 400 && status < 500)) return null
  if (status === 413)`,
    replace: `return null
  if (status === 413)`,
  },
  {
    title: 'an organization sees, exports and counts its own rows only [${name}]',
    find: 'const { organizationId: chain } = organizationFilter(operation, request.query.organization)',
    replace: 'const chain = request.query.organization',
  },
  {
    title: 'Y2: a registration token is prolonged by nobody who could not hand on what it grants',
    find: 'if (given.uses !== undefined || given.expiresAt !== undefined) { await requireGrantsHeld(',
    replace: 'if (given.uses !== undefined) { await requireGrantsHeld(',
  },
  {
    title: 'LB-17: a client without any grant gets a token for the host without scopes',
    find: 'return client.grants.length === 0 ? resource.id === hostResourceId : client.grants.some(',
    replace: 'return client.grants.length === 0 || client.grants.some(',
  },
  {
    title: 'T1: only POST gets a token, and what stands in a URL is not logged',
    find: 'return { method: request.method, path: loggedPath(request), remoteAddress',
    replace: 'return { method: request.method, path: request.url, remoteAddress',
  },
  {
    title: 'I1: introspection tells the owner and who serves the resource; everybody else hears active:false',
    find: 'facts.resource !== null && asker.introspects.includes(facts.resource.id)',
    replace: 'facts.resource !== null',
  },
  {
    title: 'CL-03: live and test credits are two accounts, and spending from one leaves the other [${name}]',
    find: 'where: { organizationId, environment, balance: { gte: amount } }, data: { balance',
    replace: 'where: { organizationId, balance: { gte: amount } }, data: { balance',
  },
  {
    title: 'a token is never printed, whatever is wrong with it',
    find: 'if (/^[\\x21-\\x7e]+$/.test(token)) return token',
    replace: 'if (token !== \'\') return token',
  },
  {
    title: 'Y1: bodies are drawn evenly from base62 and do not repeat',
    find: 'if (byte < 248 && text.length < length)',
    replace: 'if (text.length < length)',
  },
  {
    title: 'CD-06: the calls of the billing period are the calendar month\'s, UTC',
    find: 'from ?? dayOf(monthStart(to === undefined ? now : new Date(to)))',
    replace: 'from ?? dayOf(monthStart(now))',
  },
  {
    title: 'an organization makes, sees and changes its own policies only [${database}]',
    find: 'organization === \'deployment\' && operation.actor.organizationId === null ?',
    replace: 'organization === \'deployment\' ?',
  },
  {
    title: 'CL-13: no key appears in a log, an error body or the audit log',
    find: 'recordRefusal(dependencies, refused.refusal, recordedRequest(request, requirements, resource))',
    replace: 'recordRefusal(dependencies, { ...refused.refusal, subject: request.headers.authorization ?? null }, ' +
      'recordedRequest(request, requirements, resource))'
  },
  {
    title: 'an address that a stranger puts into a header is none that policies go by [${database}]',
    find: 'trustProxy: trustProxy.length > 0 && trustsProxies(trustProxy, onUnreadableAddress)',
    replace: 'trustProxy: true',
  },
  {
    title: 'W3: an organization manages its own keys and members; of others it is told what does not exist',
    find: 'if (creator === null || creator.organizationId !== key.organizationId || creator.removedAt',
    replace: 'if (creator === null || creator.removedAt',
  },
  {
    title: '[${name}] what is read past Prisma is what Prisma reads, in every column',
    find: 'signingKeys: { table: \'SigningKey\', rows: \'ORDER BY "createdAt", "kid"\' }',
    replace: 'signingKeys: { table: \'SigningKey\', rows: \'\' }',
  },
  {
    title: 'uncommitted rows are invisible outside the transaction',
    find: 'queryRaw: query => gate.whenOpen(() => adapter.queryRaw(query))',
    replace: 'queryRaw: async query => await adapter.queryRaw(query)',
  },
  {
    title: 'CD-09: it raises no member above its own, and makes none that is',
    find: '(keyOnly.has(pattern) || !held.some(other => coversPattern(other, pattern)))',
    replace: '!held.some(other => coversPattern(other, pattern))',
  },
  {
    title: 'N2: a server with an https issuer answers nothing over plain http, whatever is sent',
    find: 'isOperational(request) || isOverTls(requestOfPage() ?? request) ||',
    replace: 'isOperational(request) || isOverTls({ protocol: String(request.headers[\'x-forwarded-proto\'] ?? request.protocol) }) ||',
  },
  {
    title: 'what people see of a secret does not give it away',
    find: 'lastIndexOf(\'_\') + 1)}…${text.slice(-4)}`',
    replace: 'lastIndexOf(\'_\') + 1)}…${text.slice(-12)}`',
  },
  {
    title: 'an expiry lies in the future and exists; past it the key is expired',
    find: `if (expiresAt === null || expiresAt > now) return expiresAt
  throw new Failure('invalid_expiry'`,
    replace: `if (expiresAt === null || expiresAt >= now) return expiresAt
  throw new Failure('invalid_expiry'`,
  },
  {
    title: 'LB-24: a token is not minted from outside the allowlist, and only who proved itself hears why',
    find: 'if (!holdsSecret(record, digest, options.clock())) {',
    replace: `await requireWelcome(options.registry, record, contextOf().ip)
      if (!holdsSecret(record, digest, options.clock())) {`,
  },
  {
    title: 'a URL of another kind is refused without repeating it',
    find: '\'DATABASE_URL: neither file:… (SQLite) nor postgresql://…\'',
    replace: '`DATABASE_URL: ${url} is neither file:… (SQLite) nor postgresql://…`',
  },
  {
    title: 'W4: limits, cursors and filters are read strictly [${database}]',
    find: 'return `cursor of ${url.split(\'?\', 1)[0]}`',
    replace: 'return url === \'\' ? \'\' : \'cursor\'',
  },
  {
    title: 'dryRun changes nothing and tells who would gain or lose what [${database}]',
    find: 'return dryRun === true ? await rehearse(operation, plan, request.query) : await policyAnswer(',
    replace: 'return dryRun === \'true\' ? await rehearse(operation, plan, request.query) : await policyAnswer(',
  },
  {
    title:
      'introspection tells what policies leave; where they go by the address it takes client_address [${database}]',
    find: `address, now
  })
  return refusedBy === null ? describe`,
    replace: `address, now
  }, 'passes')
  return refusedBy === null ? describe`,
  },
  {
    title:
      'Y2: a member changes and removes nobody who may more, and raises nobody to a role above their own [${database}]',
    find: `await requireMemberHeld(tx, actor, before)
`,
    replace: '',
  },
  {
    title: 'OC-01: the document is OpenAPI 3.1, valid for an independent validator, and public',
    find: 'params[name] ?? { type: \'string\' }, true))',
    replace: 'params[name] ?? { type: \'string\' }, false))',
  },
  {
    title: 'T9: unknown, wrong, revoked and method-less look the same',
    find: 'if (record === null || !isActive(record)) return undefined',
    replace: `if (record === null) return undefined
    if (record.revokedAt !== null) throw refusal(401, 'invalid_client', 'The client was revoked.', 'revoked')`,
  },
  {
    title: 'LB-19, D3: protected-resource metadata for the host and for each path',
    find: 'if (resource === null || resource.revokedAt !== null) { throw new OAuthError(404',
    replace: 'if (resource === null) { throw new OAuthError(404',
  },
  {
    title:
      'LB-06: a key that reaches further or is restricted further is told so, a plain one reads what it always read',
    find: '...(organizations.length > 1 ? { organizations } : {}),',
    replace: 'organizations,',
  },
  {
    title:
      'CL-03: past the credits of a month it is 429, for a key and for all keys of its organization, until the next month',
    find: `await tx.credits.add(account, credits)
    return await refused(tx, 'quota_exceeded', spending)`,
    replace: 'return await refused(tx, \'quota_exceeded\', spending)',
  },
  {
    title: 'J3: who a token says it is for, its organization is looked up and not believed',
    find: `organizationId: client.organizationId,
    organizations: client.organizationId === null ?`,
    replace: `organizationId: claims.org_id ?? null,
    organizations: client.organizationId === null ?`,
  },
  {
    title: 'OC-17: drift that somebody made in the database is reported, and mended [postgresql]',
    find: `await Promise.all(replicas.map(replica => replica.reload()))
  return reports`,
    replace: 'return reports',
  },
  {
    title: '--example ${example} --once tells that API\'s main job, every step holds, and no secret is printed',
    find: `for (const secret of secretsOf(answer.body)) this.hide(secret)
`,
    replace: '',
  },
  {
    title:
      'K1: a new key is published before it signs, the old one until its last token is dead; no token is refused [${name}]',
    find: 'Math.max(await resources.longestTokenLifetime(), sessionLifetime) + publicationTime + leeway',
    replace: 'sessionLifetime + publicationTime + leeway',
  },
  {
    title: 'J1: an access token is one of RFC 9068, and no two share an id',
    find: `randomFillSync(random)
    used = 0`,
    replace: `if (random.every(byte => byte === 0)) randomFillSync(random)
    used = 0`,
  },
  {
    title: 'T15: a revoked client and a suspended organization stop at once [${name}]',
    find: `if (against !== null) return against
  return isFromAllowed(client, presentation)`,
    replace: 'return isFromAllowed(client, presentation)',
  },
  {
    title:
      'each record that a pass follows from is looked at on the next request, however often it passed before [${name}]',
    find: 'return state !== null && #state in subject && subject.#state === state ? subject.#facts : null',
    replace: 'return #state in subject ? subject.#facts : null',
  },
  {
    title: 'LB-24, N1: the address is the one that a trusted proxy tells, and nobody else',
    find: 'addressOf: ctx => addressOf(contextOf(ctx).request),',
    replace: 'addressOf: ctx => String(contextOf(ctx).request.headers[\'x-forwarded-for\'] ?? addressOf(contextOf(ctx).request)),',
  },
  {
    title: 'T15: of many changes of one client at once each is made, under a generation of its own [${name}]',
    find: 'const isReadCommitted = isolation === \'read committed\' && provider === \'postgresql\'',
    replace: 'const isReadCommitted = provider === \'postgresql\'',
  },
  {
    title: 'CK-11: a webhook\'s token reaches its one object in the name of its key [${database.name}]',
    find: 'objects: { ...principal!.objects, [type]: [id] } }',
    replace: 'objects: principal!.objects }',
  },
  {
    title: 'L1: no secret is in a row of the audit log',
    find: 'const auditDetail = { subject: record?.id ?? null, organizationId: record?.organizationId',
    replace: 'const auditDetail = { subject: record?.id ?? clientId, organizationId: record?.organizationId',
  },
  {
    title: '[postgresql] several servers that start at once apply each migration once',
    find: `await connection.executeScript('COMMIT')
      return appliedMigrationNames`,
    replace: `await connection.executeScript('COMMIT')
      return migrationsList.migrationDirectories.map(({ path }) => path)`,
  },
  {
    title: 'OC-07: a key does what its creator\'s groups may from the next request on, and no longer [${database}]',
    find: `await memberships.deleteMany({ where: { groupId, memberId } })
      note({ of: 'member', id: memberId })`,
    replace: 'await memberships.deleteMany({ where: { groupId, memberId } })',
  },
  {
    title: 'A3: dangerous redirect URIs are never stored',
    find: 'return loopbackHosts.has(url.hostname) ? null',
    replace: 'return [...loopbackHosts].some(host => url.hostname.startsWith(host)) ? null',
  },
  {
    title:
      'L2: rows that are older than the chains are closed off, and a change of them is found from then on [${name}]',
    find: 'return isOf(pinningTypes, row) && row.detail.digest === hash ?',
    replace: 'return isOf(pinningTypes, row) ?',
  },
  {
    title: 'D1: no header bends a document',
    find:
      'app.get(paths.openidConfiguration, { schema: descriptions.openidConfiguration }, (_request, reply) => document(reply))',
    replace:
      'app.get(paths.openidConfiguration, { schema: descriptions.openidConfiguration }, async (request, reply) => await reply.headers(open).send(serverMetadata({ ...options, issuer: `${request.protocol}://${request.host}` }, await scopes())))'
  },
  {
    title: 'tables are aligned and show a dash for what is missing',
    find: 'printable(String(cell ?? \'-\'))',
    replace: 'printable(String(cell ?? \'\'))',
  },
  {
    title: 'CK-07: while its project is suspended a key is partner_suspended',
    find: `case 'organization_suspended': return 'partner_suspended'
`,
    replace: '',
  },
  {
    title: 'CD-02: a key is generated with a descriptive name and shown once',
    find: 'pattern: \'^[ \\\\u00a0\\\\u1680',
    replace: 'pattern: \'^ *$|^[ \\\\u00a0\\\\u1680',
  },
  {
    title: 'Y2: nobody rotates or makes a key of the management API that may do more than they',
    find: `requireCredentialHeld(actor, resource, delegationOf(before, resource))
`,
    replace: '',
  },
  {
    title: 'registration tokens: create, change, revoke; the token is shown once',
    find: '[\'uses left\', token.usesLeft ?? \'unlimited\'],',
    replace: '[\'uses left\', token.usesLeft],',
  },
  {
    title:
      'while the database is away each kind of usage is tried once in an interval, and nothing is lost: it is there once, when the database is',
    find: 'scheduleIn(failed ? intervalMs : intervalMs / Math.min(',
    replace: 'scheduleIn(intervalMs / Math.min(',
  },
  {
    title: 'LB-12: changing a client\'s scopes ends its outstanding tokens at once; a fresh one has the new scopes',
    find: 'JSON.stringify({ organizationId, grants, allowlist, grantTypes })',
    replace: 'JSON.stringify({ organizationId, allowlist, grantTypes })',
  },
  {
    title: 'with policies in memory a check asks the database for nothing [sqlite]',
    find:
      'return this.#cached(this.#policies, organizationId ?? deployment, () => this.#source.policies(organizationId))',
    replace: 'return this.#source.policies(organizationId)'
  },
  {
    title: 'CL-12: the codes are invalid_api_key, expired_api_key, insufficient_permissions and organization_not_found',
    find: 'case \'expired\': case \'rotated\': return \'expired_api_key\'',
    replace: 'case \'rotated\': return \'expired_api_key\'',
  },
  {
    title: 'what is no window is told why',
    find: '/^([01]\\d|2[0-3]):[0-5]\\d$/',
    replace: '/^([01]\\d|2[0-4]):[0-5]\\d$/',
  },
  {
    title: 'N3: one key\'s limits do not touch another\'s [${name}]',
    find: 'return [{ holder: consumer.chainId, of: \'\', limits: consumer }',
    replace: 'return [{ holder: consumer.organizationId, of: \'\', limits: consumer }',
  },
  {
    title: 'policies: rehearsed, created, listed, changed, deleted; access says why',
    find: 'const subject = id ?? name ?? pattern',
    replace: 'const subject = pattern ?? id ?? name',
  },
  {
    title: 'CD-13: access tokens open the same routes, with the same answers',
    find: `if (value !== null) return several
    value = rawHeaders[i + 1]!`,
    replace: 'value ??= rawHeaders[i + 1]!',
  },
  {
    title: 'it is written durably, ahead in a log, and foreign keys hold',
    find: 'PRAGMA synchronous = FULL',
    replace: 'PRAGMA synchronous = NORMAL',
  },
  {
    title:
      'Y2: who may write clients changes neither from where a client works nor what it may, when it may do more than they',
    find: `if (isAboutAuthority) await requireGrantsDelegable(tx, operation.actor, before)
`,
    replace: '',
  },
  {
    title: 'Y2: a key with a few scopes and no member behind it is bound by them in the same way [${database}]',
    find: `await requireRoleHeld(tx, actor, member)
`,
    replace: '',
  },
  {
    title: 'for every set of policies: nothing is ever added, a further deny never gives, and order does not matter',
    find: '!open.some(policy => coversScope(policy, scope))',
    replace: '!coversScope(open[0]!, scope)',
  },
  {
    title: 'I2: the owner ends its token at once, nobody else does, and both hear 200',
    find: 'claims.client_id !== owner.id || isExpired(',
    replace: 'isExpired(',
  },
  {
    title: 'CD-05: renaming a key has no effect on its callers',
    find: 'const leavesCustom = given.access !== undefined && given.access !== \'custom\'',
    replace: 'const leavesCustom = given.access !== \'custom\'',
  },
  {
    title: 'J5: a token that passes lends its signature to no other text, and its text to no other signature [${name}]',
    find: 'if (known === undefined || known.token !== token) return verify(token)',
    replace: 'if (known === undefined) return verify(token)',
  },
  {
    title: 'CK-10: who signs an assertion with the signing key gets a session of the end user [${database.name}]',
    find: 'exp: iat + sessionLifetime,',
    replace: 'exp: iat + assertionLifetime,',
  },
  {
    title: 'LB-14: an API-key-only scope is never granted, even when it became one later',
    find: 'declared.find(scope => referenceOf(scope) === reference && !scope.keyOnly)',
    replace: 'declared.find(scope => referenceOf(scope) === reference)',
  },
  {
    title: 'CD-10: what is counted for very many keys is told at once, all of it',
    find: `if (unsent.size < manyKeys) schedule()
    else if (!isFull) broadcastNow()`,
    replace: 'ask()',
  },
  {
    title: 'data that no check reads is written without waiting for other servers: credits that are given back [postgresql]',
    find: 'changes.length === 0 && !recorded && isolation !== \'read committed\'',
    replace: 'changes.length === 0 && isolation !== \'read committed\'',
  },
  {
    title: 'CK-13: a key of another deployment is invalid_credentials, and log and audit say why',
    find: 'const foreignKey = notFound(\'foreign_deployment\', \'api_key\')',
    replace: 'const foreignKey = notFound(\'unknown\', \'api_key\')',
  },
  {
    title: 'the fast path and the provider answer a token request alike, for any client [${database.name}]',
    find: `if (deniedBy !== null) return null
  const scope = granted`,
    replace: 'const scope = granted',
  },
  {
    title:
      'L2: verification names a row that was edited into something that cannot be read, and an export goes on behind it',
    find: 'rows.push(row === null ? unreadable(id, chain, Number(sequence)) : readChained(row))',
    replace: 'if (row !== null) rows.push(readChained(row))',
  },
  {
    title: 'CD-10: past the quota of the month 429, with Retry-After and the RateLimit fields; in the new month calls pass again',
    find: 'return refuse(taken, \'quota_exceeded\', month.state.resetSeconds)',
    replace: 'return refuse(taken, \'quota_exceeded\', null)',
  },
  {
    title: 'what was good once and is used after its end is a reuse [${name}]',
    find: 'if (heldSecret(record, digest)) noteReuse(\'secret_rotated\')',
    replace: 'noteReuse(\'secret_rotated\')',
  },
  {
    title: 'Y4: what one server gave back another hands out, after a second [${name}]',
    find: 'if (block.emptyAt !== null && Math.abs(now.getTime() - block.emptyAt) < askAgain) { return',
    replace: 'if (block.emptyAt !== null) { return',
  },
  {
    title: 'Y4: a clock that steps back over the end of a month hands nothing out twice [${name}]',
    find: '=> `${month} ${quota} ${holder}`',
    replace: '=> `${quota} ${holder}`',
  },
  {
    title: 'N7, W3: an id with a NUL in it is the id of nothing [${name}]',
    find:
      'if (operation.startsWith(\'find\') && containsNul((args as { where?: unknown }).where)) ' +
      '{ return operation === \'findMany\' ? [] : null }',
    replace: '',
  },
  {
    title: '${id}: ${path} describes the authorization server, whatever Host and forwarded headers say',
    find: 'app.get(paths.serverMetadata, { schema: descriptions.serverMetadata }, (_request, reply) => document(reply))',
    replace: 'app.get(paths.serverMetadata, { schema: descriptions.serverMetadata }, async (request, reply) => await reply.headers(open).send(serverMetadata({ ...options, issuer: request.headers[\'x-forwarded-host\'] === undefined ? options.issuer : `https://${request.headers[\'x-forwarded-host\']}` }, await scopes())))',
  },
  {
    title: 'N3: what is no news of ours changes nothing, and servers that cannot be told stop nobody',
    find: 'typeof value[1] === \'string\' && Number.isSafeInteger(value[2])',
    replace: 'typeof value[1] === \'string\' && typeof value[2] === \'number\'',
  },
  {
    title: 'LB-01: a key in x-api-key authenticates every route that its scopes cover',
    find: '(each !== name && each.toLowerCase() !== name)) continue',
    replace: 'each !== name) continue',
  },
  {
    title:
      'L2: killed under load, nothing acknowledged is lost, nothing half done, and the next start needs no repair [${database}]',
    find: 'return await client.$transaction(recorded, options)',
    replace: 'return await recorded(client)',
  },
  {
    title: 'Y3, I2: what was revoked stays so when the house was kept by a clock that was hours ahead [${name}]',
    find: 'store.revokedTokens.prune(secondsAfter(now, -clockMargin)',
    replace: 'store.revokedTokens.prune(now',
  },
  {
    title: 'openid-client: registers itself by discovery and goes straight on to a token',
    find: `return await reply.code(201).send({
    ...await clientInformation`,
    replace: `return await reply.code(200).send({
    ...await clientInformation`,
  },
  {
    title: 'a deployment that is well has nothing to mend [${name}]',
    find: 'const closed = signingKeys.filter(key => unseal(key.sealedPrivateKey, secrets, key.kid) === null)',
    replace:
      'const closed = signingKeys.filter(key => unseal(key.sealedPrivateKey, secrets.slice(0, 1), key.kid) === null)'
  },
  {
    title: 'a first start on a full disk leaves nothing behind that keeps the next one from its secrets',
    find: `rmSync(file)
    throw error`,
    replace: 'throw error',
  },
  {
    title: 'CL-07: reading, writing and deleting are permissions of their own for each type of resource',
    find: '(patternType === \'*\' && patternAction === action)',
    replace: '(patternType === \'*\')',
  },
  {
    title: 'LB-24: a client\'s allowlist is enforced where its tokens are minted and where they are used',
    find: 'return isFromAllowed(client, presentation) ? null : \'address_not_allowed\'',
    replace: 'return null',
  },
  {
    title: 'keys: levels of access, objects, organizations, limits, rotation and import',
    find: 'organizations: flags.onlyOwnOrg ? [] : flags.alsoOrg,',
    replace: 'organizations: flags.alsoOrg,',
  },
  {
    title: 'P2: an assertion that was used stays so [${name}]',
    find: 'store.usedAssertions.prune(secondsAfter(now, -clockMargin)',
    replace: 'store.usedAssertions.prune(now',
  },
  {
    title: 'LB-02: an expired key is refused',
    find: 'if (key.expiresAt !== null && key.expiresAt <= now) return key.rotatedTo === null ? \'expired\'',
    replace: 'if (key.expiresAt !== null && key.expiresAt < now) return key.rotatedTo === null ? \'expired\'',
  },
  {
    title: 'a statement that is stuck behind a lock is given up',
    find: '/^(08|28|3D|53|57|58)[0-9A-Z]{3}$|',
    replace: '/^(08|28|3D|53|58)[0-9A-Z]{3}$|',
  },
  {
    title: 'an import that cannot be is refused: no digest, the key as its own hint, a key for the management API',
    find: 'if (digestOf(input.hint) === digest) { throw',
    replace: 'if (input.hint === \'\') { throw',
  },
  {
    title: 'a second signal ends at once',
    find: 'if (isShuttingDown) process.exit(128 + constants.signals[signal])',
    replace: 'if (isShuttingDown) return',
  },
  {
    title: '[sqlite] keys that were made elsewhere are read page by page',
    find: 'place !== null; await nextTurn())',
    replace: 'place !== null;)',
  },
  {
    title: 'nor do its sessions',
    find: ' ...(sessionFeature && { sessionFeature }) }',
    replace: ' }',
  },
  {
    title:
      'N9: an error that nothing catches is told and counted, ends nothing, and is in the exit code of the process',
    find: `    process.exitCode = 1
    if (performance.now() < loggedAt + logIntervalMs) return`,
    replace: '    if (performance.now() < loggedAt + logIntervalMs) return',
  },
  {
    title: 'a server does not start on a secret that another account owns or may write, and doctor names the owner',
    find: 'if (account !== undefined && !isOurs(fstatSync(descriptor))) throw',
    replace: 'if (account === -1) throw',
  },
  {
    title: 'what is answered names only what it has: who sends that back gives nothing anew',
    find: 'readsAsPattern(text) || declared.some(scope => referenceOf(scope) === text)',
    replace: 'each !== \'\' || declared.some(scope => referenceOf(scope) === each)',
  },
  {
    title: 'Y2, CD-09: what an operation hands on, its actor has',
    find: `  requireDelegable(
    actor, { id, scopes }, requireGrantable(names.filter(name => !defaultScopes.includes(name)), scopes, identifier)
  )
`,
    replace: '',
  },
  {
    title:
      'retention of ten times what one batch holds leaves nothing, in batches that let others have their turn [${name}]',
    find: 'while (!await pruneBatch(store, keys, chain, through)) await nextTurn()',
    replace: 'if (!await pruneBatch(store, keys, chain, through)) await nextTurn()',
  },
  {
    title: 'a body is a JSON object, or is left out where nothing in it is required [${name}]',
    find: 'done(body === null ? new Failure(\'invalid_request\', { message: \'The body must be a JSON object.\'',
    replace: 'done(body === \'\' ? new Failure(\'invalid_request\', { message: \'The body must be a JSON object.\'',
  },
  {
    title: 'L2: a change that cannot be recorded is not made, and says which chain and the way out [${name}]',
    find: 'case false: throw brokenChain(head.id, \'its head was altered\')',
    replace: 'case false: return',
  },
  {
    title: 'C7: of many who declare one URL at once, each in another spelling, one does [${name}]',
    find: `  }
  return url.href
}

/** URL standard §3.2`,
    replace: `  }
  return text
}

/** URL standard §3.2`,
  },
  {
    title: 'C7: metadata of a resource at this origin is found by every spelling of its path [${name}]',
    find: 'test(character) ? character : escape.toUpperCase()',
    replace: 'test(character) ? character : escape',
  },
  {
    title: 'the only server there ever was reports it too, if it cannot compare everything [postgresql]',
    find: 'if (before === null || remembersAll) return false',
    replace: 'if (before !== null || remembersAll) return false',
  },
  {
    title:
      'C2: a key that is revoked ends its tokens, and has a successor of its algorithm; keys of others go on [${name}]',
    find: 'signAtOnce(operation, (await publishNextKey(operation, secrets, before.algorithm)).kid)',
    replace: 'signAtOnce(operation, (await publishNextKey(operation, secrets, \'ES256\')).kid)',
  },
  {
    title: 'L2: a row that no chain has room for is not recovered from: it stays, and goes on being named [${name}]',
    find: 'if (fault.problem === \'unplaced\') { throw',
    replace: 'if (chain === \'\') { throw',
  },
  {
    title: 'a server whose data folder cannot be written serves all the same, and its log says what does not find it',
    find: `app.log.warn(
      \`LATCHKEY_DATA:`,
    replace: `app.log.debug(
      \`LATCHKEY_DATA:`,
  },
  {
    title: 'what is missing and what is mistyped for it are named together',
    find: 'throw new ConfigurationError([...problems, ...unknown])',
    replace: 'throw new ConfigurationError(problems)',
  },
  {
    title: 'LATCHKEY_ADMIN_TOKEN is good for the server of this data folder',
    find: 'token: adminToken ?? readOrExplain(tokenFile',
    replace: 'token: readOrExplain(tokenFile',
  },
  // The rules of people, whatever is drawn.
  {
    title: 'a session that ended on one server is refused by the other on the next request, 100 times of 100 [postgresql]',
    find: 'if (session.endedAt !== null || member === null ||',
    replace: 'if (member === null ||',
  },
  {
    title: '[${name}] sign-out ends the session, everywhere ends all of them, and both clear the browser',
    find: 'for (const memberId of new Set([own.memberId, ...others.map(each => each.memberId)])) {',
    replace: 'for (const memberId of new Set(others.map(each => each.memberId))) {',
  },
  {
    title: 'W2: a change by a session comes from a page of this server, whatever the type of its body',
    find: 'headers.origin === origin : site === \'same-origin\'',
    replace: 'headers.origin === origin : site !== \'cross-site\'',
  },
  {
    title: '[${name}] of 20 that come with one link at once, one signs in',
    find: 'where: { digest, usedAt: null, expiresAt: { gt: now } }, data: { usedAt: now }',
    replace: 'where: { digest, expiresAt: { gt: now } }, data: { usedAt: now }',
  },
  {
    title: '[${name}] the last way in stays; another is renamed and removed',
    find: 'requiresProvider !== true && (await tx.passkeys.ofMember(memberId)).length > 0) return',
    replace: 'requiresProvider !== true && (await tx.passkeys.ofMember(memberId)).length >= 0) return',
  },
  {
    title: 'a link is for members of organizations that the key provisioned, up to its ceiling',
    find: 'return expand(managed, scopes).some(name => !onAll.includes(name)) ||',
    replace: 'return expand(managed, []).some(name => !onAll.includes(name)) ||',
  },
  {
    title: 'an operator acts for the deployment, for changes within ten minutes of the sign-in',
    find: 'return !change || isFresh ? \'deployment\' : \'sign_in_again\'',
    replace: 'return !change || isFresh ? \'deployment\' : \'none\'',
  },
  {
    title: 'an operator acts for the deployment, for changes within ten minutes of the sign-in',
    find: 'return now < secondsAfter(signedInAt, freshSignIn) && signedInAt',
    replace: 'return now <= secondsAfter(signedInAt, freshSignIn) && signedInAt',
  },
  {
    title: 'PKCE: only a client that proves itself, was let to, and sends openid and nonce leaves it out',
    find: 'return pkceRequired || metadata.token_endpoint_auth_method === \'none\' || !params!.nonce ||',
    replace: 'return pkceRequired || metadata.token_endpoint_auth_method === \'none\' ||',
  },
  {
    title: 'id_token_hint of another person than the one who signs in is login_required, and no loop',
    find: '|| decodeJwt(hint).sub === session.accountId) return',
    replace: '|| decodeJwt(hint).sub !== undefined) return',
  },
  {
    title: 'prompt=none: what was allowed before answers without a page; everything else is an error',
    find: 'if (denied !== null || admission !== \'admitted\' || !isRemembered) return null',
    replace: 'if (denied !== null || admission !== \'admitted\') return null',
  },
  {
    title: 'claims by scope, to GET, POST and a form; sub is that of the ID token [${name}]',
    find: '...(scopes.includes(\'email\') && email !== null && { email })',
    replace: '...(email !== null && { email })',
  },
  {
    title: 'J6: an ID token, a token of an API and one of a machine are not for userinfo [${name}]',
    find: `  return {
    resource,
    address: addressOf(request),
    now: clock(),`,
    replace: `  return {
    resource: null,
    address: addressOf(request),
    now: clock(),`,
  },
  {
    title: '[${name}] W3: nobody else learns that the resource exists: the page is that of an unknown one',
    find: 'ctx => asksForUnusable(ctx) ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT',
    replace: '() => Check.NO_NEED_TO_PROMPT',
  },
  {
    title: '[${name}] an API that is not open to a person: prompt=login asks first, prompt=none for nothing',
    find: 'Check.NO_NEED_TO_PROMPT )), 1)',
    replace: 'Check.NO_NEED_TO_PROMPT )), 0)',
  },
  {
    title: '[${name}] an API that is not open to a person: they go back with invalid_target, and allow nothing',
    find: 'if (interaction.asks === \'resource\') return { denied: unusableResource, error: \'invalid_target\' }',
    replace: '',
  },
  {
    title: 'RFC 6749 §5.1: scope names all that was granted, beside those of the API those of OpenID Connect',
    find: 'new Set([scope, grant!.getOIDCScopeFiltered(asked)].flatMap',
    replace: 'new Set([scope].flatMap',
  },
  {
    title: 'of a client that is revoked, or deletes itself, nothing is listed as allowed [${name}]',
    find: 'await tx.authorizations.endAll(set, now, \'client-revoked\')',
    replace: '',
  },
  {
    title: 'of a client that is revoked, or deletes itself, nothing is listed as allowed [${name}]',
    find: 'await tx.consents.removeAll(set)',
    replace: '',
  },
  {
    title: 'a client that it was given keeps nothing of the walk either',
    find: 'findings.push(...await request.end())',
    replace: 'findings.push()',
  },
  {
    title: 'a client that ${what}: before a sign-in a page shows each error, and a link alone leads on',
    find: 'if (isToBeHeld(ctx)) holdBack(people, ctx)',
    replace: '',
  },
  {
    title: 'a client that ${what}: a silent request, a signed-in person and a program get the error at once',
    find: 'return !isAsked && session?.accountId === undefined && params',
    replace: 'return !isAsked && params',
  },
  {
    title: 'a client that ${what}: a silent request, a signed-in person and a program get the error at once',
    find: 'params?.prompt !== \'none\' && !isVouchedFor',
    replace: '!isVouchedFor',
  },
  {
    title: 'a client that is vouched for, by an operator or by its organization, gets its errors at once',
    find: 'return !isUnverified(client) || client.organizationId !== null',
    replace: 'return !isUnverified(client)',
  },
  {
    title: 'who goes on signs in as ever: without an error nothing is shown in between',
    find: 'return !isAsked && session',
    replace: 'return session',
  },
  {
    title: 'N4: a page of another origin may read answers to a public client, and no others',
    find: 'if (!browserPaths.includes(ctx.path) || ctx.headers.authorization !== undefined) return false',
    replace: 'if (ctx.headers.authorization !== undefined) return false',
  },
  {
    title: 'the sign-in page names no client whose end is ${end}',
    find: 'return client !== null && isActive(client) ? client : null',
    replace: 'return client',
  },
  {
    title: 'A9: a description or a name of an API that changed since the page was shown is shown, and nothing allowed',
    find: 'resource.id, resource.revision, scopes,',
    replace: 'resource.id, scopes,',
  },
  {
    title: 'OC-19: an organization sends two large archives at once, others publish beside it, and a cut one makes room',
    find: 'if ((held.get(owner) ?? 0) + bytes > most.ofOrganization) {',
    replace: 'if (bytes > most.ofOrganization) {',
  },
  {
    title: 'OC-19: a server takes a bounded number of archives from any number of organizations',
    find: 'if (total + bytes > most.ofServer) throw',
    replace: 'if (bytes > most.ofServer) throw',
  },
  {
    title: 'OC-19: archives that unpack to 48 MiB are unpacked one at a time, also when their senders are gone',
    find: 'const done = last.then(work)',
    replace: 'const done = Promise.resolve().then(work)',
  },
  {
    title: 'OC-19: the pages of a registry are one list; a page that fails or a cursor that loops leaves the former one [${database}]',
    find: 'if (followed.has(cursor)) return failed(',
    replace: 'if (cursor === \'\') return failed(',
  },
  {
    title: 'OC-19: headers follow to no other host, and what was fetched with others is forgotten [${database}]',
    find: 'if (given.headers === undefined && before.sealedHeaders !== null) requireSameOrigin(before.url, url)',
    replace: '',
  },
  {
    title: 'OC-19: a row that was changed in the database is neither signed nor handed out [${database}]',
    find: 'if (readMarked(bundle.seal, secrets, purposeOf(bundle)) === bundle.digest) return',
    replace: 'if (bundle.seal.startsWith(bundle.digest)) return',
  },
  {
    title: 'signing keys come oldest first',
    find: 'where: { kid, sealedPrivateKey: from }',
    replace: 'where: { kid }',
  },
  {
    title: 'OC-10: of 200 calls, 40 at once, exactly those that the budget pays for are reserved',
    find: 'WHERE "SpendTotal"."spent" + "SpendTotal"."reserved" <= ${BigInt(limit - amount)}',
    replace: 'WHERE "SpendTotal"."spent" <= ${BigInt(limit - amount)}',
  },
  {
    title: 'a reservation is taken from every budget that the call counts in, or from none',
    find: 'if (!await tx.spendTotals.reserve(total, reservation.estimate, limit)) throw new Exceeded(total)',
    replace: 'if (!await tx.spendTotals.reserve(total, reservation.estimate, limit)) return',
  },
  {
    title: 'two servers that charge what was not settled charge it once, and a settlement among them counts [postgresql]',
    find: 'where: { id, status: from }, data: ending',
    replace: 'where: { id }, data: ending',
  },
  {
    title: 'a settlement wins over a release, and both at once leave no doubt',
    find: 'if (before.status === \'settled\') return requireSame(before, amount)',
    replace: 'if (before.status !== \'open\') return requireSame(before, amount)',
  },
  {
    title: 'another client\'s reservation is not found, as one that does not exist',
    find: 'if (found !== null && found.clientId === clientId) return found',
    replace: 'if (found !== null) return found',
  },
  {
    title: 'amounts are whole micro-dollars, and an implausible one has to be meant',
    find: 'if (amount <= plausibleMultiple * estimate) return',
    replace: 'if (amount <= plausibleMultiple * plausibleMultiple * estimate) return',
  },
  {
    title: 'a call counts in the day of its reservation, whenever it is settled',
    find: 'holders.flatMap(holder => [day, day.slice(0, 7)]',
    replace: 'holders.flatMap(holder => [day.slice(0, 7), day.slice(0, 7)]',
  },
  {
    title: 'only a client of the deployment with the scope is a gateway',
    find: 'if (client.organizationId === null && await holds(registry, client, scope)) return client',
    replace: 'if (await holds(registry, client, scope)) return client',
  },
  {
    title: 'a lease is for gateways with its scope alone, audited each time, and not kept by caches',
    find: 'expand(granted!.scopes, resource.scopes).includes(scope)',
    replace: 'expand(granted!.scopes, resource.scopes).length > 0',
  },
  {
    title: 'OC-09: the store has the text sealed',
    find: 'sealedKey: seal(text, secrets[0]!, id, providerKeySealing), fingerprint',
    replace: 'sealedKey: seal(text, secrets[0]!, id), fingerprint',
  },
  {
    title: 'a reference stands for one call: the same again gets its reservation, another is refused',
    find: 'const isSame = first?.fingerprint === fingerprint',
    replace: 'const isSame = first?.clientId === clientId',
  },
  {
    title: 'a reference whose call has ended reserves nothing: it is no way past a budget',
    find: 'if (first === null || (isSame && first.status === \'open\')) return first',
    replace: 'if (first === null || isSame) return first',
  },
  {
    title: 'LK-10: the token is judged by the key as it is at each use [${name}]',
    find: 'const against = reasonAgainstKey(keyFacts, presentation)',
    replace: 'const against = null',
  },
  {
    title: 'LK-10, LB-14, LB-23: a token never has a key-only scope, and is no key [${name}]',
    find: 'const offered = withoutKeyOnly(held, facts.resource!.scopes)',
    replace: 'const offered = held',
  },
  {
    title: 'LK-10: more than the key has is refused with the standard error [${name}]',
    find: 'const beyond = wanted.filter(scope => !offered.includes(scope))',
    replace: 'const beyond = wanted.slice(0, 0)',
  },
  {
    title: 'LK-10: a request is read in one way only [${name}]',
    find: 'if (before !== undefined && !repeatable.has(name)) throw invalid(',
    replace: 'if (false) throw invalid(',
  },
  {
    title: 'LK-10: each grant of others finds its body unread, however it was sent [${name}]',
    find: 'if (answered === null) raw.unshift(body)\n  else raw.resume()',
    replace: 'raw.resume()',
  },
  {
    title: 'LK-10: a token and its key draw on the same calls and credits [${name}]',
    find: 'return facts.kind === \'webhook_token\' || facts.kind === \'key_token\' ? facts.keyFacts : null',
    replace: 'return facts.kind === \'webhook_token\' ? facts.keyFacts : null',
  },
  {
    title: 'LK-10: wrong keys are slowed down by their address, as wrong secrets are [${name}]',
    find: 'addressFailures.count(block)',
    replace: 'void block',
  },
  {
    title: 'LK-10: policies about keys and about tokens both bind the token of a key at a guard [postgresql]',
    find: 'return kind === \'key_token\' ? [\'api_key\', \'access_token\'] : [kind]',
    replace: 'return kind === \'key_token\' ? [\'access_token\'] : [kind]',
  },
  {
    title: 'LK-10: the token of a key ends everywhere at once when ${what} [postgresql]',
    find: 'return [`token:${facts.claims.jti}`, signingKeys, ...dependenciesOfKey(facts.keyFacts!, keySubject)]',
    replace: 'return [`token:${facts.claims.jti}`, signingKeys]',
  },
  {
    title: 'LK-10: a key and its tokens share a minute at a guard, and its calls count for the key [postgresql]',
    find: 'authorization: { id, chainId, organizationId, environment, callsPerMinute, callsPerMonth, creditsPerMonth },',
    replace: 'authorization: { id, chainId: id + 1, organizationId, environment, callsPerMinute, callsPerMonth, creditsPerMonth },',
  },
  {
    title: 'RFC 8693: a client exchanges its token for one with less, for the same audience [${name}]',
    find: ': [new Date(facts.claims.exp * 1000)]',
    replace: ': []',
  },
  {
    title: 'RFC 8693: more, another audience, and what is not its own is refused [${name}]',
    find: 'if (claims.sub_kind !== undefined || claims.client_id !== client.id) {',
    replace: 'if (claims.sub_kind !== undefined) {',
  },
  {
    title: 'RFC 8693: the new token ends with its parent, with its client, and by itself [${name}]',
    find: 'parent !== undefined && registry.isTokenRevoked(parent.jti),',
    replace: 'false,',
  },
  {
    title: 'RFC 8693: the token of a token ends everywhere at once when its parent is revoked [postgresql]',
    find: '...(parent === undefined ? [] : [`token:${parent.jti}`]),',
    replace: '',
  },
  {
    title: 'RFC 8693, OC-02: the token by which a client acts for a person is narrowed, and ends with what they allowed [${name}]',
    find: 'if (this.clientAuthMethod !== \'none\') return true',
    replace: 'return true',
  },
  {
    title: 'LK-10: what a token makes on the management API does not outlive it [${name}]',
    find: 'kind === \'access_token\' && !isExchanged ? null : expiresAt',
    replace: 'kind === \'access_token\' ? null : expiresAt',
  },
  {
    title: 'an organization answers for its own audience alone',
    find: 'return client?.organizationId === organizationId ? [own, ...plain, ...audiences] : [own]',
    replace: 'return [own, ...plain, ...audiences]',
  },
  {
    title: 'the plain issuer, with a final slash or the token endpoint belongs to the deployment',
    find: 'const only = Array.isArray(aud) && aud.length === 1 ? aud[0] as unknown : aud',
    replace: 'const only = Array.isArray(aud) ? aud[0] as unknown : aud',
  },
  {
    title: 'more than one rule that is met is refused, and audited with their ids',
    find: 'if (first !== undefined && others.length === 0) {',
    replace: 'if (first !== undefined) {',
  },
  {
    title: 'a value is the whole text, or a beginning up to a separator and one segment',
    find: 'return crossed === undefined ? null :',
    replace: 'return true ? null :',
  },
  {
    title: '20 unknown kids cost one fetch in a cooldown; a rotated key is found after it',
    find: '(entry.asking !== null || now - entry.triedAt >= fetchCooldown)',
    replace: 'true',
  },
  {
    title: 'each ID-JAG is taken once',
    find: 'if (!isFirst) throw new NoToken(',
    replace: 'if (false) throw new NoToken(',
  },
  {
    title: 'client_id, aud, resource and the issuer are those of the request',
    find: 'if (clientId !== client.id) throw new NoToken(',
    replace: 'if (false) throw new NoToken(',
  },
]
