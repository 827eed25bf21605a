/** A collector of traces on loopback that accepts OTLP over HTTP as JSON, and keeps it. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SeenSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  /** 2: server */
  kind: number
  attributes: Record<string, string | number | boolean>
  /** 2: error */
  status: { code?: number, message?: string }
}

interface WireValue {
  stringValue?: string, intValue?: string | number, boolValue?: boolean, doubleValue?: number
}
interface WireSpan extends Omit<SeenSpan, 'attributes'> {
  attributes: { key: string, value: WireValue }[]
}
interface WireBody {
  resourceSpans: {
    resource: { attributes: { key: string, value: WireValue }[] }, scopeSpans: { spans: WireSpan[] }[]
  }[]
}

export async function startCollector () {
  const bodies: string[] = []
  const headers: IncomingHttpHeaders[] = []
  const paths: string[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk)).on('end', () => {
      bodies.push(Buffer.concat(chunks).toString())
      headers.push(request.headers)
      paths.push(request.url!)
      response.setHeader('content-type', 'application/json')
      response.end('{}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const spans = (): SeenSpan[] =>
    bodies.flatMap(body =>
      (JSON.parse(body) as WireBody).resourceSpans.flatMap(each =>
        each.scopeSpans.flatMap(scope => scope.spans.map(read))
      )
    )
  const resource = () => readAttributes((JSON.parse(bodies[0]!) as WireBody).resourceSpans[0]!.resource.attributes)
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** The received bodies, unchanged. */
    bodies,
    headers,
    paths,
    spans,
    resource,
    async close () {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function read ({ attributes, ...span }: WireSpan): SeenSpan {
  return { ...span, attributes: readAttributes(attributes) }
}

function readAttributes (attributes: { key: string, value: WireValue }[]): SeenSpan['attributes'] {
  return Object.fromEntries(
    attributes.map((
      { key, value }
    ) => [key, value.stringValue ?? value.boolValue ?? value.doubleValue ?? Number(value.intValue)])
  )
}
