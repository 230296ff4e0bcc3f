/** What a parse of untrusted input gives: the typed value, or one line that says what was wrong with it. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | Malformed

export interface Malformed {
  readonly ok: false
  readonly reason: 'Malformed'
  readonly detail: string
}

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value }
}

export function malformed(detail: string): Malformed {
  return { ok: false, reason: 'Malformed', detail }
}
