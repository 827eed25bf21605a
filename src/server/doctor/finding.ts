/** The result of one check of `latchkey doctor`. */
export interface Finding {
  /** `configuration`, `data folder`, `database`, … */
  check: string
  /** `warning`: works now, but may fail later. `skipped`: does not apply, or another check has to pass first. */
  status: 'ok' | 'warning' | 'failed' | 'skipped'
  found: string
  /** What to do; null: nothing. */
  remedy: string | null
}

export function ok (check: string, found: string): Finding {
  return { check, status: 'ok', found, remedy: null }
}

export function warning (check: string, found: string, remedy: string): Finding {
  return { check, status: 'warning', found, remedy }
}

export function failed (check: string, found: string, remedy: string): Finding {
  return { check, status: 'failed', found, remedy }
}

export function skipped (check: string, found: string): Finding {
  return { check, status: 'skipped', found, remedy: null }
}
