/**
 * Spans by OpenTelemetry, sent by OTLP over HTTP. Loaded only where tracing is switched on. It keeps its own context
 * and registers nothing globally: an application that Latchkey is mounted in may have a tracing of its own.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor, ParentBasedSampler, SamplingDecision, TracerProvider, type Sampler
} from '@opentelemetry/sdk-trace'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { TracingConfig } from '../config/settings.ts'
import type { SpanAttributes, Tracing } from '../telemetry/tracing.ts'

/** Where spans go, how many, and from which version. */
export interface TracingOptions extends TracingConfig {
  version: string
}

export interface RequestTracing extends Tracing {
  /** Puts every request of `app` that comes after into a span. */
  traceRequests (app: FastifyInstance): void
  /** Sends what is left, and stops. */
  close (): Promise<void>
}

/** `tracestate` is whatever the caller likes, and would travel on with every span. */
const traceparentOnly = {
  get: (headers: FastifyRequest['headers'], name: string) => name === 'traceparent' ? headers[name] : undefined,
  keys: () => ['traceparent'],
}

const propagator = new W3CTraceContextPropagator()

export function openTracing ({ url, headers, serviceName, version, ratio }: TracingOptions): RequestTracing {
  const sampler = share(ratio)
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
    // Strangers say that their trace is recorded, and choose its id: they do not decide how much we send.
    sampler: new ParentBasedSampler({ root: sampler, remoteParentSampled: sampler }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({ url, headers: { ...headers }, timeoutMillis: 5_000 }),
        scheduledDelayMillis: 1_000,
        exportTimeoutMillis: 6_000
      })
    ],
    spanLimits: { attributeValueLengthLimit: 256 }
  })
  const tracer = provider.getTracer('latchkey', version)
  const current = new AsyncLocalStorage<Context>()
  const spans = new WeakMap<FastifyRequest, Span>()
  const here = () => current.getStore() ?? ROOT_CONTEXT

  return {
    span (name, work) {
      const span = tracer.startSpan(name, {}, here())
      return current.run(trace.setSpan(here(), span), () => endingWith(span, work))
    },
    annotate (attributes: SpanAttributes) {
      trace.getSpan(here())?.setAttributes(attributes)
    },
    outgoing () {
      const carrier: Record<string, string> = {}
      propagator.inject(here(), carrier, { set: (into: Record<string, string>, name, value) => { into[name] = value } })
      return carrier
    },
    traceRequests (app) {
      app.addHook('onRequest', (request, _reply, done) => {
        const parent = propagator.extract(ROOT_CONTEXT, request.headers, traceparentOnly)
        const { url: route } = request.routeOptions
        const span = tracer.startSpan(route === undefined ? request.method : `${request.method} ${route}`, {
          kind: SpanKind.SERVER,
          // The route, not the path: what stands in its parameters is the caller's.
          attributes: {
            'http.request.method': request.method,
            ...(route === undefined ? {} : { 'http.route': route }),
            'latchkey.request_id': request.id
          }
        }, parent)
        spans.set(request, span)
        current.run(trace.setSpan(parent, span), done)
      })
      app.addHook('onResponse', (request, reply, done) => {
        const span = spans.get(request)
        span?.setAttribute('http.response.status_code', reply.statusCode)
        if (reply.statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR })
        span?.end()
        done()
      })
    },
    close: () => provider.shutdown().catch(() => {}),
  }
}

/**
 * Records this share of traces, 0 to 1, drawn here. The ratio sampler of OpenTelemetry goes by the trace's id, which
 * callers choose.
 */
function share (ratio: number): Sampler {
  return {
    shouldSample: () => ({
      decision: Math.random() < ratio ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD
    }),
    toString: () => `share ${ratio}`
  }
}

/** Errors are named by their kind: their sentences may quote what was sent. */
function endingWith<T> (span: Span, work: () => T): T {
  const failed = (error: unknown): never => {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : 'error' })
    span.end()
    throw error
  }
  try {
    const result = work()
    if (!(result instanceof Promise)) {
      span.end()
      return result
    }
    return result.then(value => { span.end(); return value }, failed) as T
  } catch (error) {
    return failed(error)
  }
}
