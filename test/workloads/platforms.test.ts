/**
 * Tokens of GitHub, GitLab, Google, AWS and Azure with the claims of their public documentation, signed by a local key
 * and found by discovery: the rule that docs/workloads names as safe takes them, and refuses the usual attacks.
 */
import tap from 'tap'
import { startDocumentHost } from '../support/document-host.ts'
import { startServer, type Json } from '../support/test-server.ts'
import { make, newPlatform, platformKey, trade } from '../support/workload-platform.ts'

interface Case {
  preset: string
  /** Absent: that of the preset. */
  issuer?: string
  algorithm?: string
  /** The claims of the platform's documentation, without those of time, `iss`, `aud` and `jti`. */
  claims: Json
  /** Whether its tokens have a `jti`. */
  hasJti: boolean
  /** An `aud` that the platform chooses. Absent: the organization's. */
  audience?: string
  /** What a rule names. */
  rule: Record<string, string>
  /** Claims of tokens that the platform gives to others, or for other runs. */
  attacks: Record<string, Json>
}

/** https://docs.github.com/en/actions/reference/security/oidc */
const github: Json = {
  sub: 'repo:octo-org/octo-repo:ref:refs/heads/main',
  ref: 'refs/heads/main',
  sha: 'ec7e9a5d2a7d0d6a2bb2d8d3a9be4ba0ba4c6bda',
  repository: 'octo-org/octo-repo',
  repository_owner: 'octo-org',
  actor_id: '12',
  repository_visibility: 'private',
  repository_id: '74',
  repository_owner_id: '65',
  run_id: '1',
  run_number: '10',
  run_attempt: '2',
  runner_environment: 'github-hosted',
  actor: 'octocat',
  workflow: 'deploy',
  head_ref: '',
  base_ref: '',
  event_name: 'push',
  ref_type: 'branch',
  job_workflow_ref: 'octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main'
}
/** https://docs.gitlab.com/ci/secrets/id_token_authentication/ */
const gitlab: Json = {
  namespace_id: '72',
  namespace_path: 'my-group',
  project_id: '20',
  project_path: 'my-group/my-project',
  user_id: '1',
  user_login: 'sample-user',
  user_email: 'sample-user@example.com',
  user_identities: [{ provider: 'github', extern_uid: '2435223452345' }],
  pipeline_id: '574',
  pipeline_source: 'push',
  job_id: '302',
  ref: 'main',
  ref_type: 'branch',
  ref_path: 'refs/heads/main',
  ref_protected: 'true',
  groups_direct: ['mygroup/mysubgroup'],
  environment: 'production',
  environment_protected: 'true',
  deployment_tier: 'production',
  environment_action: 'start',
  runner_id: 1,
  runner_environment: 'self-hosted',
  sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
  project_visibility: 'public',
  ci_config_ref_uri: 'gitlab.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main',
  ci_config_sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
  sub: 'project_path:my-group/my-project:ref_type:branch:ref:main'
}
/** https://cloud.google.com/compute/docs/instances/verifying-instance-identity */
const google: Json = {
  sub: '107517467455664443765',
  azp: '107517467455664443765',
  email: 'billing@my-project.iam.gserviceaccount.com',
  email_verified: true,
  google: {
    compute_engine: {
      instance_creation_timestamp: 1482176289,
      instance_id: '152986662232938449',
      instance_name: 'example',
      project_id: 'my-project',
      project_number: 739419398126,
      zone: 'us-west1-a'
    }
  }
}
/** https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html */
const sts = 'https://sts.amazonaws.com/'
const aws: Json = {
  sub: 'arn:aws:iam::123456789012:role/DataProcessingRole',
  [sts]: {
    aws_account: '123456789012',
    source_region: 'us-east-1',
    org_id: 'o-abc1234567',
    ou_path: 'o-abc1234567/r-ab12/ou-ab12-11111111/',
    principal_tags: { environment: 'production' },
    request_tags: { 'job-id': '4711' }
  }
}
/** https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference */
const azure: Json = {
  aio: 'E2ZgYGjnuFglnX7mtjCl',
  azp: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
  azpacr: '2',
  idtyp: 'app',
  nbf: undefined,
  oid: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
  rh: '0.AAAAL3G6WOk3',
  sub: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
  tid: '72f988bf-86f1-41af-91ab-2d7cd011db47',
  uti: 'bTe5Wp1e6kCuHfXTFwAA',
  ver: '2.0'
}

const cases: readonly Case[] = [
  {
    preset: 'github-actions',
    claims: github,
    hasJti: true,
    rule: { '/repository_id': '74', '/ref': 'refs/heads/main', '/event_name': 'push' },
    attacks: {
      'another repository of the owner': {
        repository: 'octo-org/other', repository_id: '75', sub: 'repo:octo-org/other:ref:refs/heads/main'
      },
      'a repository that was given the same name': { repository_id: '9001', repository_owner_id: '9002' },
      'another branch': { ref: 'refs/heads/feature', sub: 'repo:octo-org/octo-repo:ref:refs/heads/feature' },
      'a branch whose name begins so': { ref: 'refs/heads/main-2' },
      'a tag of the name': { ref: 'refs/tags/main', ref_type: 'tag' },
      'a pull request': {
        event_name: 'pull_request',
        ref: 'refs/pull/7/merge',
        head_ref: 'patch',
        base_ref: 'main',
        sub: 'repo:octo-org/octo-repo:pull_request'
      },
      'a pull request with the ref of its base': { event_name: 'pull_request_target', head_ref: 'p', base_ref: 'main' },
    },
  },
  {
    preset: 'gitlab',
    claims: gitlab,
    hasJti: true,
    rule: { '/project_id': '20', '/ref': 'main', '/ref_type': 'branch', '/ref_protected': 'true' },
    attacks: {
      'another project whose number begins so': { project_id: '201', project_path: 'my-group/my-project-2' },
      'a project that was given the path': { project_id: '9001', namespace_id: '9002' },
      'another branch': { ref: 'feature-branch-1', ref_path: 'refs/heads/feature-branch-1' },
      'the branch, unprotected': { ref_protected: 'false' },
      'a tag of the name': { ref_type: 'tag', ref_path: 'refs/tags/main' },
      'a merge request of a fork': { project_id: '21', pipeline_source: 'merge_request_event', ref_protected: 'false' },
    },
  },
  {
    preset: 'google',
    claims: google,
    hasJti: false,
    rule: { '/sub': '107517467455664443765', '/google/compute_engine/project_number': '739419398126' },
    attacks: {
      'another service account': { sub: '107517467455664443766', azp: '107517467455664443766' },
      'an account that was given the e-mail address': { sub: '900000000000000000001' },
      'another project': {
        google: { compute_engine: { ...google.google.compute_engine, project_number: 7394193981260 } }
      },
      'a person who signs in': { google: undefined },
    },
  },
  {
    preset: 'aws',
    issuer: 'https://0a1b2c3d-4e5f-6789-abcd-ef0123456789.tokens.sts.global.api.aws',
    algorithm: 'ES384',
    claims: aws,
    hasJti: true,
    rule: { '/sub': aws.sub, '/https:~1~1sts.amazonaws.com~1/aws_account': '123456789012' },
    attacks: {
      'another account with a role of the name': {
        sub: 'arn:aws:iam::123456789013:role/DataProcessingRole', [sts]: { ...aws[sts], aws_account: '123456789013' }
      },
      'another role': { sub: 'arn:aws:iam::123456789012:role/DataProcessingRole2' },
      'the account in a tag of the request': {
        [sts]: { ...aws[sts], aws_account: '999999999999', request_tags: { aws_account: '123456789012' } }
      },
    },
  },
  {
    preset: 'azure',
    issuer: 'https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0',
    claims: azure,
    hasJti: false,
    audience: '0c6f9e7a-9f0b-4c3a-8f5a-2b1d3e4f5a6b',
    rule: { '/oid': azure.oid, '/tid': azure.tid },
    attacks: {
      'another identity of the tenant': { oid: '11111111-ff1a-4d56-abd1-7e4f7d38e474', sub: 'another' },
      'another tenant': { tid: '99999999-86f1-41af-91ab-2d7cd011db47' },
    },
  },
]

const host = await startDocumentHost(tap)
const server = await startServer({ network: host.network })
tap.teardown(() => server.close())

/** An organization that trusts the platform by its preset alone, and gives a client by the rule. */
async function trusting ({ preset, issuer, audience, rule }: Case) {
  const client = await server.createClient()
  const trust = await make(server, '/trusted-issuers', {
    organization: client.organization,
    name: preset,
    preset,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audiences: [audience] })
  })
  await make(server, '/workload-rules', {
    issuer: trust.id,
    name: 'deploy',
    claims: Object.entries(rule).map(([claim, value]) => ({ claim, value })),
    client: client.clientId,
    resource: server.issuer,
    scopes: ['invoices:read']
  })
  return { client, trust }
}

for (const platform of cases) {
  const { preset, claims, hasJti, audience, algorithm = 'RS256', attacks } = platform
  tap.test(`OC-18: a token as ${preset} documents it meets the safe rule, and the usual attacks do not`, async t => {
    const { client, trust } = await trusting(platform)
    const { token, jwks } = await newPlatform(trust.issuer, { key: await platformKey('documented', algorithm) })
    host.serves(`${trust.issuer}/.well-known/openid-configuration`, {
      issuer: trust.issuer, jwks_uri: 'https://keys.platform.test/jwks'
    })
    host.serves('https://keys.platform.test/jwks', jwks)
    const asked = async (more: Json = {}) => await trade(server, await token({
      ...claims, aud: audience ?? trust.audience, ...(hasJti ? {} : { jti: undefined }), ...more
    }, { typ: 'JWT' }), audience === undefined ? {} : { client_id: client.clientId })
    const { status, json } = await asked()
    t.strictSame([status, json.scope], [200, 'invoices:read'], json.error_description)
    t.equal((await server.bearer(json.access_token)).status, 200)
    for (const [what, attack] of Object.entries(attacks)) {
      const refused = await asked(attack)
      t.strictSame([refused.status, refused.json.error], [400, 'invalid_grant'], what)
    }
    t.equal((await asked({ aud: 'https://elsewhere.test' })).status, 400, 'a token for another service')
    t.equal((await asked({ iss: `${trust.issuer}.attacker.test` })).status, 400, 'another issuer')
    const stranger = await newPlatform(trust.issuer, { key: await platformKey('documented', algorithm) })
    const forged = await stranger.token({ ...claims, aud: audience ?? trust.audience }, { typ: 'JWT' })
    t.equal((await trade(server, forged, audience === undefined ? {} : { client_id: client.clientId })).status, 400)
  })
}
