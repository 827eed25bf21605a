/** A provider of models on loopback, in the manner of OpenAI's API: it answers as the text of the question says. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Json } from '../../support/test-server.ts'

/** What a call costs that answers with these tokens, by the prices of `config`: micro-dollars. */
export const costOfCall = 2_000

export interface Upstream {
  url: string
  /** The credentials of its calls, in their order. */
  keys: string[]
  /** Streams whose caller went away. */
  abandoned: number
  close (): Promise<void>
}

export async function startUpstream (): Promise<Upstream> {
  const failed = new Set<string>()
  const upstream: Upstream = {
    url: '',
    keys: [],
    abandoned: 0,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }
  const server = createServer((request, response) => {
    answer(upstream, failed, request, response).catch(() => { response.destroy() })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  upstream.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return upstream
}

async function answer (
  upstream: Upstream, failed: Set<string>, request: IncomingMessage, response: ServerResponse
): Promise<void> {
  const body = JSON.parse(await textOf(request)) as Json
  const said: string = body.messages[0].content
  upstream.keys.push(String(request.headers.authorization).replace('Bearer ', ''))
  if (said.startsWith('fail always') || (said.startsWith('fail once') && failed.size === failed.add(said).size - 1)) {
    response.writeHead(500, { 'content-type': 'application/json' }).end('{"error":{"message":"broken"}}')
    return
  }
  if (said.startsWith('hang')) await pause(60_000, undefined, { ref: false })
  if (body.stream === true) return await stream(upstream, said, response)
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4o-mini',
    choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'yes' } }],
    usage
  }))
}

const usage = { prompt_tokens: 9, completion_tokens: 100, total_tokens: 109 }

async function stream (upstream: Upstream, said: string, response: ServerResponse): Promise<void> {
  response.on('close', () => { if (!response.writableFinished) upstream.abandoned++ })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const send = (members: Json) => response.write(`data: ${JSON.stringify({
    id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o-mini', ...members
  })}\n\n`)
  for (let i = 0; i < 10; i++) {
    send({ choices: [{ index: 0, delta: { role: 'assistant', content: 'yes ' }, finish_reason: null }] })
    if (said.startsWith('slowly')) await pause(300)
    if (response.destroyed) return
  }
  send({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
  send({ choices: [], usage })
  response.end('data: [DONE]\n\n')
}

async function textOf (request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request) text += String(part)
  return text
}
