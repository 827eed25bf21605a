/**
 * Tracing by OpenTelemetry: spans are exported by OTLP over HTTP. Loaded only if tracing is on. Keeps its own context
 * and registers nothing globally, because an application that mounts Latchkey may use OpenTelemetry itself.
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
import { requestOfPage } from '../http/inner-call.ts'
import type { TracingConfig } from '../config/settings.ts'
import type { Service } from '../telemetry/service.ts'
import type { SpanAttributes, Tracing } from '../telemetry/tracing.ts'

/** The collector, the share of traces to record, and the version that is told. */
export interface TracingOptions extends TracingConfig { version: string }

export interface RequestTracing extends Tracing, Service {
  /** Opens a span for every request of `app` from now on. */
  traceRequests (app: FastifyInstance): void
  /** Exports the remaining spans, and stops. */
  stop (): Promise<void>
}

/** Drops `tracestate`: it holds any text of the caller, and would be passed on with every span. */
const traceparentOnly = {
  get: (headers: FastifyRequest['headers'], name: string) => name === 'traceparent' ? headers[name] : undefined,
  keys: () => ['traceparent'],
}

const propagator = new W3CTraceContextPropagator()

export function openTracing ({ url, headers, serviceName, version, ratio }: TracingOptions): RequestTracing {
  const sampler = share(ratio)
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
    // The sampled flag and the id of a trace are chosen by the caller, and must not decide how much is exported.
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
        // Within the span of the request of the page.
        if (requestOfPage() !== null) return done()
        const parent = propagator.extract(ROOT_CONTEXT, request.headers, traceparentOnly)
        const { url: route } = request.routeOptions
        const span = tracer.startSpan(route === undefined ? request.method : `${request.method} ${route}`, {
          kind: SpanKind.SERVER,
          // The route, not the path, whose parameters hold any text of the caller.
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
    stop: () => provider.shutdown().catch(() => {}),
  }
}

/** Records a random share of traces. OpenTelemetry's ratio sampler decides by the trace id, which callers choose. */
function share (ratio: number): Sampler {
  return {
    shouldSample: () => ({
      decision: Math.random() < ratio ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD
    }),
    toString: () => `share ${ratio}`
  }
}

/** Errors are recorded by name alone: a message may quote the request. */
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
