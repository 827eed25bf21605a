/** The document that every page is: its head, its card, and its headers. Templates escape by default. */
import type { FastifyReply } from 'fastify'
import { html } from 'ghtml'
import { assetsPath, textFontUrl } from './assets.ts'

/** Scripts, styles, images and requests of this host only, none inline. */
const policy = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "font-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'"
].join('; ')

/** Browsers apply `form-action` to every redirect after a form, and so to those of a client (CSP 3 §6.3.1). */
const policyOfLeading = policy.replace(" form-action 'self';", '')

/** The headers of every page, beside those of every answer (server/http-server.ts). */
export const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': policy,
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
  // The same address answers signed-in people and others.
  vary: 'cookie'
} as const

export interface Page {
  title: string
  /** Markup, made by `html`. */
  body: string
  /** Names of scripts among the files of pages. */
  scripts?: readonly string[]
  /** Names of style sheets among the files of pages, beside the common one. */
  styles?: readonly string[]
  /** Whether its form ends at a client. Absent: no. */
  leadsAway?: boolean
  /** The path that the page leads to by itself; absent: it stays. */
  next?: string
  /** The markup of `<body>` around the page; absent: a card, alone. */
  around?: (content: string) => string
}

/** Sends a page with its headers. */
export function sendPage (reply: FastifyReply, page: Page, status = 200): FastifyReply {
  const headers = page.leadsAway === true
    ? { ...pageHeaders, 'content-security-policy': policyOfLeading }
    : pageHeaders
  return reply.code(status).headers(headers).send(documentOf(page))
}

/** The whole document of a page. */
export function documentOf ({ title, body, scripts = [], styles = [], next, around = alone }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
!${next === undefined
? ''
: html`<meta http-equiv="refresh" content="0;url=${next}">`}
<title>${title} · Latchkey</title>
<link rel="icon" href="${assetsPath}/mark.svg" type="image/svg+xml">
<link rel="preload" href="${textFontUrl}" as="font" type="font/woff2" crossorigin>
!${['pages.css', ...styles].map(name => html`<link rel="stylesheet" href="${assetsPath}/${name}">
`)}!${scripts.map(name => html`<script src="${assetsPath}/${name}" defer></script>`)}</head>
!${around(body)}
</html>
`
}

/** Where the dashboard is served. */
export const dashboardPath = '/dashboard'

/** The name of the product and its mark. */
export const mark = html`<img src="${assetsPath}/mark.svg" alt="" width="24" height="24"> Latchkey`

function alone (content: string): string {
  return html`<body class="alone">
<a class="skip" href="#content">Skip to content</a>
<header class="mark">!${mark}</header>
<main id="content" class="card" tabindex="-1">
!${content}
</main>
</body>`
}
