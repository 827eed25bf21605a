/**
 * The publication of a version of a skill: a form with a file (RFC 7578). Its body is read for a signed-in person
 * alone, and counts in the archives that the server holds at once.
 */
import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { Failure } from '../../base/errors.ts'
import { newSecret } from '../../secrets/random.ts'
import { withQuery, type ApiRefusal } from '../api.ts'
import { organizationField, organizationIn } from '../choice.ts'
import { textField } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { attemptField } from '../shown-once.ts'
import { formAt, screenAt, senderOf, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'

const path = `${dashboardPath}/skills`
const formPath = `${path}/publish`

/** Bytes that are read of a form. The API says of an archive that is too large what it takes. */
const longestForm = 20 * 1024 * 1024

export function publicationScreens (app: Dashboard): void {
  screenAt(app, '/skills/publish', async visit => await publicationScreen(visit, null))
  // A context of its own: no other form has files.
  app.register(async context => {
    context.addContentTypeParser('multipart/form-data', { parseAs: 'buffer', bodyLimit: longestForm }, readForm)
    context.addHook('preParsing', async (request, reply) => {
      const sender = await senderOf(app, request, reply)
      if (sender === null) return
      const bytes = Number(request.headers['content-length'] ?? longestForm)
      // Apart from those that the API holds of the organization: each archive is held by both.
      app.archives.hold(`forms of ${sender.member.organization}`, reply, Math.min(bytes, longestForm))
    })
    formAt(context as Dashboard, '/skills/publish', publish, publicationScreen)
  })
}

/** Read by Node.js itself (`Response.formData`). A field or file that is sent twice counts as not sent. */
async function readForm ({ headers }: FastifyRequest, bytes: Buffer): Promise<Readonly<Record<string, unknown>>> {
  const type = headers['content-type']!
  const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } }).formData()
    .catch(() => { throw new Failure('invalid_request', { message: 'The form cannot be read; send it again.' }) })
  const members = [...new Set(form.keys())].map(async name => {
    const [value, ...others] = form.getAll(name)
    const read = value instanceof File ? Buffer.from(await value.arrayBuffer()) : value
    return [name, others.length === 0 ? read : null] as const
  })
  return Object.fromEntries(await Promise.all(members))
}

async function publicationScreen (visit: Visit | Submission, refusal: ApiRefusal | null): Promise<Screen> {
  const field = 'field' in visit ? visit.field : () => ''
  return {
    title: 'Publish a skill',
    path: [{ name: 'Skills', href: path }],
    place: path,
    lead: 'A version is published once, with its digest and a signature, and never overwritten.',
    content: html`<form class="panel" method="post" action="${formPath}" enctype="multipart/form-data">
!${refusal === null ? '' : html`<p class="alert" role="alert">${refusal.message}</p>`}
!${attemptField(refusal === null ? newSecret() : field('attempt'))}
!${await organizationField(visit, field('organization'))}
<div class="field"><label for="archive">Archive</label>
<p class="hint" id="archive-hint">A zip or tar file with SKILL.md at its top. Its front matter has the name.</p>
<input type="file" id="archive" name="archive" required accept=".zip,.tar,.gz,.tgz"
 aria-describedby="archive-hint"></div>
!${textField({
  name: 'version', label: 'Version', value: field('version'), required: true, hint: 'As SemVer has it: 1.0.0.'
})}
<p class="actions"><button type="submit" class="primary">Publish version</button>
<a class="button" href="${path}">Cancel</a></p></form>`
  }
}

async function publish (submission: Submission): Promise<Outcome> {
  const { api, field, file } = submission
  const asked = { organization: await organizationIn(submission), version: field('version').trim() }
  const { id } = await api.change<{ id: string }>('POST', withQuery('/skills', asked), {
    idempotencyKey: field('attempt'), bytes: file('archive') ?? Buffer.alloc(0)
  })
  return { to: `${path}/${id}` }
}
