/** The interface of tracing, implemented in observability/. A server without tracing has none, at no cost. */

/** Values come from closed sets or are ids of this server; never text of a caller, such as a credential or a query. */
export type SpanAttributes = Record<string, string | number | boolean>

export interface Tracing {
  /**
   * Runs `work` in a child of the present span. The span ends when `work` returns, or when the promise it returned
   * settles; an error marks the span and is rethrown.
   */
  span<T> (name: string, work: () => T): T
  /** Adds to the present span, if any. */
  annotate (attributes: SpanAttributes): void
  /** Headers for an outgoing request (W3C Trace Context); empty outside of spans. */
  outgoing (): Record<string, string>
}

/** Runs `work`, in a span if there is tracing. */
export function inSpan<T> (tracing: Tracing | null, name: string, work: () => T): T {
  return tracing === null ? work() : tracing.span(name, work)
}
