/**
 * Where spans go, if anywhere. Implemented by observability/; a server that is not traced has none, and pays nothing.
 */

/** Values come from closed sets or are ids of ours: never a credential, a query or what else a caller sent. */
export type SpanAttributes = Record<string, string | number | boolean>

export interface Tracing {
  /**
   * Runs `work` in a span of its own, a child of the one that runs now. It ends when `work` has, or when the promise
   * that
   * `work` returned is settled; what is thrown marks the span and passes unchanged.
   */
  span<T> (name: string, work: () => T): T
  /** Adds to the span that runs now, if there is one. */
  annotate (attributes: SpanAttributes): void
  /** The headers that tell a server that is called who calls (W3C Trace Context); empty outside any span. */
  outgoing (): Record<string, string>
}

/** Runs `work` in a span where there is tracing, else just runs it. */
export function inSpan<T> (tracing: Tracing | null, name: string, work: () => T): T {
  return tracing === null ? work() : tracing.span(name, work)
}
